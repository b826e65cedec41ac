//! One link between nodes, without a socket: messages in, sealed bytes out, and back. Who owns the socket calls
//! [`push`](LinkCore::push) and [`flush`](LinkCore::flush) and writes [`unsent`](LinkCore::unsent); reads into
//! [`receive`](LinkCore::receive) and takes [`next`](LinkCore::next); and lets time pass by [`tick`](LinkCore::tick),
//! **after** reading: a gap in one's own loop is not the peer's silence.
//!
//! A link ends once and for one reason. From then on nothing is taken or given but the last bytes, the goodbye.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod class_queue;
mod incoming;
mod outgoing;
mod sealing;

use std::marker::PhantomData;

use protocol::Code;
use protocol::frame::{Close, Frame, FrameType, PeerClock};
use protocol::message::family::{BatchMessage, Class, MessageError};
use protocol::message::node::Heartbeat;
use protocol::node_handshake::LinkTerms;

pub use crate::down_reason::DownReason;
use crate::link_state::{Heartbeats, PeerTime, Vitality};
use incoming::Incoming;
pub use incoming::Received;
use outgoing::Outgoing;
pub use outgoing::{LinkRoom, PushError, WAITING_BYTES_MAX};
pub use sealing::{Clear, Sealed, Sealing};

/// Plain bytes of one frame: enough to make its head cheap, little enough that what is urgent soon gets its turn.
const FRAME_BYTES: usize = 64 * 1024;
/// Sealed bytes that the kernel has not taken: beyond them nothing more is sealed, so that what is urgent can still
/// overtake.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

/// The time of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkTime {
    /// Monotonic clock, microseconds.
    pub mono_us: u64,
    /// Wall clock, Unix milliseconds; stamped on frames.
    pub wall_ms: u64,
}

/// What a link was agreed to be.
#[derive(Clone, Copy, Debug)]
pub struct LinkLife {
    /// Heartbeats and the silence that is death.
    pub terms: LinkTerms,
    /// The peer's wall clock at the handshake.
    pub peer_clock: PeerClock,
    /// The link ends when the peer's certificate does, Unix milliseconds.
    pub until_wall_ms: i64,
}

/// What went over a link since it came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Frames, in and out.
    pub frames: [u64; 2],
    /// Bytes as they are sealed, with the heads of their frames, in and out: both ends of a link count alike.
    pub bytes: [u64; 2],
    /// Messages, in and out.
    pub messages: [u64; 2],
}

/// One link: takes `In`, gives `Out`.
pub struct LinkCore<In, Out, S> {
    sealing: S,
    outgoing: Outgoing,
    incoming: Incoming<In>,
    unsent: Vec<u8>,
    written: usize,
    beats: Heartbeats,
    peer_time: PeerTime,
    life: LinkLife,
    drift_ms: i64,
    ahead_ms: i64,
    end: Option<DownReason>,
    said_bytes: u64,
    counts: LinkCounts,
    message: PhantomData<fn(Out)>,
}

impl<In: BatchMessage, Out: BatchMessage, S: Sealing> LinkCore<In, Out, S> {
    /// A link that has just come up.
    #[must_use]
    pub fn new(sealing: S, life: LinkLife, now: LinkTime) -> Self {
        let terms = life.terms;
        Self {
            sealing,
            outgoing: Outgoing::default(),
            incoming: Incoming::new(),
            unsent: Vec::new(),
            written: 0,
            beats: Heartbeats::new(terms.heartbeat_ms.into(), terms.dead_ms.into(), now.mono_us),
            peer_time: PeerTime::default(),
            life,
            drift_ms: 0,
            ahead_ms: 0,
            end: None,
            said_bytes: 0,
            counts: LinkCounts::default(),
            message: PhantomData,
        }
    }

    /// The same link with another room than is usual.
    #[must_use]
    pub fn with_room(mut self, room: LinkRoom) -> Self {
        self.outgoing.set_room(room);
        self
    }

    /// Queues a message at the end of its class. A message that finds no room ends the link.
    pub fn push(&mut self, message: &Out) {
        if self.end.is_none() {
            let before = self.outgoing.bytes();
            let pushed = self.outgoing.push(message);
            self.said_bytes += (self.outgoing.bytes() - before) as u64;
            self.pushed(pushed);
        }
    }

