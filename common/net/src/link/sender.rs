//! Queues messages to one link from any thread. Encoding happens here, under a short lock; nothing here ever waits.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::Code;
use protocol::message::family::{BatchMessage, Class};
use protocol::node_handshake::VerifiedPeer;
use tokio::sync::Notify;

use super::control::{DownReason, LinkControl};
use super::peer::LinkId;
use crate::clock::Monotonic;
use crate::link_state::Heartbeats;
use crate::queue::{OutgoingQueue, PushError, Wake};

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The link is down, or going down because the peer is too slow.
    #[error("the link is down")]
    Down,
    /// Ours: no frame can carry it.
    #[error("a message of {0} bytes does not fit in a frame")]
    TooLarge(usize),
}

/// What reader, writer, registry and senders of one link share.
#[derive(Debug)]
pub(super) struct LinkShared {
    pub(super) id: LinkId,
    pub(super) peer: VerifiedPeer,
    pub(super) control: LinkControl,
    pub(super) clock: Monotonic,
    queue: Mutex<OutgoingQueue>,
    heartbeats: Mutex<Heartbeats>,
    /// The writer should look at the queue.
    pub(super) wake: Notify,
}

impl LinkShared {
    pub(super) fn new(
        (id, peer): (LinkId, VerifiedPeer),
        clock: Monotonic,
        queue: OutgoingQueue,
        heartbeats: Heartbeats,
    ) -> Self {
        Self {
            id,
            peer,
            control: LinkControl::new(),
            clock,
            queue: Mutex::new(queue),
            heartbeats: Mutex::new(heartbeats),
            wake: Notify::new(),
        }
    }

    pub(super) fn heartbeats(&self) -> MutexGuard<'_, Heartbeats> {
        self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `act` on the queue.
    pub(super) fn with_queue<T>(&self, act: impl FnOnce(&mut OutgoingQueue, u64) -> T) -> T {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: times in the queue must not run backwards.
        act(&mut queue, self.clock.now_us())
    }

    pub(super) fn push(
        &self,
        act: impl FnOnce(&mut OutgoingQueue, u64) -> Result<Wake, PushError>,
    ) -> Result<(), SendError> {
        if self.control.has_ended() {
            return Err(SendError::Down);
        }
        match self.with_queue(act) {
            Ok(Wake::Writer) => self.wake.notify_one(),
            Ok(Wake::Nobody) => {}
            Err(PushError::TooLarge(bytes)) => return Err(SendError::TooLarge(bytes)),
            Err(PushError::Overflow) => {
                self.control.end(DownReason::Closed(Code::SlowConsumer));
                return Err(SendError::Down);
            }
        }
        Ok(())
    }
}

/// Queues messages of one enum to one link. Cheap to clone; outlives the link and refuses then.
pub struct LinkSender<M> {
    shared: Arc<LinkShared>,
    message: PhantomData<fn(M)>,
}

impl<M> LinkSender<M> {
    pub(super) fn new(shared: Arc<LinkShared>) -> Self {
        Self {
            shared,
            message: PhantomData,
        }
    }

    /// The link.
    #[must_use]
    pub fn link(&self) -> LinkId {
        self.shared.id
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &VerifiedPeer {
        &self.shared.peer
    }

    /// Whether messages are still taken.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.shared.control.has_ended()
    }

    /// Bytes waiting.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.shared.with_queue(|queue, _| queue.bytes())
    }

    /// The last round trip time, microseconds.
    #[must_use]
    pub fn round_trip_us(&self) -> Option<u64> {
        self.shared.heartbeats().round_trip_us()
    }

    /// Ends the link; the peer is told why.
    pub fn close(&self, code: Code) {
        self.shared.control.end(DownReason::Closed(code));
    }
}

impl<M: BatchMessage> LinkSender<M> {
    /// Queues a message.
    ///
    /// # Errors
    /// `Down` or `TooLarge`.
    pub fn try_send(&self, message: &M) -> Result<(), SendError> {
        self.shared.push(|queue, now_us| queue.push(message, now_us))
    }

    /// Queues messages in order under one lock.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send); those before the mistake are queued.
    pub fn try_send_all<'a>(&self, messages: impl IntoIterator<Item = &'a M>) -> Result<(), SendError>
    where
        M: 'a,
    {
        self.shared.push(|queue, now_us| {
            let mut wake = Wake::Nobody;
            for message in messages {
                if queue.push(message, now_us)? == Wake::Writer {
                    wake = Wake::Writer;
                }
            }
            Ok(wake)
        })
    }

    /// Queues one message that was encoded before, by [`BatchMessage::encode`]: what several peers get alike is
    /// encoded once.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_send_encoded(&self, class: Class, message: &[u8]) -> Result<(), SendError> {
        self.shared
            .push(|queue, now_us| queue.push_encoded(class, message, now_us))
    }
}

impl<M> Clone for LinkSender<M> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<M> fmt::Debug for LinkSender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkSender")
            .field("link", &self.shared.id)
            .field("peer", &self.shared.peer.number)
            .finish_non_exhaustive()
    }
}
