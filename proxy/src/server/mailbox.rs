//! What control and a shard's thread say to each other. Each side's words are taken all at once, a round's worth at a time;
//! neither ever waits for the other.

use std::net::SocketAddr;
use std::sync::Arc;

use net::link::HandedLink;
use net::link_core::Sealed;
use net::stream_socket::StreamSocket;
use protocol::Code;
use protocol::frame::Close;
use protocol::ids::{NodeNumber, RegionNumber, UserId};
use protocol::message::subscription::Topology;
use protocol::ticket::RawTicket;
use store::sanction::Ending;
use tokio::sync::{mpsc, oneshot};
use topology::Listing;

use super::directory::ShardIndex;
use super::handshake_permits::HandshakePermit;
use crate::shard::{Arrival, AttachVerdict, ClientId, Question};

/// A client that was let in. The thread alone owns it from now on.
pub(super) struct HandedClient {
    pub(super) socket: StreamSocket,
    pub(super) arrival: Arrival<Sealed>,
    /// Held until the thread has it, so that arrivals are bounded.
    pub(super) permit: HandshakePermit,
}

/// What control says.
pub(super) enum Order {
    /// A lane is up; the thread alone owns it from now on.
    Link(Box<HandedLink>),
    /// A client was let in.
    Client(Box<HandedClient>),
    /// Whether this user has a session.
    IsHere(UserId, oneshot::Sender<bool>),
    /// The store says who serves a region.
    Serving(store::Serving),
    /// The store says who holds a region.
    Holder(RegionNumber, Option<store::RegionHolder>),
    /// What the signature of an Attach is worth.
    Attach(ClientId, AttachVerdict),
    /// A ticket was renewed; where else the client may go.
    Ticket(ClientId, Box<RawTicket>, Vec<SocketAddr>),
    /// Nobody can say just now whether the ticket may be renewed: it is asked again.
    RenewLater(ClientId),
    /// Somebody looks at the map, to be told so often, milliseconds, or nobody does any more.
    WatchMap(Option<u32>),
    /// The topology in force has changed: every peer is looked at again, and this says who may serve what.
    Recheck(Arc<Listing>),
    /// Tell clients where else to go.
    Drain(Vec<SocketAddr>),
    /// Operators have ended these sessions; what each is told.
    EndSessions(Ending, Box<Close>),
    /// Send away who is still here.
    SendAway(Code),
    /// Send so many elsewhere, since the proxy drains.
    SendSomeAway(usize),
    /// Say goodbye to everybody, and end.
    Stop,
    /// Panic, to see what becomes of the process.
    #[cfg(feature = "fault-injection")]
    Panic,
}

/// Control's words, on their way to a shard's thread.
pub(super) type Mailbox = net::mailbox::Mailbox<Order>;

/// What a shard's thread says.
pub(super) enum News {
    /// The questions of one round.
    Questions(ShardIndex, Vec<Question>),
    /// A game server offers a topology.
    Topology(NodeNumber, Topology),
}

/// Where shards put it. Sessions bound what can be asked.
pub(super) type NewsSender = mpsc::UnboundedSender<News>;
