//! Family numbers and the closed enums around them: one enum per pair of sender and receiver.
//!
//! A family that is not in the enum of the peer's role is refused before its message is decoded.

use prost::Message as _;

use super::{auth, client, effect, handover, node, player, subscription};
use crate::limits;
use crate::wire::{self, Reader, Truncated};

/// What travels in order among itself, goes before what, and may wait for company. Nothing is ever dropped silently: what
/// finds no room is not made, or ends the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Goes first, and is never made to wait.
    Control,
    /// Goes next, and is never made to wait.
    Handover,
    /// What concerns one user and is never said again.
    PerUser,
    /// What a tick says: own states, cells, and that it is over. The sender asks for room before it makes any of it.
    Tick,
}

impl Class {
    /// Every class, in the order in which they leave.
    pub const ALL: [Self; 4] = [Self::Control, Self::Handover, Self::PerUser, Self::Tick];

    /// The number on the wire, as fragments name it, and the place in that order.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The class of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Why a message or a batch was refused. Always the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The batch ends inside a message.
    #[error("a batch ends inside a message")]
    Truncated(#[from] Truncated),
    /// A length is no varint of at most 64 bits.
    #[error("a message's length is malformed")]
    Length,
    /// More messages than a batch may hold.
    #[error("a batch holds more than {max} messages", max = limits::BATCH_MESSAGES_MAX)]
    TooMany,
    /// The peer's role does not send this family.
    #[error("family {0:#04x} does not come from this peer's role")]
    FamilyDenied(u8),
    /// protobuf said no.
    #[error("a message of family {0:#04x} is malformed")]
    Malformed(u8),
}

/// Something that can stand in a batch: `family u8 | length varint | protobuf`.
pub trait BatchMessage: Sized {
    /// The family number.
    fn family(&self) -> u8;
    /// The class it is queued in.
    fn class(&self) -> Class;
    /// Bytes that [`encode`](Self::encode) appends.
    fn encoded_len(&self) -> usize;
    /// Appends family, length and message.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads one message of a family.
    ///
    /// # Errors
    /// `FamilyDenied` before anything is decoded, `Malformed` when protobuf says no.
    fn parse(family: u8, body: bytes::Bytes) -> Result<Self, MessageError>;
}

macro_rules! messages {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $family:literal, $class:ident, $message:ty;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $(#[doc = concat!("Family ", stringify!($family), ".")] $variant($message),)*
        }

        impl BatchMessage for $name {
            fn family(&self) -> u8 {
                match self { $(Self::$variant(_) => $family,)* }
            }

            fn class(&self) -> Class {
                match self { $(Self::$variant(_) => Class::$class,)* }
            }

            fn encoded_len(&self) -> usize {
                let body = match self { $(Self::$variant(message) => message.encoded_len(),)* };
                wire::varint_len(body as u64).saturating_add(body).saturating_add(1)
            }

            fn encode(&self, out: &mut Vec<u8>) {
                out.push(self.family());
                match self {
                    $(Self::$variant(message) => {
                        wire::put_varint(out, message.encoded_len() as u64);
                        message.encode_raw(out);
                    })*
                }
            }

            fn parse(family: u8, body: bytes::Bytes) -> Result<Self, MessageError> {
                match family {
                    $($family => <$message>::decode(body).map(Self::$variant),)*
                    _ => return Err(MessageError::FamilyDenied(family)),
                }
                .map_err(|_| MessageError::Malformed(family))
            }
        }

        $(impl From<$message> for $name {
            fn from(message: $message) -> Self {
                Self::$variant(message)
            }
        })*
    };
}

messages! {
    /// What a proxy says to a game server.
    ProxyToServer {
        Heartbeat = 0x21, Control, node::Heartbeat;
        Subscribe = 0x41, Control, subscription::Subscribe;
        Unsubscribe = 0x42, Control, subscription::Unsubscribe;
        GetTopology = 0x45, Control, subscription::GetTopology;
        Topology = 0x46, Control, subscription::Topology;
        WatchMap = 0x47, Control, subscription::WatchMap;
        Join = 0x50, PerUser, player::Join;
        Leave = 0x53, PerUser, player::Leave;
        Inputs = 0x54, PerUser, player::Inputs;
        Command = 0x55, PerUser, player::Command;
        EventAck = 0x59, PerUser, player::EventAck;
    }
}

