//! What it means when a connection cannot be accepted, counted and told: once a minute, however often it happens.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;

/// How long to leave the listener alone when the process is out of something.
const PAUSE: Duration = Duration::from_millis(50);
/// A warning at most this often, milliseconds.
const WARN_EVERY_MS: u64 = 60_000;
/// A listener counts as blocked for this long after its last error, milliseconds.
const BLOCKED_MS: u64 = 5_000;
/// [`Watch`] before the first error.
const NEVER: u64 = u64::MAX;

/// What to do about an error of `accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// That connection only: accept the next one.
    Passing,
    /// The process or the system is out of something: pause this long.
    Lasting(Duration),
}

/// The errors of one listener.
#[derive(Debug)]
pub struct AcceptErrors {
    listener: &'static str,
    warned_ms: Option<u64>,
    untold: u64,
    last: Watch,
}

/// Whether a listener is blocked, for whoever wants to know.
#[derive(Clone, Debug)]
pub struct Watch(Arc<AtomicU64>);

impl AcceptErrors {
    /// Counts under the listener's name.
    #[must_use]
    pub fn of(listener: &'static str) -> Self {
        metrics::counter!("regionmesh_accept_errors_total", "listener" => listener).increment(0);
        Self {
            listener,
            warned_ms: None,
            untold: 0,
            last: Watch(Arc::new(AtomicU64::new(NEVER))),
        }
    }

    /// Tells from elsewhere whether the listener is blocked.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.last.clone()
    }

    /// An accept failed.
    pub fn note(&mut self, error: &io::Error, now_ms: u64) -> Trouble {
        metrics::counter!("regionmesh_accept_errors_total", "listener" => self.listener).increment(1);
        if is_of_one_connection(error) {
            return Trouble::Passing;
        }
        self.last.0.store(now_ms, Ordering::Relaxed);
        self.untold += 1;
        if self
            .warned_ms
            .is_none_or(|warned| now_ms.saturating_sub(warned) >= WARN_EVERY_MS)
        {
            let (listener, times) = (self.listener, std::mem::take(&mut self.untold));
            tracing::warn!(listener, times, %error, "connections cannot be accepted{}", remedy(error));
            self.warned_ms = Some(now_ms);
        }
        Trouble::Lasting(PAUSE)
    }
}

impl Watch {
    /// Whether an accept failed lately for want of something.
    #[must_use]
    pub fn is_blocked(&self, now_ms: u64) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        last != NEVER && now_ms.saturating_sub(last) < BLOCKED_MS
    }
}

/// A peer that hung up before it was accepted, or whose network is gone, says nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    let of_peers = [
        Errno::ECONNABORTED,
        Errno::ECONNRESET,
        Errno::EINTR,
        Errno::ENETDOWN,
        Errno::EPROTO,
        Errno::EHOSTDOWN,
        Errno::EHOSTUNREACH,
        Errno::ENETUNREACH,
        Errno::ETIMEDOUT,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| of_peers.contains(&Errno::from_raw(code)))
}

fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE) => {
            ": this process has no file descriptor left; raise its limit (ulimit -n, LimitNOFILE=)"
        }
        Some(Errno::ENFILE) => ": the system has no file descriptor left; raise fs.file-max",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_told_once_a_minute_and_blocks_for_a_while() {
        let mut errors = AcceptErrors::of("test");
        let watch = errors.watch();
        let error = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
        assert_eq!(errors.note(&error(Errno::ECONNABORTED), 0), Trouble::Passing);
        assert!(!watch.is_blocked(0));
        for now_ms in [1_000, 1_050, 61_000] {
            assert_eq!(
                errors.note(&error(Errno::EMFILE), now_ms),
                Trouble::Lasting(PAUSE)
            );
            // The first is told at once; of the others none until a minute is over.
            assert_eq!(errors.untold, u64::from(now_ms == 1_050), "{now_ms}");
        }
        assert!(watch.is_blocked(61_000) && watch.is_blocked(65_999) && !watch.is_blocked(66_000));
        assert!(remedy(&error(Errno::EMFILE)).contains("ulimit -n"));
    }
}
