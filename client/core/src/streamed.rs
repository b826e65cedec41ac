//! A whole client over one byte stream at a time, and over datagrams where something carries them, for whoever has neither a run time nor threads, such as a browser: bytes
//! come in and go out, and it says where to connect and when.
//!
//! # Contract
//! * [`StreamedClient::take_effects`] says what to do after each call; of connections there is one at a time, and the one of
//!   before is forgotten with each [`StreamEffect::Connect`] and [`StreamEffect::Hang`].
//! * [`connected`](StreamedClient::connected), [`received`](StreamedClient::received) and [`lost`](StreamedClient::lost) are
//!   about the newest connection only.
//! * [`tick`](StreamedClient::tick) moves time, at least each [`TICK_MS`](crate::TICK_MS).

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use protocol::client_handshake::Credentials;
use protocol::frame::{FrameDecoder, FrameOpener, FrameSealer, FrameType};
use protocol::identity::ClientKey;
use protocol::ids::CommandNumber;
use protocol::limits::{CLIENT_HANDSHAKE_MS_MAX, FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX};
use protocol::message::family::{BatchMessage as _, ClientToProxy};
use protocol::message::player::CommandClass;
use protocol::{Code, Entropy};

use crate::comeback::Comeback;
use crate::commands::CommandError;
use crate::error::ConnectionError;
use crate::event::ClientEvent;
use crate::frames::batches;
use crate::handshake::{AwaitingAnswer, AwaitingWelcome, Dial, Established};
use crate::kept::{Kept, NotKept};
use crate::logins::Logins;
use crate::session::{ConnectOptions, Session};
use crate::{ClientEffect, Core, Reading};

/// What time it is, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic milliseconds.
    pub ms: u64,
    /// This machine's wall clock, Unix milliseconds.
    pub wall_ms: u64,
}

/// Something to do with the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEffect {
    /// Open one to this proxy, and forget the one of before.
    Connect(SocketAddr),
    /// Send these bytes.
    Send(Vec<u8>),
    /// Send this whole datagram, if something carries datagrams to the proxy of the newest connection.
    Datagram(Vec<u8>),
    /// Close it.
    Hang,
}

/// How a connection or a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What the proxy said, if it said something.
    pub code: Option<Code>,
    /// For people.
    pub text: String,
}

impl Ended {
    fn by(error: &ConnectionError) -> Self {
        Self {
            code: error.code(),
            text: error.to_string(),
        }
    }
}

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamedEvent {
    /// The player is let in, or in again, by this proxy.
    Attached(SocketAddr),
    /// The connection is lost, and the client looks for another by itself.
    Lost(Ended),
    /// The session is over, or none could be begun. Nothing more comes.
    Over(Ended),
    /// Whatever else a client is told.
    Client(ClientEvent),
}

/// How far the newest connection is.
enum Stage {
    Connecting(Box<Dial>),
    AwaitingAnswer(Box<AwaitingAnswer>),
    AwaitingWelcome(Box<AwaitingWelcome>),
    Attached(Box<(FrameOpener, FrameSealer)>),
    /// In a step from one stage to the next, which failed if this is ever seen.
    Between,
    /// All proxies were tried; again at this time.
    Pausing(u64),
    Over,
}

/// What brings the client in.
enum Way {
    /// For the first time.
    LogIn {
        logins: Box<Logins>,
        start: Box<(ConnectOptions, ClientKey)>,
    },
    /// Again.
    Return(Box<Comeback>),
    /// It is in.
    In,
}

/// One player's client.
pub struct StreamedClient {
    session: Option<Session>,
    way: Way,
    stage: Stage,
    /// When the newest connection was asked for.
    since_ms: u64,
    decoder: FrameDecoder,
    effects: Vec<StreamEffect>,
    events: VecDeque<StreamedEvent>,
}

impl StreamedClient {
    /// Begins to log in at each proxy in turn, until one answers.
    #[must_use]
    pub fn new(options: ConnectOptions, entropy: &mut dyn Entropy, now: Now) -> Self {
        let key = ClientKey::generate(entropy);
        Self::with_key(options, key, now)
    }

