//! Where answers go: exactly one for each request, whatever becomes of the thread that carries it out.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::{StoreError, StoreResult};

/// An answer, with the number that the request was sent under.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreAnswer {
    /// What the sender called its request.
    pub correlation: u64,
    /// How it ended.
    pub result: StoreResult,
}

/// Where an answer goes. Dropped without one, it says that nobody knows: every request has exactly one answer, also when a
/// thread of the store panics.
#[derive(Debug)]
pub(crate) struct Reply(Option<To>);

#[derive(Debug)]
enum To {
    Port { correlation: u64, answers: Arc<Answers> },
    Once(oneshot::Sender<StoreResult>),
}

/// What has been answered and not yet taken.
pub(crate) struct Answers {
    waiting: Mutex<Vec<StoreAnswer>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Reply {
    /// To whoever reads `answers`.
    pub(crate) fn tagged(correlation: u64, answers: Arc<Answers>) -> Self {
        Self(Some(To::Port { correlation, answers }))
    }

    /// To whoever waits for this one.
    pub(crate) fn once(to: oneshot::Sender<StoreResult>) -> Self {
        Self(Some(To::Once(to)))
    }

    /// Leaves the answer. Whoever is to be woken for it is said, so that many answers wake once.
    pub(crate) fn say(mut self, result: StoreResult) -> Wake {
        Wake(self.0.take().and_then(|to| to.leave(result)))
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(to) = self.0.take() {
            let nobody_knows = StoreError::Unknown("the store has ended".to_owned());
            Wake(to.leave(Err(nobody_knows))).wake();
        }
    }
}

impl To {
    /// Who has to be woken for it.
    fn leave(self, result: StoreResult) -> Option<Arc<Answers>> {
        match self {
            Self::Port { correlation, answers } => {
                let mut waiting = answers.lock();
                let is_first = waiting.is_empty();
                waiting.push(StoreAnswer { correlation, result });
                drop(waiting);
                is_first.then_some(answers)
            }
            Self::Once(to) => {
                // Whoever asked may be gone; then nobody misses the answer.
                let _ = to.send(result);
                None
            }
        }
    }
}

/// Somebody to be woken, or nobody.
#[must_use]
pub(crate) struct Wake(Option<Arc<Answers>>);

impl Wake {
    pub(crate) fn wake(self) {
        if let Some(answers) = self.0 {
            (answers.wake)();
        }
    }
}

impl Answers {
    /// `wake` is called when something has come and nothing waited before.
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Box::new(wake),
        }
    }

    /// Moves all of them to the end of `into`.
    pub(crate) fn take(&self, into: &mut Vec<StoreAnswer>) {
        let mut waiting = self.lock();
        if into.is_empty() {
            std::mem::swap(into, &mut *waiting);
        } else {
            into.append(&mut waiting);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<StoreAnswer>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}
