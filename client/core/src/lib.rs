//! A player's client without its sockets. Pure: what came and when goes in, what to send and what happened comes out;
//! entropy and clocks are arguments. It builds for browsers as well.
//!
//! * [`Session`] lives as long as the player plays: it keeps the ticket, and after a lost connection a [`Comeback`] says where
//!   to try next.
//! * [`Dial`] begins a handshake with one proxy, which ends as [`Established`].
//! * [`Core`] is what the player sends and sees, over any number of connections.
//! * [`StreamedClient`] is all of it, for a driver that has nothing but a byte stream; [`Prediction`] says where the player is
//!   before its server does.
//!
//! # Contract of the core
//! * [`Core::attached`] begins a connection, [`Core::detached`] ends it; commands, events and the world view live on.
//! * `handle_*` brings in what came, `send_*` what the game wants, [`Core::tick`] moves time (call it at least ten times a
//!   second); [`Core::take_effects`] and [`Core::next_event`] bring out the rest.
//! * Events are to be taken: only [`EVENTS_MAX`] of them are kept.
//! * `now_ms` is monotonic milliseconds.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod account;
mod clock;
mod comeback;
mod commands;
pub mod conformance;
mod datagrams;
mod entity;
mod error;
mod event;
mod frames;
mod handshake;
mod kept;
mod logins;
mod prediction;
mod proxies;
mod receipts;
mod session;
mod silence;
mod stream;
mod streamed;
mod unread;
mod world;

use std::collections::VecDeque;
use std::mem::discriminant;

use bytes::Bytes;
use prost::Message as _;
use protocol::awake::AwakeClock;
use protocol::cell::{ParsedSnapshot, parse_head};
use protocol::datagram::{DatagramKind, Transport};
use protocol::ids::{AttachNo, CommandNumber, EventNumber, OwnerEpoch};
use protocol::keys::DatagramSecret;
use protocol::limits;
use protocol::message::client;
use protocol::message::family::ClientToProxy;
use protocol::message::player::CommandClass;

pub use account::AccountClient;
pub use comeback::Comeback;
pub use commands::CommandError;
pub use entity::Entity;
pub use error::{ConnectionError, STAGED_BYTES_MAX};
pub use event::{ClientEvent, SnapshotNews};
pub use frames::batches;
pub use handshake::{AwaitingAnswer, AwaitingWelcome, DatagramPath, Datagrams, Dial, Established};
pub use kept::NotKept;
pub use logins::Logins;
pub use prediction::{OwnSighting, Prediction};
pub use session::{ConnectOptions, Session, Traffic};
pub use streamed::{Ended, Now, StreamEffect, StreamedClient, StreamedEvent};
pub use unread::Reading;
pub use world::{World, WorldShape};

use clock::ServerClock;
use commands::Commands;
use datagrams::ClientDatagrams;
use receipts::Receipts;
use silence::Silence;
use unread::Unread;

/// A core's clock is to be moved at least this often, milliseconds.
pub const TICK_MS: u64 = 50;
/// Events that wait to be taken. When so many wait, a new one takes the place of the oldest of its kind, which said no more
/// than it does; an event of the game is refused instead, and its owner repeats it after the next attach.
pub const EVENTS_MAX: usize = 1_024;
/// Without an input for so long an empty one goes out: it carries acknowledgements and keeps the path open.
const INPUT_SILENCE_MS: u64 = 100;

/// What a finished handshake hands to the core.
pub struct Attachment {
    /// Which attach of the session this is.
    pub attach_no: AttachNo,
    /// The client's signature over it, 64 bytes.
    pub signature: [u8; 64],
    /// Keys and name of the datagrams; `None` when this proxy takes none.
    pub datagrams: Option<DatagramKeys>,
}

/// Both directions of datagrams.
pub struct DatagramKeys {
    /// Names the session's datagrams.
    pub cid: [u8; 8],
    /// For what this client sends.
    pub to_proxy: DatagramSecret,
    /// For what it receives.
    pub to_client: DatagramSecret,
}