messages! {
    /// What a game server says to a proxy.
    ServerToProxy {
        Heartbeat = 0x21, Control, node::Heartbeat;
        Kick = 0x33, Control, node::Kick;
        Serving = 0x40, Control, subscription::Serving;
        CellUpdates = 0x43, Tick, subscription::CellUpdates;
        TickEnd = 0x44, Tick, subscription::TickEnd;
        GetTopology = 0x45, Control, subscription::GetTopology;
        Topology = 0x46, Control, subscription::Topology;
        RegionBrief = 0x48, Tick, subscription::RegionBrief;
        Joined = 0x51, PerUser, player::Joined;
        JoinRefused = 0x52, PerUser, player::JoinRefused;
        CommandAck = 0x56, PerUser, player::CommandAck;
        Output = 0x57, Tick, player::Output;
        Event = 0x58, PerUser, player::Event;
        Moved = 0x5a, Handover, player::Moved;
        Here = 0x5b, Handover, player::Here;
        Elsewhere = 0x5c, PerUser, player::Elsewhere;
        Superseded = 0x5d, PerUser, player::Superseded;
        Notify = 0x5e, PerUser, player::Notify;
        Announce = 0x5f, PerUser, player::Announce;
    }
}

messages! {
    /// What game servers say to each other, in either direction of a peer link.
    ServerToServer {
        Heartbeat = 0x21, Control, node::Heartbeat;
        Serving = 0x40, Control, subscription::Serving;
        Subscribe = 0x41, Control, subscription::Subscribe;
        Unsubscribe = 0x42, Control, subscription::Unsubscribe;
        CellUpdates = 0x43, Tick, subscription::CellUpdates;
        GetTopology = 0x45, Control, subscription::GetTopology;
        Topology = 0x46, Control, subscription::Topology;
        Prepare = 0x60, Handover, handover::Prepare;
        Prepared = 0x61, Handover, handover::Prepared;
        Refuse = 0x62, Handover, handover::Refuse;
        Commit = 0x63, Handover, handover::Commit;
        Done = 0x64, Handover, handover::Done;
        Effect = 0x70, PerUser, effect::Effect;
        Refresh = 0x71, PerUser, effect::Refresh;
        Roam = 0x72, PerUser, effect::Roam;
        Arrivals = 0x73, PerUser, effect::Arrivals;
    }
}

messages! {
    /// What a proxy says to an auth node.
    ProxyToAuth {
        Heartbeat = 0x21, Control, node::Heartbeat;
        GetTopology = 0x45, Control, subscription::GetTopology;
        Topology = 0x46, Control, subscription::Topology;
        Ask = 0xa0, PerUser, auth::Ask;
    }
}

messages! {
    /// What an auth node says to a proxy.
    AuthToProxy {
        Heartbeat = 0x21, Control, node::Heartbeat;
        GetTopology = 0x45, Control, subscription::GetTopology;
        Topology = 0x46, Control, subscription::Topology;
        Answer = 0xa1, PerUser, auth::Answer;
    }
}

messages! {
    /// What a client says to its proxy over TCP.
    ClientToProxy {
        Attach = 0x90, Control, client::Attach;
        Input = 0x91, PerUser, client::Input;
        Command = 0x92, PerUser, client::Command;
        EventAck = 0x93, PerUser, client::EventAck;
        Logout = 0x94, Control, client::Logout;
        Ping = 0x95, Control, client::Ping;
    }
}

messages! {
    /// What a proxy says to its client over TCP.
    ProxyToClient {
        Ping = 0x95, Control, client::Ping;
        Snapshot = 0x98, Tick, client::Snapshot;
        World = 0x99, Control, client::World;
        Playing = 0x9a, Control, client::Playing;
        CommandAck = 0x9b, PerUser, client::CommandAck;
        Event = 0x9c, PerUser, client::Event;
        Notice = 0x9d, Control, client::Notice;
        TicketRenewal = 0x9e, Control, client::TicketRenewal;
        News = 0x9f, PerUser, client::News;
    }
}

/// Reads the messages of one batch, which shares its bytes with them.
#[derive(Clone, Debug)]
pub struct BatchReader {
    rest: bytes::Bytes,
    read: usize,
}

impl BatchReader {
    /// Reads from the start of a frame's plain payload.
    #[must_use]
    pub fn new(payload: bytes::Bytes) -> Self {
        Self {
            rest: payload,
            read: 0,
        }
    }

