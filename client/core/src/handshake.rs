//! One handshake of a session with one proxy, whatever carries its frames: bytes to send come out, frames that came go in.
//! Each state is a type, so no step comes twice; a refusal ends it as an error does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use protocol::Entropy;
use protocol::attach::Attach;
use protocol::client_handshake::{
    ClientAnswer, ClientAwaitingWelcome, ClientInitiator, ClientTrust, Credentials, Login, Moving, Versions,
    Welcome,
};
use protocol::datagram::ConnectionId;
use protocol::frame::{FrameError, FrameOpener, FrameSealer, FrameType, HandshakeKey, RawFrame};
use protocol::identity::ClientKey;
use protocol::ids::AttachNo;
use protocol::limits;

use crate::error::ConnectionError;
use crate::{Attachment, DatagramKeys};

/// Whether to use datagrams at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Datagrams {
    /// Where they get through.
    #[default]
    Allowed,
    /// Everything stays on the stream.
    Off,
}

/// What a connection needs to begin.
#[derive(Clone)]
pub struct Dial {
    /// Where to.
    pub proxy: SocketAddr,
    /// Whom to trust there.
    pub trust: ClientTrust,
    /// The session's key.
    pub key: ClientKey,
    /// As whom.
    pub credentials: Credentials,
    /// Higher than in any attach of the session before.
    pub attach_no: AttachNo,
    /// Whether to use datagrams.
    pub datagrams: Datagrams,
    /// Whether to go to another proxy if this one says so, in place of a login.
    pub moving: Moving,
}

impl Dial {
    /// Begins the handshake: its state, and the bytes to send first. `wall_ms` is this machine's wall clock, Unix
    /// milliseconds, here and below.
    ///
    /// # Errors
    /// None that a peer can cause.
    pub fn start(
        self,
        wall_ms: u64,
        entropy: &mut dyn Entropy,
    ) -> Result<(AwaitingAnswer, Vec<u8>), FrameError> {
        let authority = self.trust.authorities.current.to_bytes();
        let frames = HandshakeKey::client(&authority, self.trust.cluster_id);
        let (initiator, c1) =
            ClientInitiator::start_as(self.moving, self.trust, Versions::default(), entropy);
        let mut bytes = Vec::new();
        frames.seal(FrameType::ClientHello, &c1, wall_ms, &mut bytes)?;
        let state = AwaitingAnswer {
            dial: self,
            frames,
            initiator,
        };
        Ok((state, bytes))
    }
}

/// The hello is sent.
pub struct AwaitingAnswer {
    dial: Dial,
    frames: HandshakeKey,
    initiator: ClientInitiator,
}

impl AwaitingAnswer {
    /// Checks the proxy by its first frame and logs in: the bytes to send next.
    ///
    /// # Errors
    /// Whatever is wrong with the frame or the proxy; nothing of the login has been shown to anybody then.
    pub fn answered(
        self,
        frame: RawFrame,
        wall_ms: u64,
    ) -> Result<(AwaitingWelcome, Vec<u8>), ConnectionError> {
        let Self {
            dial,
            frames,
            initiator,
        } = self;
        let p2 = frames.open(frame, FrameType::ProxyAnswer, wall_ms)?;
        let login = Login {
            key: &dial.key,
            credentials: dial.credentials.clone(),
            attach_no: dial.attach_no,
        };
        let (awaiting, c3) = initiator.receive_p2(&p2.payload, login, wall_ms)?;
        let mut bytes = Vec::new();
        frames.seal(FrameType::ClientLogin, &c3, wall_ms, &mut bytes)?;
        let state = AwaitingWelcome {
            dial,
            frames,
            awaiting,
        };
        Ok((state, bytes))
    }
}

/// The login is sent.
pub struct AwaitingWelcome {
    dial: Dial,
    frames: HandshakeKey,
    awaiting: ClientAwaitingWelcome,
}

impl AwaitingWelcome {
    /// Takes the proxy's second frame: the session is established. `now_ms` is monotonic milliseconds.
    ///
    /// # Errors
    /// `Refused`, and whatever is wrong with the frame.
    pub fn welcomed(
        self,
        frame: RawFrame,
        wall_ms: u64,
        now_ms: u64,
    ) -> Result<Established, ConnectionError> {
        let Self {
            dial,
            frames,
            awaiting,
        } = self;
        let p4 = frames.open(frame, FrameType::ProxyWelcome, wall_ms)?;
        let attach = Attach {
            cluster_id: dial.trust.cluster_id,
            attach_no: dial.attach_no,
            proxy: awaiting.proxy().certificate.uuid(),
        };
        let (welcome, keys) = match awaiting.receive_p4(&p4.payload)? {
            ClientAnswer::Welcome(welcome, keys) => (*welcome, *keys),
            ClientAnswer::Refused(refusal) => return Err(ConnectionError::Refused(refusal)),
        };
        let mut opener = FrameOpener::new(keys.proxy_to_client);
        opener.establish(limits::FRAME_PAYLOAD_BYTES_MAX);
        let sealer = FrameSealer::new(keys.client_to_proxy, limits::CLIENT_RECORD_BYTES_MAX, now_ms);
        let has_datagrams = dial.datagrams == Datagrams::Allowed && welcome.datagram_address.is_some();
        let datagrams = has_datagrams.then_some(DatagramKeys {
            cid: welcome.datagram_cid,
            to_proxy: keys.datagrams_to_proxy,
            to_client: keys.datagrams_to_client,
        });
        let attachment = Attachment {
            attach_no: dial.attach_no,
            signature: attach.sign(welcome.ticket.claims(), &dial.key),
            datagrams,
        };
        Ok(Established {
            proxy: dial.proxy,
            opener,
            sealer,
            welcome,
            attachment,
        })
    }
}

/// A connection that nobody drives yet.
pub struct Established {
    /// Where it goes.
    pub proxy: SocketAddr,
    /// For what comes on the stream.
    pub opener: FrameOpener,
    /// For what goes out on it.
    pub sealer: FrameSealer,
    /// What the proxy said.
    pub welcome: Welcome,
    /// For the [`Core`](crate::Core).
    pub attachment: Attachment,
}

impl Established {
    /// Where datagrams go, and the name they bear; `None`: there are none.
    #[must_use]
    pub fn datagram_path(&self) -> Option<DatagramPath> {
        let keys = self.attachment.datagrams.as_ref()?;
        Some(DatagramPath {
            proxy: self.welcome.datagram_address?,
            cid: ConnectionId(keys.cid),
        })
    }
}

/// Where a client's datagrams go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramPath {
    /// The address that the proxy receives them at.
    pub proxy: SocketAddr,
    /// The name that they bear in both directions, by which clients that share a socket tell theirs apart.
    pub cid: ConnectionId,
}

impl DatagramPath {
    /// The address to bind a socket to that reaches the proxy; the system chooses the port.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        let any: IpAddr = match self.proxy {
            SocketAddr::V4(at) if at.ip().is_loopback() => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        SocketAddr::new(any, 0)
    }
}
