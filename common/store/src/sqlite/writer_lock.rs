//! The queue of all processes that write one file: a lock on a file beside it, which the kernel gives from one to the next
//! without anybody polling, and which ends with the process that holds it.
//!
//! Waiting for a file lock has no time-out, so a thread of its own waits where somebody else has it. When it gets the
//! lock too late, it lets go of it at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::place;

/// One process's place in the queue for one store. Locks of two openings exclude each other, within a process too.
#[derive(Debug)]
pub(super) struct WriterLock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// There is a thread that waits where we may not.
    has_waiter: bool,
    /// Somebody wants the lock from it.
    is_wanted: bool,
    /// It stands in the kernel's queue.
    is_queued: bool,
    /// It has got the lock for who wants it.
    is_held: bool,
    is_closed: bool,
}

/// The turn to write. Ends when dropped.
#[derive(Debug)]
pub(super) struct Turn<'l> {
    file: &'l File,
}

/// Why there is no turn.
#[derive(Debug)]
pub(super) enum NoTurn {
    /// Somebody else has had it all the time.
    TooLong,
    /// The file system refuses.
    File(io::Error),
}

impl WriterLock {
    /// The lock of the store at `path`: a file of that name with `.lock` at its end, private to its user.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(place::beside(path, ".lock"))?;
        let shared = Shared {
            file,
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Waits for the turn to write, at most `within`. One caller at a time.
    pub(super) fn wait(&mut self, within: Duration) -> Result<Turn<'_>, NoTurn> {
        let shared = &self.shared;
        let mut state = shared.state();
        if !state.is_queued {
            match shared.file.try_lock() {
                Ok(()) => return Ok(Turn { file: &shared.file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(NoTurn::File(error)),
            }
        }
        if !state.has_waiter {
            let waiter = Arc::clone(shared);
            let started = thread::Builder::new()
                .name("store lock".to_owned())
                .spawn(move || waiter.stand_in_line());
            started.map_err(NoTurn::File)?;
            state.has_waiter = true;
        }
        state.is_wanted = true;
        shared.changed.notify_all();
        let deadline = Instant::now() + within;
        while state.is_wanted {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.is_wanted = false;
                return Err(NoTurn::TooLong);
            }
            let woken = shared.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        if std::mem::take(&mut state.is_held) {
            return Ok(Turn { file: &shared.file });
        }
        Err(NoTurn::File(io::Error::other(
            "the lock of the store cannot be waited for",
        )))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand_in_line(&self) {
        let mut state = self.state();
        loop {
            while !state.is_wanted && !state.is_closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.is_closed {
                return;
            }
            state.is_queued = true;
            drop(state);
            let locked = self.file.lock();
            state = self.state();
            state.is_queued = false;
            if state.is_wanted {
                state.is_held = locked.is_ok();
                state.is_wanted = false;
                self.changed.notify_all();
            } else if locked.is_ok() {
                // Whoever wanted it has given up. Closing the file would let go of it as well, if this cannot.
                let _ = self.file.unlock();
            }
        }
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::error!(%error, "the lock of the store is stuck; nobody can write until this process ends");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(30);

    fn two() -> (tempfile::TempDir, WriterLock, WriterLock) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let open = || WriterLock::open(&path).unwrap();
        let (one, other) = (open(), open());
        (dir, one, other)
    }

    #[test]
    fn one_writes_and_the_other_gets_the_turn_when_it_is_done() {
        let (_dir, mut one, mut other) = two();
        let turn = one.wait(SHORT).unwrap();
        assert!(matches!(other.wait(SHORT), Err(NoTurn::TooLong)));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| other.wait(LONG).is_ok());
            thread::sleep(SHORT);
            assert!(!waiting.is_finished());
            drop(turn);
            assert!(waiting.join().unwrap());
        });
        assert!(one.wait(SHORT).is_ok());
    }

    #[test]
    fn a_turn_that_comes_too_late_is_given_back() {
        let (_dir, mut one, mut other) = two();
        let turn = one.wait(SHORT).unwrap();
        assert!(matches!(other.wait(SHORT), Err(NoTurn::TooLong)));
        drop(turn);
        // The other one's waiting thread may just have it.
        assert!(one.wait(LONG).is_ok());
        assert!(other.wait(LONG).is_ok());
        assert!(one.wait(LONG).is_ok());
    }

    #[test]
    fn nobody_keeps_the_turn_beyond_its_end() {
        let (_dir, mut one, mut other) = two();
        for _ in 0..50 {
            drop(one.wait(LONG).unwrap());
            drop(other.wait(LONG).unwrap());
        }
        drop(one.wait(LONG).unwrap());
        drop(one);
        assert!(other.wait(SHORT).is_ok());
    }
}
