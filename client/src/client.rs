//! The client as a game uses it: connect, send, wait for what happens next; a lost connection resumes by itself.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use client_core::{
    ClientEffect, ClientEvent, CommandError, ConnectOptions, ConnectionError, Datagrams, Logins, Reading,
    Session, TICK_MS, Traffic, World,
};
use net::clock::Monotonic;
use net::entropy::OsEntropy;
use net::sealed_stream::RawStream;
use protocol::Code;
use protocol::datagram::Transport;
use protocol::identity::ClientKey;
use protocol::ids::{CommandNumber, UserId};
use protocol::limits;
use protocol::message::family::ClientToProxy;
use protocol::message::player::CommandClass;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::carrier::{Carrier, ended};
use crate::connection::{Connection, Dialed, Incoming, greet, log_in, log_in_with, return_by};

/// A session on its way back, kept from one wait to the next.
type ComingBack = Pin<Box<dyn Future<Output = Result<Dialed, ConnectionError>> + Send>>;

/// One player's client. Nothing runs in the background: [`next_event`](Self::next_event) does the work while it waits.
pub struct Client {
    session: Session,
    clock: Monotonic,
    connection: Option<Connection>,
    /// While there is none.
    comeback: Option<ComingBack>,
    effects: Vec<ClientEffect>,
    datagram: Box<[u8; limits::DATAGRAM_BYTES_MAX]>,
    next_tick: Instant,
    /// Whether a lost connection is the end.
    plays_once: bool,
    ended: bool,
}

impl Client {
    /// Logs in at the first proxy that answers.
    ///
    /// # Errors
    /// The last proxy's error, or its refusal.
    pub async fn connect(options: ConnectOptions) -> Result<Self, ConnectionError> {
        let clock = Monotonic::default();
        let (session, dialed) = log_in(options, Reading::AtOnce, (&Carrier::Tcp, clock)).await?;
        Self::begun(session, dialed, clock, false).await
    }

