//! When something was written to a database last, looked at from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use store::postgres::trial::TrialServer;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(20);
/// Grows with whatever any game server writes of its players.
const WRITTEN: &str = "SELECT coalesce(sum(version), 0) FROM regionmesh.player";

/// Looks at it until it ends.
pub(crate) struct Commits {
    ends: Arc<AtomicBool>,
    longest: JoinHandle<Duration>,
}

impl Commits {
    /// Watches whichever of the servers answers.
    pub(crate) fn watch(servers: Vec<Arc<TrialServer>>) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let longest = thread::spawn(move || {
            let (mut longest, mut seen, mut since) = (Duration::ZERO, String::new(), Instant::now());
            while !ended.load(Ordering::Relaxed) {
                // Of two that answer it is the first that writes.
                let answer = servers
                    .iter()
                    .find_map(|server| server.say("world", WRITTEN).ok());
                if let Some(now) = answer.and_then(|column| column.into_iter().next())
                    && now != seen
                {
                    (seen, longest) = (now, longest.max(since.elapsed()));
                    since = Instant::now();
                }
                thread::sleep(PERIOD);
            }
            longest.max(since.elapsed())
        });
        Self { ends, longest }
    }

    /// The longest time in which nothing was written.
    pub(crate) fn longest(self) -> Option<Duration> {
        self.ends.store(true, Ordering::Relaxed);
        self.longest.join().ok()
    }
}
