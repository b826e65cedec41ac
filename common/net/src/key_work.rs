//! Public-key work on a few threads of its own, at most half of the cores: a flood of handshakes costs those, and neither
//! accepting, nor links, nor the admin endpoint. Bounded by the permits of those who ask.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The work panicked, or this process has no thread for it: what needed it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work with keys was not done")]
pub struct KeyWorkLost;

#[derive(Default)]
struct Pool {
    jobs: Mutex<VecDeque<Job>>,
    wake: Condvar,
}

static POOL: LazyLock<Arc<Pool>> = LazyLock::new(|| {
    let pool = Arc::new(Pool::default());
    for index in 0..threads() {
        let working = Arc::clone(&pool);
        let thread = std::thread::Builder::new().name(format!("keys-{index}"));
        if let Err(error) = thread.spawn(move || working.work()) {
            tracing::error!(%error, "no thread for work with keys");
        }
    }
    pool
});

fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).max(1)
}

/// Does `job` on a thread of the pool. Dropping the future takes the job back, unless it has begun.
///
/// # Errors
/// The job panicked.
pub async fn key_work<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, KeyWorkLost> {
    let (reply, answer) = oneshot::channel();
    POOL.push(Box::new(move || {
        // Whoever asked may have run out of time while this waited.
        if !reply.is_closed() {
            let done = catch_unwind(AssertUnwindSafe(job));
            if let Ok(done) = done {
                let _ = reply.send(done);
            }
        }
    }));
    answer.await.map_err(|_| KeyWorkLost)
}

impl Pool {
    fn push(&self, job: Job) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.push_back(job);
        drop(jobs);
        self.wake.notify_one();
    }

    fn work(&self) {
        loop {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            let job = loop {
                match jobs.pop_front() {
                    Some(job) => break job,
                    None => jobs = self.wake.wait(jobs).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(jobs);
            job();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[tokio::test]
    async fn work_is_done_elsewhere_a_panic_is_its_askers_loss_and_what_nobody_waits_for_is_left_out() {
        let here = std::thread::current().id();
        let there = key_work(|| std::thread::current().id()).await.unwrap();
        assert_ne!(here, there);
        assert_eq!(key_work(|| panic!("bad key")).await, Err::<(), _>(KeyWorkLost));
        // All threads are held, so that what comes next waits and is given up meanwhile.
        let (hold, held): (Vec<_>, Vec<_>) = (0..threads()).map(|_| mpsc::channel::<()>()).unzip();
        let holding: Vec<_> = held
            .into_iter()
            .map(|held| {
                tokio::spawn(key_work(move || {
                    let _ = held.recv();
                }))
            })
            .collect();
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let given_up = tokio::spawn(key_work(move || count.fetch_add(1, Ordering::Relaxed)));
        tokio::task::yield_now().await;
        given_up.abort();
        assert!(given_up.await.is_err());
        drop(hold);
        for one in holding {
            one.await.unwrap().unwrap();
        }
        assert_eq!(key_work(|| 7).await, Ok(7));
        assert_eq!(done.load(Ordering::Relaxed), 0);
    }
}