    /// Logs in with a key that was kept: with [`Credentials::Device`](crate::Credentials::Device) as the user that it is a device of, or
    /// with a ticket that was granted to it. Whoever has the key is that user.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(key: ClientKey, options: ConnectOptions) -> Result<Self, ConnectionError> {
        let clock = Monotonic::default();
        let over = (&Carrier::Tcp, clock);
        let (session, dialed) = log_in_with(key, options, Reading::AtOnce, over).await?;
        Self::begun(session, dialed, clock, false).await
    }

    /// Logs in over a connection that is there already, which is the only one: when it is lost, the session is over.
    ///
    /// # Errors
    /// What went wrong with it, or the proxy's refusal.
    pub async fn through(io: TcpStream, options: ConnectOptions) -> Result<Self, ConnectionError> {
        let (clock, proxy) = (Monotonic::default(), io.peer_addr()?);
        let options = ConnectOptions {
            proxies: vec![proxy],
            datagrams: Datagrams::Off,
            ..options
        };
        let key = ClientKey::generate(&mut OsEntropy);
        let login = Logins::new(&options, &key).staying().next_dial();
        let login = login.ok_or(ConnectionError::TimedOut)?;
        let limit = Duration::from_millis(limits::CLIENT_HANDSHAKE_MS_MAX);
        let stream = RawStream::new(io, clock).map_err(ended)?;
        let greeted = tokio::time::timeout(limit, greet(login, stream, clock)).await;
        let dialed = greeted.map_err(|_| ConnectionError::TimedOut)??;
        let session = Session::new(options, key, &dialed.established, Reading::AtOnce);
        Self::begun(session, dialed, clock, true).await
    }

    async fn begun(
        session: Session,
        dialed: Dialed,
        clock: Monotonic,
        plays_once: bool,
    ) -> Result<Self, ConnectionError> {
        let mut client = Self {
            session,
            clock,
            connection: None,
            comeback: None,
            effects: Vec::new(),
            datagram: Box::new([0; limits::DATAGRAM_BYTES_MAX]),
            next_tick: Instant::now(),
            plays_once,
            ended: false,
        };
        client.drive(dialed).await?;
        Ok(client)
    }

    /// The user this client plays as.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.session.user()
    }

    /// The proxy it is connected to, or was last.
    #[must_use]
    pub fn proxy(&self) -> SocketAddr {
        self.session.proxy()
    }

    /// The world view; `None` before the proxy described the world.
    #[must_use]
    pub fn world(&self) -> Option<&World> {
        self.session.core.world()
    }

    /// Milliseconds on the clock that sightings are dated by.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// What carries inputs and snapshots now.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.session.core.transport()
    }

    /// Commands that await acknowledgement.
    #[must_use]
    pub fn open_commands(&self) -> usize {
        self.session.core.open_commands()
    }

    /// Server wall clock less [`now_ms`](Self::now_ms), milliseconds.
    #[must_use]
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.session.core.clock_offset_ms()
    }

    /// The newest round trip to the proxy, milliseconds.
    #[must_use]
    pub fn round_trip_ms(&self) -> Option<u64> {
        self.session.core.round_trip_ms()
    }

    /// What has gone up and down so far, over all connections of the session, handshakes aside.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.session.traffic
    }

    /// Sends an input of at most 64 bytes, at once. Returns its number, which a snapshot will acknowledge.
    pub fn send_input(&mut self, input: impl Into<Bytes>) -> u64 {
        let now_ms = self.now_ms();
        let number = self.session.core.send_input(input.into(), now_ms);
        self.carry_out();
        number
    }

    /// Sends a command of at most 1,024 bytes; it is applied exactly once, in order.
    ///
    /// # Errors
    /// `CommandError` when 64 commands await acknowledgement or the body is too long.
    pub fn send_command(
        &mut self,
        class: CommandClass,
        body: impl Into<Bytes>,
    ) -> Result<CommandNumber, CommandError> {
        let number = self.session.core.send_command(class, body.into())?;
        self.carry_out();
        Ok(number)
    }

    /// Leaves the world: the proxy closes the connection, and [`next_event`](Self::next_event) ends with code `OK`.
    pub fn logout(&mut self) {
        self.session.core.send_logout();
        self.carry_out();
    }

    /// Something that happened already and was not told yet.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.session.core.next_event()
    }

    /// Waits for what happens next, resuming at any proxy when the connection is lost. May be dropped and called again, also
    /// while it resumes: it goes on where it was.
    ///
    /// # Errors
    /// The session is over: its last connection's error. Every further call gives an error as well.
    pub async fn next_event(&mut self) -> Result<ClientEvent, ConnectionError> {
        loop {
            if let Some(event) = self.session.core.next_event() {
                return Ok(event);
            }
            if self.ended {
                return Err(ConnectionError::Closed(Code::Generic.into()));
            }
            if let Some(comeback) = &mut self.comeback {
                let returned = comeback.as_mut().await;
                self.comeback = None;
                self.returned(returned).await?;
                continue;
            }
            let lost = match &mut self.connection {
                Some(connection) => {
                    tokio::select! {
                        incoming = connection.next(&mut self.datagram[..]) => match incoming {
                            Ok(incoming) => self.take(&incoming).err(),
                            Err(error) => Some(error),
                        },
                        () = sleep_until(self.next_tick) => self.tick().err(),
                    }
                }
                None => Some(ConnectionError::TimedOut),
            };
            if let Some(error) = lost {
                self.lost(error)?;
            }
        }
    }

    fn take(&mut self, incoming: &Incoming) -> Result<(), ConnectionError> {
        let now_ms = self.now_ms();
        match incoming {
            Incoming::Frame(frame) => self.session.take_frame(frame, now_ms)?,
            Incoming::Datagram(length) => {
                let mut length = Some(*length);
                while let Some(datagram) = length.and_then(|length| self.datagram.get_mut(..length)) {
                    self.session.take_datagram(datagram, now_ms);
                    length = self
                        .connection
                        .as_ref()
                        .and_then(|connection| connection.try_datagram(&mut self.datagram[..]));
                }
            }
            Incoming::Flushed => {}
        }
        self.carry_out();
        Ok(())
    }

    fn tick(&mut self) -> Result<(), ConnectionError> {
        self.next_tick = Instant::now() + Duration::from_millis(TICK_MS);
        let now_ms = self.now_ms();
        self.session.tick(now_ms)?;
        self.carry_out();
        Ok(())
    }

    /// Sends what the core wants sent. A connection that fails here is found out by the next wait.
    fn carry_out(&mut self) {
        self.session.core.take_effects(&mut self.effects);
        let Some(connection) = &mut self.connection else {
            self.effects.clear();
            return;
        };
        let mut stream: Vec<ClientToProxy> = Vec::new();
        for effect in self.effects.drain(..) {
            match effect {
                ClientEffect::Datagram(datagram) => {
                    self.session.traffic.up_bytes += datagram.len() as u64;
                    connection.send_datagram(&datagram);
                }
                ClientEffect::Stream(message) => stream.push(message),
            }
        }
        let before = connection.writer.staged();
        if connection.stage(&stream).is_err() {
            self.connection = None;
            return;
        }
        self.session.traffic.up_bytes += (connection.writer.staged() - before) as u64;
    }

    async fn drive(&mut self, dialed: Dialed) -> Result<(), ConnectionError> {
        let (connection, attachment) = dialed.into_driven().await?;
        self.connection = Some(connection);
        let now_ms = self.now_ms();
        self.session.core.attached(attachment, now_ms);
        self.carry_out();
        Ok(())
    }

    fn lost(&mut self, error: ConnectionError) -> Result<(), ConnectionError> {
        self.connection = None;
        if self.plays_once {
            return self.over(error);
        }
        match self.session.leave(error, self.now_ms()) {
            Ok(comeback) => {
                self.comeback = Some(Box::pin(return_by(comeback, Carrier::Tcp, self.clock)));
                Ok(())
            }
            Err(error) => self.over(error),
        }
    }

    async fn returned(&mut self, returned: Result<Dialed, ConnectionError>) -> Result<(), ConnectionError> {
        let driven = match returned {
            Ok(dialed) => {
                self.session.come_back(&dialed.established);
                self.drive(dialed).await
            }
            Err(error) => Err(error),
        };
        driven.or_else(|error| self.over(error))
    }

    fn over(&mut self, error: ConnectionError) -> Result<(), ConnectionError> {
        self.ended = true;
        Err(error)
    }
}
