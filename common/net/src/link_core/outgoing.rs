//! What waits to go out over one link, by class and bounded in bytes: order within a class, control before handover
//! before per-user before what a tick says.
//!
//! Nothing is ever dropped here. Whoever makes much asks for room before; when what must arrive finds none, the peer is
//! too slow and the link ends.

use protocol::limits::{BATCH_MESSAGES_MAX, FRAGMENT_BYTES_MAX, MESSAGE_BYTES_MAX};
use protocol::message::family::{BatchMessage, Class};
use protocol::message::fragment::Fragment;

use super::class_queue::{ClassQueue, Room};

/// All that may wait for one peer, bytes: seconds of what the largest region says. Beyond it the peer is too slow.
pub const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest message finds room in the half that is kept for what cannot be said later, and in the other one.
const _: () = assert!(MESSAGE_BYTES_MAX <= WAITING_BYTES_MAX / 2);

/// How much one link takes. Smaller than it is by default only where what happens at the limits is to happen often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkRoom {
    /// What is longer travels in fragments of so many bytes.
    pub fragment_bytes: usize,
    /// All that may wait, bytes. A message that is longer is never said: the link ends.
    pub waiting_bytes: usize,
}

impl Default for LinkRoom {
    fn default() -> Self {
        Self {
            fragment_bytes: FRAGMENT_BYTES_MAX,
            waiting_bytes: WAITING_BYTES_MAX,
        }
    }
}

/// Why a link has to end for what was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Ours: not even fragments carry it.
    #[error("a message of {0} bytes is longer than any may be")]
    TooLarge(usize),
    /// The peer's: it takes messages more slowly than we make them.
    #[error("the peer is too slow: its queue is full")]
    Overflow,
}

/// The queues of one link.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    room: LinkRoom,
    classes: [ClassQueue; Class::ALL.len()],
    long: Vec<u8>,
}

impl Outgoing {
    pub(super) fn set_room(&mut self, room: LinkRoom) {
        self.room = room;
    }

    /// Encodes a message at the end of its class.
    pub(super) fn push(&mut self, message: &impl BatchMessage) -> Result<(), PushError> {
        let (class, length) = (message.class(), message.encoded_len());
        if length <= self.room.fragment_bytes {
            self.make_room(length)?;
            self.queue(class).push(length, |out| message.encode(out));
            return Ok(());
        }
        let mut long = std::mem::take(&mut self.long);
        message.encode(&mut long);
        let pushed = self.push_encoded(class, &long);
        long.clear();
        long.shrink_to(FRAGMENT_BYTES_MAX);
        self.long = long;
        pushed
    }

    /// Appends one message that was encoded before, family and length included: what several peers get alike is encoded
    /// once.
    pub(super) fn push_encoded(&mut self, class: Class, message: &[u8]) -> Result<(), PushError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(PushError::TooLarge(message.len()));
        }
        self.make_room(message.len())?;
        let fragment_bytes = self.room.fragment_bytes;
        let queue = self.queue(class);
        if message.len() <= fragment_bytes {
            queue.push(message.len(), |out| out.extend_from_slice(message));
        } else {
            Fragment::cut(class, message, fragment_bytes, |length, put| {
                queue.push(length, put);
            });
        }
        Ok(())
    }

    /// Bytes that may still wait of what can be said later as well.
    pub(super) fn spare_bytes(&self) -> usize {
        (self.room.waiting_bytes / 2).saturating_sub(self.bytes())
    }

    /// Whether one message of this length may wait that can be said later as well: it may be longer than what is spare, if
    /// less than half waits.
    pub(super) fn takes_one(&self, length: usize) -> bool {
        self.spare_bytes() > 0 && self.make_room(length).is_ok()
    }

    fn make_room(&self, length: usize) -> Result<(), PushError> {
        if self.bytes() + length > self.room.waiting_bytes {
            return Err(PushError::Overflow);
        }
        Ok(())
    }

    /// Appends to `out` what one frame of so many bytes carries, the most urgent first; the number of messages.
    pub(super) fn take(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> usize {
        let mut room = Room {
            bytes: bytes_max,
            messages: BATCH_MESSAGES_MAX,
        };
        for queue in &mut self.classes {
            queue.take(&mut room, out);
            if !queue.is_empty() {
                break;
            }
        }
        BATCH_MESSAGES_MAX - room.messages
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.classes.iter().all(ClassQueue::is_empty)
    }

    /// Bytes waiting.
    pub(super) fn bytes(&self) -> usize {
        self.classes.iter().map(ClassQueue::bytes).sum()
    }

    fn queue(&mut self, class: Class) -> &mut ClassQueue {
        let [control, handover, per_user, tick] = &mut self.classes;
        match class {
            Class::Control => control,
            Class::Handover => handover,
            Class::PerUser => per_user,
            Class::Tick => tick,
        }
    }
}