    /// Begins anew with the key of a session that was [kept](Session::keep), as the user that it is a device of.
    ///
    /// # Errors
    /// `NotKept`: the bytes are no session.
    pub fn of_device(options: ConnectOptions, kept: &[u8], now: Now) -> Result<Self, NotKept> {
        let Kept { key, name, .. } = Kept::parse(kept)?;
        let credentials = Credentials::Device { name };
        let options = ConnectOptions {
            credentials,
            ..options
        };
        Ok(Self::with_key(options, key, now))
    }

    fn with_key(options: ConnectOptions, key: ClientKey, now: Now) -> Self {
        let mut client = Self {
            session: None,
            way: Way::LogIn {
                logins: Box::new(Logins::new(&options, &key)),
                start: Box::new((options, key)),
            },
            stage: Stage::Over,
            since_ms: now.ms,
            decoder: FrameDecoder::new(),
            effects: Vec::new(),
            events: VecDeque::new(),
        };
        client.dial_next(now, 0);
        client
    }

    /// Goes on with a session that was [kept](Session::keep), at each proxy in turn until one lets it in.
    ///
    /// # Errors
    /// `NotKept`: the bytes are no session.
    pub fn going_on(options: &ConnectOptions, kept: &[u8], now: Now) -> Result<Self, NotKept> {
        let session = Session::going_on(options, kept, Reading::AtOnce)?;
        let mut client = Self {
            way: Way::Return(Box::new(session.comeback(now.ms))),
            session: Some(session),
            stage: Stage::Over,
            since_ms: now.ms,
            decoder: FrameDecoder::new(),
            effects: Vec::new(),
            events: VecDeque::new(),
        };
        client.dial_next(now, 0);
        Ok(client)
    }

    /// What the player sends and sees; `None` before the first proxy has let it in.
    #[must_use]
    pub fn core(&self) -> Option<&Core> {
        self.session.as_ref().map(|session| &session.core)
    }

    /// The session; `None` before the first proxy has let the player in.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The connection that was asked for is open.
    pub fn connected(&mut self, now: Now, entropy: &mut dyn Entropy) {
        match std::mem::replace(&mut self.stage, Stage::Between) {
            Stage::Connecting(dial) => match dial.start(now.wall_ms, entropy) {
                Ok((handshake, hello)) => {
                    self.effects.push(StreamEffect::Send(hello));
                    self.stage = Stage::AwaitingAnswer(Box::new(handshake));
                }
                Err(error) => self.lost(error.into(), now, 0),
            },
            other => self.stage = other,
        }
    }

    /// Bytes came, however cut.
    pub fn received(&mut self, bytes: &[u8], now: Now) {
        self.decoder.extend(bytes);
        if let Err(error) = self.read(now) {
            self.lost(error, now, 0);
        }
        self.carry_out(now);
    }

    /// Something carries datagrams to the proxy of the newest connection, which has let the player in. Before that nobody
    /// needs it, and each new connection begins without.
    pub fn datagrams_open(&mut self, now: Now) {
        if let (Stage::Attached(_), Some(session)) = (&self.stage, &mut self.session) {
            session.core.datagrams_open();
        }
        self.carry_out(now);
    }

    /// Nothing does so any more: everything goes over the stream from now on.
    pub fn datagrams_gone(&mut self, now: Now) {
        if let Some(session) = &mut self.session {
            session.core.datagrams_gone(now.ms);
        }
        self.carry_out(now);
    }

    /// A datagram came, from wherever; it is decrypted in place, and dropped if it is not authentic.
    pub fn received_datagram(&mut self, datagram: &mut [u8], now: Now) {
        if let (Stage::Attached(_), Some(session)) = (&self.stage, &mut self.session) {
            session.take_datagram(datagram, now.ms);
        }
        self.carry_out(now);
    }

    /// The connection could not be opened, or is closed. `random` keeps those apart whom the same proxy has lost.
    pub fn lost(&mut self, error: ConnectionError, now: Now, random: u64) {
        match (&self.stage, &self.way) {
            // It ended nothing.
            (Stage::Pausing(_) | Stage::Over, _) => {}
            (_, Way::In) => self.left(error, now, random),
            (_, Way::LogIn { .. } | Way::Return(_)) => self.failed(error, now, random),
        }
    }

