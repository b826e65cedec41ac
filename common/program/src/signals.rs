//! SIGTERM, SIGINT and SIGHUP: the first asks for the end, a later one for the end at once. Whoever ends a whole group of
//! processes sends the same signal by several ways at nearly the same time (a service manager to each process, a parent to
//! its children, a closing terminal to all), so signals that follow within a second count once.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// Signals that come so soon after the first are the same request.
const ONE_REQUEST: Duration = Duration::from_secs(1);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To finish what is under way, and to end.
    End,
    /// To end at once.
    EndAtOnce,
}

/// Who may have it end at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Whoever sends a signal later than a second after the first.
    LaterSignal,
    /// Only its parent, by killing it. A parent asks its children one after the other, perhaps long after a signal that went to
    /// all of them.
    Parent,
}

/// The signals of this process, from the moment on at which it listens.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// `None`: whoever started the process (`nohup`) wants it to outlive its terminal.
    hang_up: Option<Signal>,
    force: Force,
    asked: Asked,
}

impl Signals {
    /// Installs the handlers. Needs a run time of tokio.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn listen(force: Force) -> io::Result<Self> {
        let hang_up = if is_ignored(SignalKind::hangup()) {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up,
            force,
            asked: Asked::default(),
        })
    }

    /// The next request: that of the first signal, then those of all that come later than a second after it.
    pub async fn next(&mut self) -> Ask {
        loop {
            let Self {
                terminate,
                interrupt,
                hang_up,
                ..
            } = self;
            let hung_up = async {
                match hang_up {
                    Some(signal) => drop(signal.recv().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = hung_up => {}
            }
            match (self.asked.take(Instant::now()), self.force) {
                (Some(Ask::EndAtOnce), Force::Parent) | (None, _) => {}
                (Some(ask), _) => return ask,
            }
        }
    }
}

/// When the first request came.
#[derive(Clone, Copy, Debug, Default)]
struct Asked(Option<Instant>);

impl Asked {
    fn take(&mut self, now: Instant) -> Option<Ask> {
        let Some(first) = self.0 else {
            self.0 = Some(now);
            return Some(Ask::End);
        };
        (now.duration_since(first) >= ONE_REQUEST).then_some(Ask::EndAtOnce)
    }
}

/// Whether the process was started with this signal ignored.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = u32::try_from(kind.as_raw_value() - 1).unwrap_or(u32::MAX);
    mask.is_some_and(|mask| mask.checked_shr(bit).is_some_and(|rest| rest & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal, raise};

    #[test]
    fn signals_within_a_second_are_one_request() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut asked = Asked::default();
        let said = [0, 0, 86, 999, 1_000, 5_000].map(|after| asked.take(start + ms(after)));
        let (end, at_once) = (Some(Ask::End), Some(Ask::EndAtOnce));
        assert_eq!(said, [end, None, None, None, at_once, at_once]);
    }

    async fn next(signals: &mut Signals) -> Ask {
        let next = tokio::time::timeout(Duration::from_secs(20), signals.next());
        next.await.unwrap()
    }

    // One test, since signals reach the whole process.
    #[tokio::test]
    async fn each_of_three_signals_asks_for_the_end_and_a_child_is_never_asked_twice() {
        // Also where all tests were started to outlive a terminal.
        let hang_up = (!is_ignored(SignalKind::hangup())).then_some(Signal::SIGHUP);
        for sent in [Signal::SIGTERM, Signal::SIGINT].into_iter().chain(hang_up) {
            let mut signals = Signals::listen(Force::LaterSignal).unwrap();
            raise(sent).unwrap();
            assert_eq!(next(&mut signals).await, Ask::End, "{sent}");
        }
        for (force, asked) in [(Force::LaterSignal, true), (Force::Parent, false)] {
            let mut signals = Signals::listen(force).unwrap();
            raise(Signal::SIGTERM).unwrap();
            assert_eq!(next(&mut signals).await, Ask::End);
            // As if it had been long ago.
            signals.asked = Asked(Instant::now().checked_sub(ONE_REQUEST));
            raise(Signal::SIGTERM).unwrap();
            let again = tokio::time::timeout(Duration::from_millis(200), signals.next()).await;
            assert_eq!(again == Ok(Ask::EndAtOnce), asked, "{force:?} {again:?}");
        }
    }
}
