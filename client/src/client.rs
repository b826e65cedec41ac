//! The client as a game uses it: connect, send, wait for what happens next; a lost connection resumes by itself.

mod sweep;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use net::clock::Monotonic;
use net::entropy::OsEntropy;
use protocol::Code;
use protocol::client_handshake::{ClientTrust, Credentials};
use protocol::datagram::Transport;
use protocol::identity::ClientKey;
use protocol::ids::{AttachNo, CommandNumber, UserId};
use protocol::limits;
use protocol::message::client;
use protocol::message::family::{ClientToProxy, ProxyToClient};
use protocol::message::player::CommandClass;
use protocol::ticket::RawTicket;
use rand::RngExt as _;
use tokio::time::{Instant, sleep_until};

use crate::connection::{Connection, ConnectionError, Datagrams, Dial, Incoming};
use crate::core::{ClientEffect, ClientEvent, CommandError, Core, World};

pub use sweep::Traffic;

/// The core's clock is moved at least this often, milliseconds.
const TICK_MS: u64 = 50;
/// How long a client tries to resume before it gives up, milliseconds: as long as owners keep linkdead players.
const RESUME_MS_MAX: u64 = 30_000;
/// First pause between two attempts, milliseconds; doubled up to a second, with jitter.
const RETRY_MS: u64 = 50;

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

/// One player's client. Nothing runs in the background: [`next_event`](Self::next_event) does the work while it waits.
pub struct Client {
    options: ConnectOptions,
    key: ClientKey,
    clock: Monotonic,
    core: Core,
    connection: Option<Connection>,
    ticket: RawTicket,
    user: UserId,
    attach_no: AttachNo,
    proxy: SocketAddr,
    effects: Vec<ClientEffect>,
    datagram: Box<[u8; limits::DATAGRAM_BYTES_MAX]>,
    next_tick: Instant,
    traffic: Traffic,
    ended: bool,
}

impl Client {
    /// Logs in at the first proxy that answers.
    ///
    /// # Errors
    /// The last proxy's error, or its refusal.
    pub async fn connect(options: ConnectOptions) -> Result<Self, ConnectionError> {
        let key = ClientKey::generate(&mut OsEntropy);
        let clock = Monotonic::default();
        let attach_no = AttachNo(1);
        let mut failed = ConnectionError::TimedOut;
        for &proxy in &options.proxies {
            let dial = Dial {
                proxy,
                trust: options.trust,
                key: &key,
                credentials: options.credentials.clone(),
                attach_no,
                clock,
                datagrams: options.datagrams,
            };
            match Connection::dial(dial).await {
                Ok((connection, attachment)) => {
                    let mut core = Core::default();
                    core.attached(attachment, clock.now_ms());
                    return Ok(Self {
                        ticket: connection.welcome.ticket,
                        user: connection.welcome.user,
                        connection: Some(connection),
                        options,
                        key,
                        clock,
                        core,
                        attach_no,
                        proxy,
                        effects: Vec::new(),
                        datagram: Box::new([0; limits::DATAGRAM_BYTES_MAX]),
                        next_tick: Instant::now(),
                        traffic: Traffic::default(),
                        ended: false,
                    });
                }
                // A refusal for good is the same everywhere.
                Err(error @ ConnectionError::Refused(_)) if !worth_another(&error) => return Err(error),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// The user this client plays as.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The proxy it is connected to, or was last.
    #[must_use]
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// The world view; `None` before the proxy described the world.
    #[must_use]
    pub fn world(&self) -> Option<&World> {
        self.core.world()
    }

    /// Milliseconds on the clock that sightings are dated by.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// What carries inputs and snapshots now.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.core.transport()
    }

    /// Commands that await acknowledgement.
    #[must_use]
    pub fn open_commands(&self) -> usize {
        self.core.open_commands()
    }

    /// Server wall clock less [`now_ms`](Self::now_ms), milliseconds.
    #[must_use]
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.core.clock_offset_ms()
    }

    /// The newest round trip to the proxy, milliseconds.
    #[must_use]
    pub fn round_trip_ms(&self) -> Option<u64> {
        self.core.round_trip_ms()
    }

    /// Sends an input of at most 64 bytes, at once. Returns its number, which a snapshot will acknowledge.
    pub fn send_input(&mut self, input: impl Into<Bytes>) -> u64 {
        let number = self.core.send_input(input.into(), self.clock.now_ms());
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
        let number = self.core.send_command(class, body.into())?;
        self.carry_out();
        Ok(number)
    }

    /// Leaves the world: the proxy closes the connection, and [`next_event`](Self::next_event) ends with code `OK`.
    pub fn logout(&mut self) {
        self.core.send_logout();
        self.carry_out();
    }

    /// Something that happened already and was not told yet.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.core.next_event()
    }

    /// Waits for what happens next, resuming at any proxy when the connection is lost. May be dropped and called again.
    ///
    /// # Errors
    /// The session is over: its last connection's error. Every further call gives an error as well.
    pub async fn next_event(&mut self) -> Result<ClientEvent, ConnectionError> {
        loop {
            if let Some(event) = self.core.next_event() {
                return Ok(event);
            }
            if self.ended {
                return Err(ConnectionError::Closed(Code::Generic.into()));
            }
            let lost = match &mut self.connection {
                Some(connection) => {
                    tokio::select! {
                        incoming = connection.next(&mut self.datagram[..]) => match incoming {
                            Ok(incoming) => { self.take(incoming); None }
                            Err(error) => Some(error),
                        },
                        () = sleep_until(self.next_tick) => { self.tick(); None }
                    }
                }
                None => Some(ConnectionError::TimedOut),
            };
            if let Some(error) = lost {
                self.lost(error).await?;
            }
        }
    }