/// Something to send.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEffect {
    /// A whole datagram.
    Datagram(Vec<u8>),
    /// A message on the stream.
    Stream(ClientToProxy),
}

/// One player's session.
#[derive(Default)]
pub struct Core {
    world: Option<World>,
    reading: Reading,
    unread: Unread,
    datagrams: Option<ClientDatagrams>,
    transport: Option<Transport>,
    awake: AwakeClock,
    silence: Silence,
    receipts: Receipts,
    /// The newest input with those before it, as it goes out.
    input: client::Input,
    input_at_ms: u64,
    /// The newest input acknowledged by any owner at any proxy.
    input_ack: u64,
    commands: Commands,
    event_number: u64,
    own_tick: (OwnerEpoch, u64),
    /// Another one whenever the player was put somewhere else than it walked to; `None` before the first snapshot.
    discontinuity: Option<u64>,
    clock: ServerClock,
    effects: Vec<ClientEffect>,
    events: VecDeque<ClientEvent>,
    /// Whether an event of the game found no room: none is taken then until they come again, in order.
    overrun: bool,
}

impl Core {
    /// A session that was never attached; [`default`](Self::default) reads at once.
    #[must_use]
    pub fn new(reading: Reading) -> Self {
        Self {
            reading,
            ..Self::default()
        }
    }

    /// A connection is established: attaches, and says again what is not acknowledged.
    pub fn attached(&mut self, attachment: Attachment, now_ms: u64) {
        self.receipts = Receipts::default();
        self.overrun = false;
        let awake_ms = self.awake.now_ms();
        self.datagrams = attachment
            .datagrams
            .map(|keys| ClientDatagrams::new(keys, now_ms, awake_ms));
        self.silence.broken(self.awake.now_ms());
        self.stream(client::Attach {
            attach_no: attachment.attach_no.0,
            signature: Bytes::copy_from_slice(&attachment.signature),
            acked_command: self.commands.acked().0,
            acked_event: self.event_number,
        });
        let open: Vec<client::Command> = self.commands.open().cloned().collect();
        for command in open {
            self.stream(command);
        }
        if attachment.attach_no.0 > 1 {
            self.tell(ClientEvent::Resumed {
                attach_no: attachment.attach_no.0,
            });
        }
    }

    /// The connection is gone. What the game sends meanwhile waits for the next one.
    pub fn detached(&mut self) {
        self.datagrams = None;
        self.effects.clear();
    }

