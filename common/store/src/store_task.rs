//! The front that regions and logins talk to: a bounded queue, one batch at a time, exactly one answer per request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use crate::batch::BatchQueue;
use crate::limits::QUEUE_BYTES_MAX;
use crate::{Store, StoreError, StoreRequest, StoreResult};

/// An answer, with the number that the request was sent under.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreAnswer {
    /// What the sender called its request.
    pub correlation: u64,
    /// How it ended.
    pub result: StoreResult,
}

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

/// The queue is full: the store is slower than what is asked of it. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much waits for the store")]
pub struct QueueFull;

/// Sends requests to a store without ever waiting for it. Cheap to clone; the task ends when the last clone is gone
/// and everything sent has been answered.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    // Unbounded in count, bounded in bytes by `queue`.
    requests: mpsc::UnboundedSender<Queued>,
    queue: Arc<QueueBytes>,
}

#[derive(Debug)]
struct QueueBytes {
    waiting: AtomicUsize,
    max: usize,
}

#[derive(Debug)]
struct Queued {
    request: StoreRequest,
    reply: Reply,
}

#[derive(Debug)]
enum Reply {
    // The sender bounds this channel by what it asks: one answer per request.
    Tagged {
        correlation: u64,
        to: mpsc::UnboundedSender<StoreAnswer>,
    },
    Once(oneshot::Sender<StoreResult>),
}

impl StoreHandle {
    /// Starts the task in front of `store`. Must be called within a tokio run time.
    #[must_use]
    pub fn spawn(store: Arc<dyn Store>, settings: StoreSettings) -> (Self, JoinHandle<()>) {
        let (requests, queue_out) = mpsc::unbounded_channel();
        let queue = Arc::new(QueueBytes {
            waiting: AtomicUsize::new(0),
            max: settings.queue_bytes_max,
        });
        let task = StoreTask {
            store,
            requests: queue_out,
            queue: Arc::clone(&queue),
            started: Instant::now(),
        };
        (Self { requests, queue }, tokio::spawn(task.run()))
    }

    /// Sends a request; exactly one answer with `correlation` comes to `to`.
    ///
    /// # Errors
    /// [`QueueFull`]: nothing was sent, and no answer will come.
    pub fn send(
        &self,
        correlation: u64,
        request: StoreRequest,
        to: &mpsc::UnboundedSender<StoreAnswer>,
    ) -> Result<(), QueueFull> {
        self.queue(
            request,
            Reply::Tagged {
                correlation,
                to: to.clone(),
            },
        )
    }

    /// Sends a request and waits for its answer. Never from a tick.
    ///
    /// # Errors
    /// As the store answers; [`StoreError::Unavailable`] when too much waits already.
    pub async fn ask(&self, request: StoreRequest) -> StoreResult {
        let (reply, answer) = oneshot::channel();
        self.queue(request, Reply::Once(reply))
            .map_err(|full| StoreError::Unavailable(full.to_string()))?;
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Unknown("the store's task has ended".to_owned())))
    }

    /// Bytes that wait, for a gauge.
    #[must_use]
    pub fn queue_bytes(&self) -> usize {
        self.queue.waiting.load(Ordering::Relaxed)
    }

    fn queue(&self, request: StoreRequest, reply: Reply) -> Result<(), QueueFull> {
        let bytes = request.bytes();
        let before = self.queue.waiting.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.queue.max;
        if fits && self.requests.send(Queued { request, reply }).is_ok() {
            return Ok(());
        }
        self.queue.waiting.fetch_sub(bytes, Ordering::Relaxed);
        Err(QueueFull)
    }
}

struct StoreTask {
    store: Arc<dyn Store>,
    requests: mpsc::UnboundedReceiver<Queued>,
    queue: Arc<QueueBytes>,
    started: Instant,
}

impl StoreTask {
    async fn run(mut self) {
        let mut waiting = BatchQueue::default();
        let mut open = true;
        while open || !waiting.is_empty() {
            open = open && self.receive(&mut waiting).await;
            // Whatever came while the last batch ran is taken in before the next is chosen, or soft saves that were
            // there first would pass an ownership change.
            while let Ok(queued) = self.requests.try_recv() {
                self.take_in(&mut waiting, queued);
            }
            let now_ms = if open { self.now_ms() } else { u64::MAX };
            if let Some(batch) = waiting.take_due(now_ms) {
                self.execute(batch).await;
            }
        }
    }

    /// Waits for a request or for the next batch to close. Says whether more requests can come.
    async fn receive(&mut self, waiting: &mut BatchQueue<Reply>) -> bool {
        let Some(due_ms) = waiting.due_ms() else {
            return match self.requests.recv().await {
                Some(queued) => {
                    self.take_in(waiting, queued);
                    true
                }
                None => false,
            };
        };
        let wait_ms = due_ms.saturating_sub(self.now_ms());
        tokio::select! {
            queued = self.requests.recv() => match queued {
                Some(queued) => {
                    self.take_in(waiting, queued);
                    true
                }
                None => false,
            },
            () = sleep(Duration::from_millis(wait_ms)) => true,
        }
    }

    fn take_in(&self, waiting: &mut BatchQueue<Reply>, queued: Queued) {
        waiting.push(queued.request, queued.reply, self.now_ms());
    }

    async fn execute(&self, batch: Vec<(StoreRequest, Reply)>) {
        let (requests, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let bytes: usize = requests.iter().map(StoreRequest::bytes).sum();
        let mut results = self.store.execute(requests).await.into_iter();
        self.queue.waiting.fetch_sub(bytes, Ordering::Relaxed);
        for reply in replies {
            let missing = || {
                Err(StoreError::Unknown(
                    "the store left a request unanswered".to_owned(),
                ))
            };
            answer(reply, results.next().unwrap_or_else(missing));
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Whoever asked may be gone; then nobody misses the answer.
fn answer(reply: Reply, result: StoreResult) {
    match reply {
        Reply::Tagged { correlation, to } => drop(to.send(StoreAnswer { correlation, result })),
        Reply::Once(to) => drop(to.send(result)),
    }
}
