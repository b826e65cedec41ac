//! What waits for a shard: batches from link readers, client peers and the store, behind one lock taken once per batch.
//! Bounded in bytes; when it is full the sender is told, and gives up what it can: a link or a client, never a tick.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use net::udp::Waker;
use tokio::sync::oneshot;

use super::client_queue::ClientQueue;
use crate::edge::{Admission, EdgeInput, SessionHandle};

/// Bytes that may wait for one shard, by estimate.
const INBOX_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What an input takes beside its payload, by estimate, bytes.
const INPUT_BYTES: usize = 192;

/// A client that was let in: what its shard needs of it, and where to say under which handle it is known.
pub(super) struct Arrival {
    pub(super) admission: Box<Admission>,
    pub(super) queue: Arc<ClientQueue>,
    pub(super) admitted: oneshot::Sender<SessionHandle>,
}

/// One thing for a shard to do.
pub(super) enum ShardInput {
    /// For its core.
    Edge(EdgeInput),
    /// A client to admit.
    Arrival(Arrival),
    /// The shard panics, to see what becomes of its process.
    #[cfg(feature = "fault-injection")]
    Panic,
}

impl ShardInput {
    fn bytes(&self) -> usize {
        let payload = match self {
            Self::Edge(EdgeInput::FromServer(_, messages)) => messages.len() * INPUT_BYTES,
            Self::Edge(EdgeInput::Cells(cells)) => {
                cells.cells.iter().map(|(bytes, _)| 2 * Bytes::len(bytes)).sum()
            }
            // A client's record has at most 8 KiB and so many messages as its rate allows.
            Self::Edge(_) | Self::Arrival(_) => 0,
            #[cfg(feature = "fault-injection")]
            Self::Panic => 0,
        };
        INPUT_BYTES + payload
    }
}

impl From<EdgeInput> for ShardInput {
    fn from(input: EdgeInput) -> Self {
        Self::Edge(input)
    }
}

/// The shard does not keep up, or has stopped; the batch is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much waits for this shard")]
pub(super) struct InboxFull;

#[derive(Default)]
struct Waiting {
    inputs: Vec<ShardInput>,
    bytes: usize,
    stopped: bool,
}

/// The queue of one shard.
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    waker: Waker,
}

impl Inbox {
    /// Nothing waits; `waker` wakes the shard's thread.
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            waiting: Mutex::default(),
            waker,
        }
    }

    /// Moves a batch in, all of it or nothing, and leaves `batch` empty with its room.
    pub(super) fn push_all(&self, batch: &mut Vec<ShardInput>) -> Result<(), InboxFull> {
        if batch.is_empty() {
            return Ok(());
        }
        let bytes: usize = batch.iter().map(ShardInput::bytes).sum();
        let mut waiting = self.lock();
        if waiting.stopped || waiting.bytes.saturating_add(bytes) > INBOX_BYTES_MAX {
            drop(waiting);
            batch.clear();
            metrics::counter!("regionmesh_proxy_inbox_full_total").increment(1);
            return Err(InboxFull);
        }
        let first = waiting.inputs.is_empty();
        waiting.bytes += bytes;
        waiting.inputs.append(batch);
        drop(waiting);
        if first {
            self.waker.wake();
        }
        Ok(())
    }

    /// Moves one input in, however full it is: the few that are news of connections, without which everything after
    /// would be misunderstood. Lost only when the shard has stopped.
    pub(super) fn push_news(&self, news: EdgeInput) {
        let mut waiting = self.lock();
        if !waiting.stopped {
            waiting.inputs.push(news.into());
            drop(waiting);
            self.waker.wake();
        }
    }

    /// Moves one input in.
    pub(super) fn push(&self, input: impl Into<ShardInput>) -> Result<(), InboxFull> {
        self.push_all(&mut vec![input.into()])
    }

    /// Swaps what waits with the empty `into`. `false` when the shard shall stop.
    pub(super) fn take(&self, into: &mut Vec<ShardInput>) -> bool {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.inputs, into);
        waiting.bytes = 0;
        !waiting.stopped
    }

    /// The shard stops after what waits already; nothing more is taken.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.waker.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::NodeNumber;

    #[test]
    fn batches_go_in_whole_or_not_at_all_and_nothing_after_the_stop() {
        let inbox = Inbox::new(Waker::new().unwrap());
        let many = INBOX_BYTES_MAX / INPUT_BYTES;
        let mut batch: Vec<ShardInput> = (0..many).map(|_| EdgeInput::Drain.into()).collect();
        assert_eq!(inbox.push_all(&mut batch), Ok(()));
        assert!(batch.is_empty());
        assert_eq!(inbox.push(EdgeInput::ServerUp(NodeNumber(1))), Err(InboxFull));
        let mut taken = Vec::new();
        assert!(inbox.take(&mut taken));
        assert_eq!(taken.len(), many);
        assert_eq!(inbox.push(EdgeInput::Drain), Ok(()));
        inbox.stop();
        assert_eq!(inbox.push(EdgeInput::Drain), Err(InboxFull));
        taken.clear();
        assert!(!inbox.take(&mut taken));
        assert_eq!(taken.len(), 1, "what waited before the stop is still done");
    }
}