    /// Queues one message that was encoded before, by [`BatchMessage::encode`].
    pub fn push_encoded(&mut self, class: Class, message: &[u8]) {
        if self.end.is_none() {
            let pushed = self.outgoing.push_encoded(class, message);
            self.said_bytes += message.len() as u64;
            self.pushed(pushed);
        }
    }

    fn pushed(&mut self, pushed: Result<(), PushError>) {
        match pushed {
            Ok(()) => {}
            Err(PushError::Overflow) => self.end(DownReason::Closed(Code::SlowConsumer)),
            Err(PushError::TooLarge(_)) => self.end(DownReason::Closed(Code::Generic)),
        }
    }

    /// Whether a publisher may queue: everything said so far has left for the kernel, which bounds what it holds.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.outgoing.is_empty() && self.unsent().is_empty()
    }

    /// Plain bytes queued since the link came up: what a publisher's credit is counted by.
    #[must_use]
    pub fn said_bytes(&self) -> u64 {
        self.said_bytes
    }

    /// Seals what waits, as much as is about to be written.
    pub fn flush(&mut self, now: LinkTime) {
        while self.end.is_none() && !self.outgoing.is_empty() && self.unsent().len() < UNSENT_BYTES_MAX {
            self.seal_batch(now);
        }
    }

    fn seal_batch(&mut self, now: LinkTime) {
        let bytes_max = self.sealing.plain_bytes_max().min(FRAME_BYTES);
        let (outgoing, before) = (&mut self.outgoing, self.unsent.len());
        let mut messages = 0;
        let sealed = self.sealing.seal(FrameType::Batch, now, &mut self.unsent, |out| {
            messages = outgoing.take(bytes_max, out);
        });
        if let Err(error) = sealed {
            return self.end(DownReason::Broken(error.label()));
        }
        self.counts.frames[1] += 1;
        self.counts.messages[1] += messages as u64;
        self.counts.bytes[1] += (self.unsent.len() - before) as u64;
    }

    /// Sealed bytes that wait for the kernel.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.unsent.get(self.written..).unwrap_or_default()
    }

    /// So many of them have been written.
    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= self.unsent.len() {
            self.unsent.clear();
            self.unsent.shrink_to(2 * UNSENT_BYTES_MAX);
            self.written = 0;
        }
    }

    /// Takes bytes that arrived. Take messages until there are none before the next call: more than one frame and one
    /// read never waits then.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.end.is_none() {
            self.counts.bytes[0] += bytes.len() as u64;
            self.sealing.extend(bytes);
        }
    }

    /// The next message; `None` until more bytes arrive.
    ///
    /// # Errors
    /// Why the link has ended.
    pub fn next(&mut self, now: LinkTime) -> Result<Option<Received<In>>, DownReason> {
        loop {
            if let Some(reason) = self.end {
                return Err(reason);
            }
            match self.incoming.next() {
                Ok(Some(received)) => {
                    self.heard(&received, now);
                    return Ok(Some(received));
                }
                Ok(None) => {}
                Err(error) => {
                    self.end(DownReason::Broken(label_of(&error)));
                    continue;
                }
            }
            match self.sealing.next_frame(now.mono_us / 1000) {
                Ok(Some(frame)) => self.take_frame(frame, now),
                Ok(None) => return Ok(None),
                Err(error) => self.end(DownReason::Broken(error.label())),
            }
        }
    }

    fn take_frame(&mut self, frame: Frame, now: LinkTime) {
        self.beats.handle_frame(now.mono_us);
        self.counts.frames[0] += 1;
        match frame.frame_type {
            FrameType::Batch => {
                self.drift_ms = self
                    .life
                    .peer_clock
                    .drift_ms(frame.timestamp_ms, now.mono_us / 1000);
                self.ahead_ms = (frame.timestamp_ms as i64).saturating_sub(now.wall_ms as i64);
                self.incoming.open(frame.payload);
            }
            FrameType::Close => {
                let code = Close::parse(&frame.payload).map_or(Code::Generic, |close| close.code);
                self.end(DownReason::ClosedByPeer(code));
            }
            _ => self.end(DownReason::Broken("type")),
        }
    }

    fn heard(&mut self, received: &Received<In>, now: LinkTime) {
        self.counts.messages[0] += 1;
        if let Received::Heartbeat(heartbeat) = received {
            self.beats.handle_heartbeat(heartbeat, now.mono_us);
            self.peer_time.handle_heartbeat(heartbeat.sent_at_us, now.mono_us);
        }
    }

    /// Lets time pass. A heartbeat that is due comes back, for its owner to fill in and [`push`](Self::push).
    ///
    /// # Errors
    /// Why the link has ended, each time it is called from then on.
    pub fn tick(&mut self, now: LinkTime) -> Result<Option<Heartbeat>, DownReason> {
        let expired = i64::try_from(now.wall_ms).is_ok_and(|wall_ms| wall_ms >= self.life.until_wall_ms);
        if expired {
            self.end(DownReason::Closed(Code::CertExpired));
        }
        let vitality = self.beats.vitality(now.mono_us);
        if vitality == Vitality::Dead {
            self.end(DownReason::Dead);
        }
        match self.end {
            Some(reason) => Err(reason),
            None if vitality == Vitality::Due => Ok(Some(self.beats.beat(now.mono_us))),
            None => Ok(None),
        }
    }

    /// When to call [`tick`](Self::tick) again, microseconds.
    #[must_use]
    pub fn due_us(&self, now: LinkTime) -> u64 {
        match self.beats.vitality(now.mono_us) {
            Vitality::Alive { until_us } => until_us,
            Vitality::Due | Vitality::Dead => now.mono_us,
        }
    }

    /// The stream broke; what waits is lost.
    pub fn broke(&mut self, label: &'static str) {
        self.end(DownReason::Broken(label));
    }

    /// Ends the link. A peer that is left in peace (`Draining`) gets all that waits before the goodbye.
    pub fn close(&mut self, code: Code, now: LinkTime) {
        while self.end.is_none() && code == Code::Draining && !self.outgoing.is_empty() {
            self.seal_batch(now);
        }
        self.end(DownReason::Closed(code));
    }

    /// The last bytes of a link that has ended, to be written before the stream is closed: what was sealed, and the
    /// goodbye where the peer is to hear one.
    #[must_use]
    pub fn into_last_words(mut self, now: LinkTime) -> Vec<u8> {
        let mut last = self.unsent.split_off(self.written.min(self.unsent.len()));
        if let Some(code) = self.end.and_then(DownReason::goodbye) {
            let payload = Close::from(code).encode();
            let write = |out: &mut Vec<u8>| out.extend_from_slice(&payload);
            // Without a goodbye the peer sees the stream end: that says enough.
            let _ = self.sealing.seal(FrameType::Close, now, &mut last, write);
        }
        last
    }

    fn end(&mut self, reason: DownReason) {
        self.end.get_or_insert(reason);
    }

    /// Why the link has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<DownReason> {
        self.end
    }

    /// Bytes that wait, sealed or not.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.outgoing.bytes() + self.unsent().len()
    }

    /// Bytes that may be queued of what can be said later as well: half of the room is kept for what cannot.
    #[must_use]
    pub fn spare_bytes(&self) -> usize {
        self.outgoing.spare_bytes()
    }

    /// Whether one message of so many bytes, family and length included, may be queued that can be said later as well. It
    /// may be longer than what is [spare](Self::spare_bytes), as long as anything is: else there would be messages that wait
    /// for ever.
    #[must_use]
    pub fn takes_one(&self, bytes: usize) -> bool {
        self.outgoing.takes_one(bytes)
    }

    /// The last round trip time, microseconds.
    #[must_use]
    pub fn round_trip_us(&self) -> Option<u64> {
        self.beats.round_trip_us()
    }

    /// How long ago the peer made something, by its monotonic clock, which its heartbeats carry, microseconds.
    #[must_use]
    pub fn age_us(&self, made_us: u64, now: LinkTime) -> u64 {
        self.peer_time.age_us(made_us, now.mono_us)
    }

    /// How far the peer's wall clock has wandered since the handshake, milliseconds.
    #[must_use]
    pub fn drift_ms(&self) -> i64 {
        self.drift_ms
    }

    /// How far the peer's wall clock was ahead of ours when it was last heard, milliseconds, transit included.
    #[must_use]
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms
    }

    /// What went over it.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        self.counts
    }
}

/// A fixed name for what a peer may not say.
fn label_of(error: &MessageError) -> &'static str {
    match error {
        MessageError::FamilyDenied(_) => "family_denied",
        MessageError::TooMany => "too_many_messages",
        MessageError::Truncated(_) | MessageError::Length | MessageError::Malformed(_) => "malformed_message",
    }
}