    fn take(&mut self, incoming: Incoming) {
        let now_ms = self.clock.now_ms();
        self.traffic.down_bytes += incoming.bytes();
        match incoming {
            Incoming::Messages { messages, .. } => {
                for message in messages {
                    if let ProxyToClient::TicketRenewal(renewal) = &message {
                        self.renew(renewal);
                    }
                    self.core.handle_message(message, now_ms);
                }
            }
            Incoming::Datagram(length) => {
                self.core.handle_datagram(&mut self.datagram[..length], now_ms);
                while let Some(length) = self
                    .connection
                    .as_ref()
                    .and_then(|connection| connection.try_datagram(&mut self.datagram[..]))
                {
                    self.traffic.down_bytes += length as u64;
                    self.core.handle_datagram(&mut self.datagram[..length], now_ms);
                }
            }
        }
        self.carry_out();
    }

    fn tick(&mut self) {
        self.next_tick = Instant::now() + Duration::from_millis(TICK_MS);
        self.core.tick(self.clock.now_ms());
        self.carry_out();
    }

    fn renew(&mut self, renewal: &client::TicketRenewal) {
        if let Ok(ticket) = RawTicket::parse(&renewal.ticket) {
            self.ticket = ticket;
        }
        let named = renewal.proxies.iter().filter_map(|proxy| proxy.parse().ok());
        self.learn_proxies(&named.collect::<Vec<_>>());
    }

    fn learn_proxies(&mut self, proxies: &[SocketAddr]) {
        for proxy in proxies.iter().take(limits::PROXIES_NAMED_MAX) {
            if !self.options.proxies.contains(proxy) {
                self.options.proxies.push(*proxy);
            }
        }
    }

    /// Sends what the core wants sent. A connection that fails here is found out by the next wait.
    fn carry_out(&mut self) {
        self.core.take_effects(&mut self.effects);
        let Some(connection) = &mut self.connection else {
            self.effects.clear();
            return;
        };
        let mut stream: Vec<ClientToProxy> = Vec::new();
        for effect in self.effects.drain(..) {
            match effect {
                ClientEffect::Datagram(datagram) => {
                    self.traffic.up_bytes += datagram.len() as u64;
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
        self.traffic.up_bytes += (connection.writer.staged() - before) as u64;
    }

    /// Decides whether the session goes on, and brings it to another proxy if so.
    async fn lost(&mut self, error: ConnectionError) -> Result<(), ConnectionError> {
        self.connection = None;
        self.core.detached();
        self.learn_proxies(error.proxies());
        if !worth_another(&error) {
            self.ended = true;
            return Err(error);
        }
        match self.resume().await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.ended = true;
                Err(error)
            }
        }
    }

    async fn resume(&mut self) -> Result<(), ConnectionError> {
        let give_up_ms = self.clock.now_ms() + RESUME_MS_MAX;
        let mut pause_ms = RETRY_MS;
        loop {
            let error = match self.try_all().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !worth_another(&error) || self.clock.now_ms() >= give_up_ms {
                return Err(error);
            }
            let jitter_ms = rand::rng().random_range(0..=pause_ms / 2);
            tokio::time::sleep(Duration::from_millis(pause_ms + jitter_ms)).await;
            pause_ms = (pause_ms * 2).min(1_000);
        }
    }

    /// Tries every proxy once, beginning with the one after that which was lost.
    async fn try_all(&mut self) -> Result<(), ConnectionError> {
        let proxies = self.options.proxies.clone();
        let lost = proxies.iter().position(|proxy| *proxy == self.proxy).unwrap_or(0);
        let mut failed = ConnectionError::TimedOut;
        for step in 1..=proxies.len() {
            let proxy = proxies[(lost + step) % proxies.len()];
            self.attach_no = AttachNo(self.attach_no.0 + 1);
            let dial = Dial {
                proxy,
                trust: self.options.trust,
                key: &self.key,
                credentials: Credentials::Ticket(Box::new(self.ticket.encode())),
                attach_no: self.attach_no,
                clock: self.clock,
                datagrams: self.options.datagrams,
            };
            match Connection::dial(dial).await {
                Ok((connection, attachment)) => {
                    self.proxy = proxy;
                    self.ticket = connection.welcome.ticket;
                    self.connection = Some(connection);
                    self.core.attached(attachment, self.clock.now_ms());
                    self.carry_out();
                    return Ok(());
                }
                Err(error) if worth_another(&error) => failed = error,
                Err(error) => return Err(error),
            }
        }
        Err(failed)
    }
}

/// Whether another proxy, or another time, could help.
fn worth_another(error: &ConnectionError) -> bool {
    match error.code() {
        None => true,
        Some(code) => matches!(
            code,
            Code::Busy
                | Code::Full
                | Code::Draining
                | Code::RateLimited
                | Code::WorldRecovering
                | Code::SlowConsumer
        ),
    }
}
