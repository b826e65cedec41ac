//! The front that regions and logins talk to: a bounded queue, and exactly one answer per request. Nothing here waits for
//! the store.
//!
//! A [`StorePort`] belongs to one loop, a thread's or a task's, that sends what a sweep has gathered, is woken once for
//! what has been answered meanwhile, and takes all of it.

use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::answer::{Answers, Reply, StoreAnswer};
use crate::lane::{Lane, QueueBytes, Queued, StorePulse};
use crate::limits::QUEUE_BYTES_MAX;
use crate::request::RequestClass;
use crate::threads::{self, StoreThreads};
use crate::{Store, StoreError, StoreRequest, StoreResult};

/// Bounds of the front.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// Requests that may wait, in bytes; one more is refused at once.
    pub queue_bytes_max: usize,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            queue_bytes_max: QUEUE_BYTES_MAX,
        }
    }
}

/// Sends requests to a store without ever waiting for it. Cheap to clone; the threads end when the last clone and the last
/// port are gone and everything sent has been answered.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    front: Arc<Front>,
}

#[derive(Debug)]
struct Front {
    writes: Arc<Lane>,
    reads: Arc<Lane>,
    queue: Arc<QueueBytes>,
}

/// What waits for a store.
#[derive(Clone, Debug)]
pub struct StoreQueue(Arc<QueueBytes>);

impl StoreQueue {
    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.waiting()
    }

    /// Bytes that may wait; what does not fit is refused.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.0.max()
    }
}

/// One loop's way to the store.
#[derive(Debug)]
pub struct StorePort {
    handle: StoreHandle,
    answers: Arc<Answers>,
}

impl StoreHandle {
    /// Starts the threads in front of `store`, watched by nobody.
    ///
    /// # Errors
    /// The system does not let a thread start.
    pub fn spawn(store: &Arc<dyn Store>, settings: StoreSettings) -> io::Result<(Self, StoreThreads)> {
        Self::spawn_watched(store, settings, |_| Box::new(|_| {}))
    }

    /// Starts the threads in front of `store`; each touches the pulse that `pulse` makes for its name.
    ///
    /// # Errors
    /// The system does not let a thread start.
    pub fn spawn_watched(
        store: &Arc<dyn Store>,
        settings: StoreSettings,
        pulse: impl FnMut(&'static str) -> StorePulse,
    ) -> io::Result<(Self, StoreThreads)> {
        let front = Front {
            writes: Arc::default(),
            reads: Arc::default(),
            queue: Arc::new(QueueBytes::new(settings.queue_bytes_max)),
        };
        let threads = threads::start(store, &front.writes, &front.reads, pulse)?;
        let front = Arc::new(front);
        Ok((Self { front }, threads))
    }

    /// A way to the store for one loop. `wake` is called from the store's threads when answers have come and none waited
    /// before: it must not block (a `Notify`, an eventfd).
    #[must_use]
    pub fn port(&self, wake: impl Fn() + Send + Sync + 'static) -> StorePort {
        StorePort {
            handle: self.clone(),
            answers: Arc::new(Answers::new(wake)),
        }
    }

    /// Sends a request and waits for its answer. Never from a tick.
    ///
    /// # Errors
    /// As the store answers; [`StoreError::Unavailable`] when too much waits already.
    pub async fn ask(&self, request: StoreRequest) -> StoreResult {
        let (reply, answer) = oneshot::channel();
        self.send_all([(request, Reply::once(reply))]);
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Unknown("the store has ended".to_owned())))
    }

    /// Bytes that wait, for a gauge.
    #[must_use]
    pub fn queue_bytes(&self) -> usize {
        self.front.queue.waiting()
    }

    /// A look at what waits that does not keep the store open.
    #[must_use]
    pub fn queue(&self) -> StoreQueue {
        StoreQueue(Arc::clone(&self.front.queue))
    }

    fn send_all(&self, requests: impl IntoIterator<Item = (StoreRequest, Reply)>) {
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for (request, reply) in requests {
            let lane = match request.class() {
                RequestClass::Read => &mut reads,
                RequestClass::Urgent | RequestClass::Soft | RequestClass::Turn => &mut writes,
            };
            match Queued::new(request, reply, &self.front.queue) {
                Ok(queued) => lane.push(queued),
                Err(reply) => {
                    let full = StoreError::Unavailable("too much waits for the store".to_owned());
                    reply.say(Err(full)).wake();
                }
            }
        }
        self.front.writes.push(writes);
        self.front.reads.push(reads);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.writes.close();
        self.reads.close();
    }
}

impl StorePort {
    /// Sends one request; exactly one answer comes under `correlation`. What does not fit is answered at once with
    /// [`StoreError::Unavailable`].
    pub fn send(&self, correlation: u64, request: StoreRequest) {
        self.send_batch([(correlation, request)]);
    }

    /// Sends what a sweep has gathered, as [`send`](Self::send) does each.
    pub fn send_batch(&self, requests: impl IntoIterator<Item = (u64, StoreRequest)>) {
        let with_reply = |(correlation, request)| {
            let answers = Arc::clone(&self.answers);
            (request, Reply::tagged(correlation, answers))
        };
        self.handle.send_all(requests.into_iter().map(with_reply));
    }

    /// Moves all answers that have come to the end of `into`, in the order in which they came.
    pub fn take_answers(&self, into: &mut Vec<StoreAnswer>) {
        self.answers.take(into);
    }
}