    /// Moves time.
    pub fn tick(&mut self, now: Now, random: u64) {
        match &self.stage {
            Stage::Attached(_) => {
                let session = self.session.as_mut();
                let ticked = session.map_or(Ok(()), |session| session.tick(now.ms));
                if let Err(error) = ticked.and_then(|()| self.read(now)) {
                    self.lost(error, now, random);
                }
            }
            Stage::Pausing(until_ms) if now.ms >= *until_ms => self.dial_next(now, random),
            Stage::Pausing(_) | Stage::Over => {}
            _ if now.ms.saturating_sub(self.since_ms) >= CLIENT_HANDSHAKE_MS_MAX => {
                self.lost(ConnectionError::TimedOut, now, random);
            }
            _ => {}
        }
        self.carry_out(now);
    }

    /// Sends an input of at most 64 bytes. Its number; `None` while nobody has let the player in.
    pub fn send_input(&mut self, input: Bytes, now: Now) -> Option<u64> {
        let number = self.session.as_mut()?.core.send_input(input, now.ms);
        self.carry_out(now);
        Some(number)
    }

    /// Sends a command; it is applied exactly once, in order, also when the connection is lost meanwhile. `None` while nobody
    /// has let the player in.
    ///
    /// # Errors
    /// `CommandError` when the window is full or the body too long; nothing is sent then.
    pub fn send_command(
        &mut self,
        class: CommandClass,
        body: Bytes,
        now: Now,
    ) -> Option<Result<CommandNumber, CommandError>> {
        let number = self.session.as_mut()?.core.send_command(class, body);
        self.carry_out(now);
        Some(number)
    }

    /// Snapshots are to come no oftener than this, milliseconds; 0: as often as there are any.
    pub fn set_pace(&mut self, pace_ms: u32) {
        if let Some(session) = &mut self.session {
            session.core.set_pace(pace_ms);
        }
    }

    /// Leaves the world for good: the proxy closes the connection then.
    pub fn send_logout(&mut self, now: Now) {
        if let Some(session) = &mut self.session {
            session.core.send_logout();
        }
        self.carry_out(now);
    }

