//! What a hot thread shows of itself: in which iteration of its loop it is, and whether it waits for something to do.
//! One word, so that whoever looks never sees half of it; touching it costs a few nanoseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The thread's side. Clones are one pulse. It starts in a wait: what happens before the first iteration is not watched.
#[derive(Clone, Debug)]
pub struct Pulse(
    // The iteration, and in the lowest bit whether it waits.
    Arc<AtomicU64>,
);

/// What a look at a pulse shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It waits for something to do.
    Waiting,
    /// It is at work, in this iteration.
    Working(u64),
}

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1)))
    }
}

impl Pulse {
    /// The loop waits from here on.
    pub fn begin_wait(&self) {
        self.0.fetch_or(1, Ordering::Relaxed);
    }

    /// The next iteration begins, after a wait or straight after the one before. A loop that works in portions calls it
    /// between them.
    pub fn begin_work(&self) {
        let word = self.0.load(Ordering::Relaxed);
        // Both ways the lowest bit is clear afterwards and the rest is one more.
        self.0.fetch_add(2 - (word & 1), Ordering::Relaxed);
    }

    /// What it shows now.
    #[must_use]
    pub fn sight(&self) -> Sight {
        let word = self.0.load(Ordering::Relaxed);
        if word & 1 == 1 {
            Sight::Waiting
        } else {
            Sight::Working(word >> 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_starts_waiting_and_counts_iterations_with_and_without_waits_between() {
        let pulse = Pulse::default();
        assert_eq!(pulse.sight(), Sight::Waiting);
        pulse.begin_work();
        assert_eq!(pulse.sight(), Sight::Working(1));
        pulse.begin_work();
        assert_eq!(pulse.sight(), Sight::Working(2));
        pulse.begin_wait();
        pulse.begin_wait();
        assert_eq!(pulse.clone().sight(), Sight::Waiting);
        pulse.begin_work();
        assert_eq!(pulse.sight(), Sight::Working(3));
    }
}