    /// The next family and body; `None` at the end.
    ///
    /// # Errors
    /// A batch that does not parse ends the link: nothing after the mistake can be trusted.
    pub fn next_body(&mut self) -> Result<Option<(u8, bytes::Bytes)>, MessageError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        if self.read >= limits::BATCH_MESSAGES_MAX {
            return Err(MessageError::TooMany);
        }
        let mut reader = Reader::new(&self.rest);
        let family = reader.u8()?;
        let length = reader.varint()?.ok_or(MessageError::Length)?;
        let length = usize::try_from(length).map_err(|_| MessageError::Length)?;
        let start = self.rest.len().saturating_sub(reader.rest().len());
        reader.bytes(length)?;
        let end = start.saturating_add(length);
        let body = self.rest.slice(start..end);
        self.rest = self.rest.slice(end..);
        self.read = self.read.saturating_add(1);
        Ok(Some((family, body)))
    }

    /// Bytes that have not been read.
    #[must_use]
    pub fn rest_bytes(&self) -> usize {
        self.rest.len()
    }

    /// The next message of the enum that fits the peer's role; `None` at the end.
    ///
    /// # Errors
    /// As [`next_body`](Self::next_body) and [`BatchMessage::parse`].
    pub fn next_message<M: BatchMessage>(&mut self) -> Result<Option<M>, MessageError> {
        self.next_body()?
            .map(|(family, body)| M::parse(family, body))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_names_every_family_and_no_other() {
        let manual = include_str!("../../../../docs/protocol.md");
        fn takes<M: BatchMessage>(family: u8) -> bool {
            M::parse(family, bytes::Bytes::new()).is_ok()
        }
        for family in 0..=u8::MAX {
            let taken = takes::<ProxyToServer>(family)
                || takes::<ServerToProxy>(family)
                || takes::<ServerToServer>(family)
                || takes::<ProxyToAuth>(family)
                || takes::<AuthToProxy>(family)
                || takes::<ClientToProxy>(family)
                || takes::<ProxyToClient>(family);
            let row = format!("\n| {family:#04x} | `");
            assert_eq!(manual.contains(&row), taken, "{row}");
        }
    }

    #[test]
    fn a_batch_gives_back_its_messages_in_order() {
        let sent = [
            ProxyToServer::from(player::EventAck {
                user: 7,
                owner_epoch: 2,
                number: 3,
                session_generation: 9,
            }),
            ProxyToServer::from(subscription::Unsubscribe {
                region: 1,
                region_epoch: 4,
                cells: vec![5, 6],
            }),
        ];
        let mut bytes = Vec::new();
        for message in &sent {
            let before = bytes.len();
            message.encode(&mut bytes);
            assert_eq!(bytes.len() - before, message.encoded_len());
        }
        let mut reader = BatchReader::new(bytes.into());
        assert_eq!(reader.next_message().unwrap().as_ref(), Some(&sent[0]));
        assert_eq!(reader.next_message().unwrap().as_ref(), Some(&sent[1]));
        assert_eq!(reader.next_message::<ProxyToServer>(), Ok(None));
    }

    #[test]
    fn a_family_of_another_role_is_refused_before_it_is_decoded() {
        let malformed = bytes::Bytes::from_static(&[0xff; 4]);
        assert_eq!(
            ProxyToServer::parse(0x60, malformed.clone()),
            Err(MessageError::FamilyDenied(0x60))
        );
        assert_eq!(
            ServerToServer::parse(0x60, malformed),
            Err(MessageError::Malformed(0x60))
        );
    }

    #[test]
    fn a_batch_cut_anywhere_is_refused() {
        let mut bytes = Vec::new();
        ProxyToServer::from(player::EventAck {
            user: 7,
            owner_epoch: 2,
            number: 3,
            session_generation: 9,
        })
        .encode(&mut bytes);
        for cut in 1..bytes.len() {
            let mut reader = BatchReader::new(bytes[..cut].to_vec().into());
            assert!(reader.next_message::<ProxyToServer>().is_err(), "cut at {cut}");
        }
        let overlong = [[0x59].as_slice(), &[0xff; 11]].concat();
        assert_eq!(
            BatchReader::new(overlong.into()).next_body(),
            Err(MessageError::Length)
        );
    }
}
