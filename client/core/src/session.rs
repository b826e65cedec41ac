//! One player's session whatever drives its sockets: it keeps its ticket, and goes to another proxy when the connection is
//! lost.

use std::net::SocketAddr;

use protocol::client_handshake::{ClientTrust, Credentials, Moving};
use protocol::frame::Frame;
use protocol::identity::ClientKey;
use protocol::ids::{AttachNo, UserId};
use protocol::message::client::TicketRenewal;
use protocol::message::family::ProxyToClient;
use protocol::ticket::RawTicket;

use crate::comeback::Comeback;
use crate::error::ConnectionError;
use crate::frames::{frame_bytes, messages};
use crate::handshake::{Datagrams, Dial, Established};
use crate::kept::{Kept, NotKept};
use crate::proxies::Proxies;
use crate::{Core, Reading};

/// Where and as whom to connect.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Any of them will do; the others are tried when one fails.
    pub proxies: Vec<SocketAddr>,
    /// From `join.json`.
    pub trust: ClientTrust,
    /// As whom.
    pub credentials: Credentials,
    /// Whether to use datagrams.
    pub datagrams: Datagrams,
}

impl ConnectOptions {
    /// A new session's first connection, to each proxy in turn.
    pub(crate) fn logins(&self, key: &ClientKey) -> Vec<Dial> {
        let login = |&proxy: &SocketAddr| Dial {
            proxy,
            trust: self.trust,
            key: key.clone(),
            credentials: self.credentials.clone(),
            attach_no: AttachNo(1),
            datagrams: self.datagrams,
            moving: Moving::Goes,
        };
        self.proxies.iter().map(login).collect()
    }
}

/// Bytes that a client has sent and received, as datagrams and frames, without the headers of IP, UDP and TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To the proxy.
    pub up_bytes: u64,
    /// From the proxy.
    pub down_bytes: u64,
}

/// A session without its sockets.
pub struct Session {
    /// What the player sends and sees.
    pub core: Core,
    /// Over all connections, handshakes aside.
    pub traffic: Traffic,
    trust: ClientTrust,
    datagrams: Datagrams,
    proxies: Proxies,
    key: ClientKey,
    /// As it logged in: nobody may have made a player of it yet.
    name: String,
    ticket: RawTicket,
    user: UserId,
    attach_no: AttachNo,
    proxy: SocketAddr,
}

impl Session {
    /// A proxy let the player in. Its [`core`](Self::core) is to be attached to the connection.
    #[must_use]
    pub fn new(options: ConnectOptions, key: ClientKey, established: &Established, reading: Reading) -> Self {
        let mut proxies = Proxies::new(&options.proxies);
        // It may have been sent there.
        proxies.learn([established.proxy]);
        Self {
            core: Core::new(reading),
            traffic: Traffic::default(),
            trust: options.trust,
            datagrams: options.datagrams,
            proxies,
            key,
            name: name_of(options.credentials),
            ticket: established.welcome.ticket,
            user: established.welcome.user,
            attach_no: established.attachment.attach_no,
            proxy: established.proxy,
        }
    }

    /// Goes on with a session of which another client was given up. It is at no proxy, as after [`leave`](Self::leave).
    ///
    /// # Errors
    /// `NotKept`: the bytes are no session.
    pub fn going_on(options: &ConnectOptions, kept: &[u8], reading: Reading) -> Result<Self, NotKept> {
        let kept = Kept::parse(kept)?;
        Ok(Self {
            core: Core::going_on(reading, kept.progress),
            traffic: Traffic::default(),
            trust: options.trust,
            datagrams: options.datagrams,
            proxies: Proxies::new(&options.proxies),
            key: kept.key,
            name: kept.name,
            user: kept.ticket.claims().user,
            ticket: kept.ticket,
            attach_no: kept.attach_no,
            proxy: options.proxies.last().copied().ok_or(NotKept)?,
        })
    }

    /// All that another client needs to [go on](Self::going_on) as this player. Whoever has it is the player until the ticket
    /// expires.
    #[must_use]
    pub fn keep(&self) -> Vec<u8> {
        let kept = Kept {
            ticket: self.ticket,
            key: self.key.clone(),
            attach_no: self.attach_no,
            name: self.name.clone(),
            progress: self.core.progress(),
        };
        kept.encode()
    }

    /// The user it plays as.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The proxy it is connected to, or was last.
    #[must_use]
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// The connection is lost: decides whether the session goes on, and if so, what brings it to another proxy.
    ///
    /// # Errors
    /// The same error, when it is for good.
    pub fn leave(&mut self, error: ConnectionError, now_ms: u64) -> Result<Comeback, ConnectionError> {
        self.core.detached();
        self.proxies.learn(error.proxies().iter().copied());
        if !error.is_passing() {
            return Err(error);
        }
        Ok(self.comeback(now_ms))
    }

    /// What brings it to a proxy again.
    pub(crate) fn comeback(&self, now_ms: u64) -> Comeback {
        let dial = Dial {
            proxy: self.proxy,
            trust: self.trust,
            key: self.key.clone(),
            credentials: Credentials::Ticket {
                ticket: Box::new(self.ticket.encode()),
                name: self.name.clone(),
            },
            attach_no: self.attach_no,
            datagrams: self.datagrams,
            moving: Moving::Stays,
        };
        Comeback::new(dial, self.proxies.after(self.proxy), now_ms)
    }

    /// The session is at another proxy, or at the same one again. Its [`core`](Self::core) is to be attached.
    pub fn come_back(&mut self, established: &Established) {
        self.proxy = established.proxy;
        self.attach_no = established.attachment.attach_no;
        self.ticket = established.welcome.ticket;
        self.user = established.welcome.user;
    }

    /// Takes a frame of the stream.
    ///
    /// # Errors
    /// The connection is over.
    pub fn take_frame(&mut self, frame: &Frame, now_ms: u64) -> Result<(), ConnectionError> {
        self.traffic.down_bytes += frame_bytes(frame);
        for message in messages(frame)? {
            if let ProxyToClient::TicketRenewal(renewal) = &message {
                self.renew(renewal);
            }
            self.core.handle_message(message, now_ms);
        }
        if self.core.is_overrun() {
            return Err(ConnectionError::Overrun);
        }
        Ok(())
    }

    /// Takes a datagram, decrypting it in place.
    pub fn take_datagram(&mut self, datagram: &mut [u8], now_ms: u64) {
        self.traffic.down_bytes += datagram.len() as u64;
        self.core.handle_datagram(datagram, now_ms);
    }

    /// Moves time.
    ///
    /// # Errors
    /// `Silent`: the connection is to be given up.
    pub fn tick(&mut self, now_ms: u64) -> Result<(), ConnectionError> {
        self.core.tick(now_ms);
        if self.core.is_forsaken() {
            return Err(ConnectionError::Silent);
        }
        Ok(())
    }

    fn renew(&mut self, renewal: &TicketRenewal) {
        if let Ok(ticket) = RawTicket::parse(&renewal.ticket) {
            self.ticket = ticket;
        }
        let named = renewal.proxies.iter().filter_map(|proxy| proxy.parse().ok());
        self.proxies.learn(named);
    }
}

fn name_of(credentials: Credentials) -> String {
    match credentials {
        Credentials::Guest { name }
        | Credentials::Password { name, .. }
        | Credentials::Ticket { name, .. }
        | Credentials::Device { name }
        | Credentials::Token { name, .. } => name,
        // Made by a handshake, and kept by nobody.
        Credentials::Sealed { .. } => String::new(),
    }
}