    /// Moves what is to be done into `out`.
    pub fn take_effects(&mut self, out: &mut Vec<StreamEffect>) {
        out.append(&mut self.effects);
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<StreamedEvent> {
        let told = self
            .session
            .as_mut()
            .and_then(|session| session.core.next_event());
        // The end of a connection comes after what it brought.
        told.map(StreamedEvent::Client)
            .or_else(|| self.events.pop_front())
    }

    /// Reads what is here.
    fn read(&mut self, now: Now) -> Result<(), ConnectionError> {
        loop {
            if let Stage::Attached(keys) = &mut self.stage {
                let Some(frame) = self.decoder.next_frame(&mut keys.0, now.ms)? else {
                    return Ok(());
                };
                if let Some(session) = &mut self.session {
                    session.take_frame(&frame, now.ms)?;
                }
                continue;
            }
            let max = FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX;
            let Some(raw) = self.decoder.next_raw(max, now.ms)? else {
                return Ok(());
            };
            match std::mem::replace(&mut self.stage, Stage::Between) {
                Stage::AwaitingAnswer(handshake) => {
                    let (handshake, login) = handshake.answered(raw, now.wall_ms)?;
                    self.effects.push(StreamEffect::Send(login));
                    self.stage = Stage::AwaitingWelcome(Box::new(handshake));
                }
                Stage::AwaitingWelcome(handshake) => {
                    let established = handshake.welcomed(raw, now.wall_ms, now.ms)?;
                    self.welcomed(established, now);
                }
                // Nobody has been spoken to.
                other => {
                    self.stage = other;
                    return Ok(());
                }
            }
        }
    }

    fn welcomed(&mut self, established: Established, now: Now) {
        let way = std::mem::replace(&mut self.way, Way::In);
        if let Way::LogIn { start, .. } = way {
            let (options, key) = *start;
            self.session = Some(Session::new(options, key, &established, Reading::AtOnce));
        } else if let Some(session) = &mut self.session {
            session.come_back(&established);
        }
        let Established {
            proxy,
            opener,
            sealer,
            attachment,
            ..
        } = established;
        self.stage = Stage::Attached(Box::new((opener, sealer)));
        self.events.push_back(StreamedEvent::Attached(proxy));
        if let Some(session) = &mut self.session {
            session.core.attached(attachment, now.ms);
            // Whoever drives this says when there is something.
            session.core.datagrams_gone(now.ms);
        }
    }

    /// An established connection has ended.
    fn left(&mut self, error: ConnectionError, now: Now, random: u64) {
        let said = Ended::by(&error);
        let Some(session) = &mut self.session else { return };
        match session.leave(error, now.ms) {
            Ok(comeback) => {
                self.events.push_back(StreamedEvent::Lost(said));
                self.way = Way::Return(Box::new(comeback));
                self.dial_next(now, random);
            }
            Err(error) => self.over(&error),
        }
    }

    /// A connection did not become one.
    fn failed(&mut self, error: ConnectionError, now: Now, random: u64) {
        let is_for_good = match &mut self.way {
            Way::LogIn { logins, .. } => logins.failed(error).err(),
            Way::Return(comeback) => comeback.failed(error).err(),
            Way::In => None,
        };
        match is_for_good {
            Some(error) => self.over(&error),
            None => self.dial_next(now, random),
        }
    }

    /// Goes to the next proxy, or takes a pause, or gives up.
    fn dial_next(&mut self, now: Now, random: u64) {
        self.decoder = FrameDecoder::new();
        let next = match &mut self.way {
            Way::LogIn { logins, .. } => match logins.next_dial() {
                Some(dial) => Ok(dial),
                None => Err(logins.in_vain()),
            },
            Way::Return(comeback) => match comeback.next_dial() {
                Some(dial) => Ok(dial),
                None => match comeback.pause_ms(now.ms, random) {
                    Ok(pause_ms) => {
                        self.effects.push(StreamEffect::Hang);
                        self.stage = Stage::Pausing(now.ms.saturating_add(pause_ms));
                        return;
                    }
                    Err(error) => Err(error),
                },
            },
            Way::In => return,
        };
        match next {
            Ok(dial) => {
                self.since_ms = now.ms;
                self.effects.push(StreamEffect::Connect(dial.proxy));
                self.stage = Stage::Connecting(Box::new(dial));
            }
            Err(error) => self.over(&error),
        }
    }

    fn over(&mut self, error: &ConnectionError) {
        self.effects.push(StreamEffect::Hang);
        self.stage = Stage::Over;
        self.events.push_back(StreamedEvent::Over(Ended::by(error)));
    }

    /// Seals what the core wants sent. Without a connection that is nothing: commands wait for the next one elsewhere.
    fn carry_out(&mut self, now: Now) {
        let Some(session) = &mut self.session else { return };
        let mut effects = Vec::new();
        session.core.take_effects(&mut effects);
        let Stage::Attached(keys) = &mut self.stage else {
            return;
        };
        let mut messages: Vec<ClientToProxy> = Vec::new();
        for effect in effects {
            match effect {
                ClientEffect::Stream(message) => messages.push(message),
                ClientEffect::Datagram(datagram) => {
                    session.traffic.up_bytes += datagram.len() as u64;
                    self.effects.push(StreamEffect::Datagram(datagram));
                }
            }
        }
        let sealer = &mut keys.1;
        let mut out = Vec::new();
        for batch in batches(&messages, sealer.plain_bytes_max()) {
            let write = |out: &mut Vec<u8>| batch.iter().for_each(|message| message.encode(out));
            // A message that fits no frame is none that the core makes.
            let _ = sealer.seal_with(FrameType::Batch, now.wall_ms, now.ms, &mut out, write);
        }
        if !out.is_empty() {
            session.traffic.up_bytes += out.len() as u64;
            self.effects.push(StreamEffect::Send(out));
        }
    }
}
