//! What waits to go out over one link, by class and bounded in bytes: order within a class, control before handover
//! before per-user before ticks. Pure; the writer task and its many producers share it behind a short lock.
//!
//! Nothing is dropped: when it is full it overflows, and the link must go down. What is large asks for room before it is
//! made.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod lane;

use protocol::limits;
use protocol::message::family::{BatchMessage, Class};

use lane::ClassLane;

/// Bounds and waiting times of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages waiting, bytes in all.
    pub waiting_bytes_max: usize,
    /// How long messages of users and ticks wait for company, microseconds.
    pub linger_us: u64,
    /// Plain bytes of one batch.
    pub batch_bytes_max: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            waiting_bytes_max: 16 * 1024 * 1024,
            linger_us: 1_000,
            batch_bytes_max: limits::FRAME_PAYLOAD_BYTES_MAX as usize - protocol::keys::TAG_BYTES,
        }
    }
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Ours: no batch can carry it.
    #[error("a message of {0} bytes does not fit in a batch")]
    TooLarge(usize),
    /// The peer's: it takes messages more slowly than we make them. Nothing may follow; the link ends.
    #[error("the peer is too slow: its queue is full")]
    Overflow,
}

/// What the producer does after a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The writer must look now: it sleeps, or for longer than this message may wait.
    Writer,
    /// The writer will come by itself in time.
    Nobody,
}

/// When the writer should take the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing waits.
    Idle,
    /// Something waits, for company until then (microseconds).
    At(u64),
    /// Something should go at once.
    Now,
}

/// Outgoing messages of one link.
#[derive(Debug)]
pub struct OutgoingQueue {
    limits: QueueLimits,
    lanes: [ClassLane; 4],
    overflown: Option<PushError>,
}

impl OutgoingQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            lanes: std::array::from_fn(|_| ClassLane::new(limits.batch_bytes_max)),
            overflown: None,
        }
    }

    /// Encodes a message at the end of its class.
    ///
    /// # Errors
    /// As [`PushError`] says; the message is not queued then.
    pub fn push<M: BatchMessage>(&mut self, message: &M, now_us: u64) -> Result<Wake, PushError> {
        self.push_with(message.class(), message.encoded_len(), now_us, |out| {
            message.encode(out);
        })
    }

    /// Appends one message that was encoded before, family and length included: what several peers get alike is
    /// encoded once.
    ///
    /// # Errors
    /// As [`PushError`] says; the message is not queued then.
    pub fn push_encoded(&mut self, class: Class, message: &[u8], now_us: u64) -> Result<Wake, PushError> {
        self.push_with(class, message.len(), now_us, |out| out.extend_from_slice(message))
    }

    fn push_with(
        &mut self,
        class: Class,
        length: usize,
        now_us: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Wake, PushError> {
        if length > self.limits.batch_bytes_max {
            return Err(PushError::TooLarge(length));
        }
        self.make_room(length)?;
        let was = self.due(now_us);
        self.lane_mut(class).push(length, now_us, write);
        Ok(match (was, self.due(now_us)) {
            (Due::Idle, _) | (Due::At(_), Due::Now) => Wake::Writer,
            _ => Wake::Nobody,
        })
    }

    fn make_room(&mut self, length: usize) -> Result<(), PushError> {
        if self.overflown.is_none() && self.bytes() + length > self.limits.waiting_bytes_max {
            self.overflown = Some(PushError::Overflow);
        }
        self.overflown.map_or(Ok(()), Err)
    }

    /// When to take the next batch.
    #[must_use]
    pub fn due(&self, now_us: u64) -> Due {
        let urgent = [Class::Control, Class::Handover]
            .into_iter()
            .any(|class| !self.lane(class).is_empty());
        if urgent || self.bytes() >= self.limits.batch_bytes_max / 4 {
            return Due::Now;
        }
        let waiting = [Class::PerUser, Class::Tick].map(|class| self.lane(class).oldest_us());
        match waiting.into_iter().flatten().min() {
            None => Due::Idle,
            Some(oldest) if oldest + self.limits.linger_us <= now_us => Due::Now,
            Some(oldest) => Due::At(oldest + self.limits.linger_us),
        }
    }

    /// Appends the next batch to `out`, as much as one frame carries; the number of messages in it.
    pub fn take_batch(&mut self, out: &mut Vec<u8>) -> usize {
        let mut room = lane::Room {
            bytes: self.limits.batch_bytes_max,
            messages: limits::BATCH_MESSAGES_MAX,
        };
        for lane in &mut self.lanes {
            lane.take(&mut room, out);
            if !lane.is_empty() {
                break;
            }
        }
        limits::BATCH_MESSAGES_MAX - room.messages
    }

    /// Whether a message found no room: the link must end.
    #[must_use]
    pub fn is_overflown(&self) -> bool {
        self.overflown.is_some()
    }

    /// Bytes waiting.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lanes.iter().map(ClassLane::bytes).sum()
    }

    fn lane(&self, class: Class) -> &ClassLane {
        let [control, handover, per_user, tick] = &self.lanes;
        match class {
            Class::Control => control,
            Class::Handover => handover,
            Class::PerUser => per_user,
            Class::Tick => tick,
        }
    }

    fn lane_mut(&mut self, class: Class) -> &mut ClassLane {
        let [control, handover, per_user, tick] = &mut self.lanes;
        match class {
            Class::Control => control,
            Class::Handover => handover,
            Class::PerUser => per_user,
            Class::Tick => tick,
        }
    }
}

#[cfg(test)]
mod tests;