    /// Something carries datagrams between this client and the proxy that it is attached to: whether they get through is found
    /// out from now on. Right after [`attached`](Self::attached) that is taken for granted.
    pub fn datagrams_open(&mut self) {
        let awake_ms = self.awake.now_ms();
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.begin(awake_ms);
        }
    }

    /// Nothing carries datagrams any more: the stream does the work, from now on and without waiting for their silence.
    pub fn datagrams_gone(&mut self, now_ms: u64) {
        let was = self.transport();
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.end();
        }
        if was == Transport::Tcp {
            return;
        }
        self.note_transport();
        if self.world.is_some() {
            self.flush_input(now_ms);
        }
    }

    /// Reads what is not read yet: the world view is new after that.
    pub fn catch_up(&mut self) {
        if let Some(world) = &mut self.world {
            self.unread.read_into(world);
        }
    }

    /// The world view, as of the last [`catch_up`](Self::catch_up) for who reads on demand; `None` before the first
    /// connection was attached.
    #[must_use]
    pub fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    /// The number that the next input will have is one more than this.
    #[must_use]
    pub fn input_number(&self) -> u64 {
        self.input.number
    }

    /// Commands that await acknowledgement.
    #[must_use]
    pub fn open_commands(&self) -> usize {
        self.commands.open().len()
    }

    /// Server wall clock less this client's monotonic clock, milliseconds.
    #[must_use]
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.clock.offset_ms()
    }

    /// The newest round trip to the proxy, milliseconds.
    #[must_use]
    pub fn round_trip_ms(&self) -> Option<u64> {
        self.clock.round_trip_ms()
    }

    /// What carries inputs and snapshots now.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.datagrams
            .as_ref()
            .map_or(Transport::Tcp, ClientDatagrams::transport)
    }

    /// Sends an input of at most 64 bytes; longer ones are cut off by the proxy. Returns its number.
    pub fn send_input(&mut self, input: Bytes, now_ms: u64) -> u64 {
        self.input.number += 1;
        self.input.inputs.truncate(limits::INPUTS_REPEATED_MAX - 1);
        self.input.inputs.insert(0, input);
        self.flush_input(now_ms);
        self.input.number
    }

    /// Snapshots are to come no oftener than this from the next input on, milliseconds; 0: as often as there are any.
    pub fn set_pace(&mut self, pace_ms: u32) {
        self.input.pace_ms = pace_ms;
    }

    /// Sends a command; it is applied exactly once, in order.
    ///
    /// # Errors
    /// `CommandError` when the window is full or the body too long; nothing is sent then.
    pub fn send_command(&mut self, class: CommandClass, body: Bytes) -> Result<CommandNumber, CommandError> {
        let command = self.commands.push(class, body)?;
        let number = CommandNumber(command.number);
        self.stream(command);
        Ok(number)
    }

    /// Leaves the world for good.
    pub fn send_logout(&mut self) {
        self.stream(client::Logout {});
    }

    /// Takes a datagram, decrypting it in place. What is not authentic is dropped.
    pub fn handle_datagram(&mut self, datagram: &mut [u8], now_ms: u64) {
        let bytes = datagram.len();
        let Some(datagrams) = &mut self.datagrams else {
            return;
        };
        let Some(opened) = datagrams.open(datagram, now_ms) else {
            return;
        };
        let awake_ms = self.awake.now_ms();
        self.silence.broken(awake_ms);
        match opened.kind {
            DatagramKind::Challenge => {
                let response = datagrams.answer(opened.plain, now_ms, awake_ms);
                self.effects.extend(response.map(ClientEffect::Datagram));
                self.note_transport();
            }
            DatagramKind::Data => {
                datagrams.note_snapshot(awake_ms);
                self.snapshot_bytes(opened.plain, bytes, now_ms);
            }
            DatagramKind::Bind | DatagramKind::Response => {}
        }
    }

    /// Moves time: binds datagrams, falls back from them, keeps the path open, asks a silent proxy whether it is there.
    pub fn tick(&mut self, now_ms: u64) {
        self.awake.advance(now_ms);
        let awake_ms = self.awake.now_ms();
        if self.silence.asks(awake_ms) {
            self.stream(client::Ping {
                sent_at_us: now_ms.saturating_mul(1_000),
                echo_us: 0,
            });
        }
        let datagrams = self.datagrams.as_mut();
        let bind = datagrams.and_then(|datagrams| datagrams.tick(now_ms, awake_ms));
        self.effects.extend(bind.map(ClientEffect::Datagram));
        self.note_transport();
        if now_ms.saturating_sub(self.input_at_ms) >= INPUT_SILENCE_MS && self.world.is_some() {
            self.flush_input(now_ms);
        }
    }

    /// Whether the proxy has said nothing for so long that the driver ends the connection and resumes elsewhere. What the
    /// driver itself slept through does not count.
    #[must_use]
    pub fn is_forsaken(&self) -> bool {
        self.silence.is_too_long(self.awake.now_ms())
    }

    /// Moves everything that must be sent into `out`.
    pub fn take_effects(&mut self, out: &mut Vec<ClientEffect>) {
        out.append(&mut self.effects);
    }

    /// Whether an event of the game was refused because [`EVENTS_MAX`] wait. It comes again after the next attach only, so
    /// the driver ends the connection.
    #[must_use]
    pub fn is_overrun(&self) -> bool {
        self.overrun
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn flush_input(&mut self, now_ms: u64) {
        self.input_at_ms = now_ms;
        let input = &mut self.input;
        (input.snapshot_ack, input.snapshot_mask) = self.receipts.acknowledgement();
        input.sent_at_ms = now_ms as u32;
        match &mut self.datagrams {
            Some(datagrams) if datagrams.transport() == Transport::Udp => {
                let write = |datagram: &mut Vec<u8>| input.encode_raw(datagram);
                let datagram = datagrams.data(input.encoded_len(), now_ms, write);
                self.effects.extend(datagram.map(ClientEffect::Datagram));
            }
            _ => {
                let input = input.clone();
                self.stream(input);
            }
        }
    }

    fn note_transport(&mut self) {
        let now = self.transport();
        if self.transport != Some(now) {
            self.transport = Some(now);
            self.tell(ClientEvent::Transport(now));
        }
    }

    fn stream(&mut self, message: impl Into<ClientToProxy>) {
        self.effects.push(ClientEffect::Stream(message.into()));
    }

    fn snapshot_bytes(&mut self, plain: &[u8], bytes: usize, now_ms: u64) {
        let Some(world) = &self.world else { return };
        let grid = &world.shape().grid;
        match self.reading {
            Reading::AtOnce => {
                if let Ok(snapshot) = ParsedSnapshot::parse(plain, grid) {
                    self.snapshot(snapshot, bytes, now_ms);
                }
            }
            Reading::OnDemand => {
                if let Ok(head) = parse_head(plain, grid)
                    && self.receipts.take(head.number)
                {
                    let is_time = self.unread.push(plain, now_ms);
                    self.news(head, bytes, now_ms);
                    if is_time {
                        self.catch_up();
                    }
                }
            }
        }
    }

    fn snapshot(&mut self, snapshot: ParsedSnapshot, bytes: usize, now_ms: u64) {
        if !self.receipts.take(snapshot.head.number) {
            return;
        }
        self.catch_up();
        if let Some(world) = &mut self.world {
            world.take(&snapshot, now_ms);
        }
        self.news(snapshot.head, bytes, now_ms);
    }

    fn news(&mut self, head: client::Snapshot, bytes: usize, now_ms: u64) {
        if head.echo_ms != 0
            && let Some(view) = head.regions.first()
        {
            let there_and_back = (now_ms as u32)
                .wrapping_sub(head.echo_ms)
                .saturating_sub(head.echo_held_ms);
            self.clock
                .take(u64::from(there_and_back), view.server_time_ms, now_ms);
        }
        self.input_ack = self.input_ack.max(head.input_ack);
        let before = self.discontinuity.replace(head.discontinuity);
        let own_tick = (OwnerEpoch(head.owner_epoch), head.tick);
        let own_is_new = !head.own.is_empty() && own_tick > self.own_tick;
        if own_is_new {
            self.own_tick = own_tick;
        }
        self.tell(ClientEvent::Snapshot(SnapshotNews {
            tick: head.tick,
            input_ack: self.input_ack,
            owner_epoch: OwnerEpoch(head.owner_epoch),
            own: head.own,
            own_is_new,
            has_jumped: before.is_some_and(|before| before != head.discontinuity),
            bytes,
        }));
    }

    fn event(&mut self, event: client::Event) {
        if event.number > self.event_number {
            self.overrun = self.overrun || self.events.len() >= EVENTS_MAX;
            if self.overrun {
                return;
            }
            self.event_number = event.number;
            self.events
                .push_back(ClientEvent::Event(EventNumber(event.number), event.body));
        }
        self.stream(client::EventAck {
            number: self.event_number,
        });
    }

    /// Has something told. Nobody takes these for long: the newest of each kind says what the older ones said.
    fn tell(&mut self, event: ClientEvent) {
        if self.events.len() >= EVENTS_MAX {
            let kind = discriminant(&event);
            let oldest = self.events.iter().position(|held| discriminant(held) == kind);
            // At most one more of each kind than fits.
            oldest.and_then(|oldest| self.events.remove(oldest));
        }
        self.events.push_back(event);
    }
}
