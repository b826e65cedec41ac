//! What is on its way to a thread of the store: requests with whom they are answered to, bounded in bytes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::answer::{Reply, Wake};
use crate::{StoreRequest, StoreResult};

/// What is on its way to one thread.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: Mutex<LaneState>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct LaneState {
    arrived: Vec<Queued>,
    is_waited_for: bool,
    is_closed: bool,
}

/// What waits for the threads, in bytes.
#[derive(Debug)]
pub(crate) struct QueueBytes {
    waiting: AtomicUsize,
    max: usize,
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) request: StoreRequest,
    pub(crate) asker: Asker,
}

/// Who waits for an answer, and what the request takes until then.
#[derive(Debug)]
pub(crate) struct Asker {
    reply: Reply,
    bytes: Held,
}

/// Counts while its request waits.
#[derive(Debug)]
struct Held {
    bytes: usize,
    queue: Arc<QueueBytes>,
}

/// What a thread of the store shows of itself to whoever watches over it. It starts in a wait.
pub type StorePulse = Box<dyn Fn(StoreTurn) + Send>;

/// What a thread of the store does from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreTurn {
    /// It waits for something to do.
    Waits,
    /// It carries out a batch, another one each time.
    Works,
}

impl Lane {
    /// Adds to what waits. Wakes the thread only where it waits.
    pub(crate) fn push(&self, requests: Vec<Queued>) {
        if requests.is_empty() {
            return;
        }
        let mut state = self.lock();
        if state.is_closed {
            // The thread has panicked, and dropping what it will never see answers it.
            return drop(state);
        }
        state.arrived.extend(requests);
        if state.is_waited_for {
            self.arrived.notify_one();
        }
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_one();
    }

    /// Waits for something to do, unless there is. Nothing comes when the lane is closed and empty.
    pub(crate) fn receive(&self, has_work: bool, pulse: &StorePulse, into: &mut Vec<Queued>) {
        let mut state = self.lock();
        if state.arrived.is_empty() && !has_work {
            pulse(StoreTurn::Waits);
            while state.arrived.is_empty() && !state.is_closed {
                state.is_waited_for = true;
                state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.is_waited_for = false;
            }
        }
        std::mem::swap(into, &mut state.arrived);
    }

    /// Nothing will be received any more: whoever waits is told.
    pub(crate) fn abandon(&self) {
        let unseen = {
            let mut state = self.lock();
            state.is_closed = true;
            std::mem::take(&mut state.arrived)
        };
        drop(unseen);
    }

    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueBytes {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            max,
        }
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn hold(queue: &Arc<Self>, bytes: usize) -> Option<Held> {
        let before = queue.waiting.fetch_add(bytes, Ordering::Relaxed);
        let held = Held {
            bytes,
            queue: Arc::clone(queue),
        };
        (before.saturating_add(bytes) <= queue.max).then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.queue.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Queued {
    /// The request with who asks it; where there is no room for it, who asks.
    pub(crate) fn new(request: StoreRequest, reply: Reply, queue: &Arc<QueueBytes>) -> Result<Self, Reply> {
        match QueueBytes::hold(queue, request.bytes()) {
            Some(bytes) => Ok(Self {
                request,
                asker: Asker { reply, bytes },
            }),
            None => Err(reply),
        }
    }
}

impl Asker {
    /// Answers the request, which waits no more.
    pub(crate) fn say(self, result: StoreResult) -> Wake {
        drop(self.bytes);
        self.reply.say(result)
    }
}
