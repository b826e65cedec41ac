//! When a thread counts as stalled: outside its wait and in the same iteration for so many successive looks. Pure.
//!
//! Looks are [`LOOK_EVERY`] apart by the looker's own running, and no clocks are compared: a process that was frozen or
//! put to sleep resumes with one look, not with a hundred missed ones.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use super::pulse::Sight;
use std::time::Duration;

/// Pause between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many successive looks at the same iteration mean what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A warning is logged.
    pub warn: u32,
    /// The node is not ready.
    pub not_ready: u32,
    /// The process ends; `None` where silence never ends it.
    pub end: Option<u32>,
}

impl Patience {
    /// For threads that hold players: a third of a second, a second, ten seconds.
    pub const HOT: Self = Self {
        warn: 3,
        not_ready: 10,
        end: Some(100),
    };
    /// For threads that wait for a disk: it may take its time, but the node is not ready meanwhile.
    pub const STORE: Self = Self {
        warn: 10,
        not_ready: 10,
        end: None,
    };
}

/// How a thread stands after a look, with the number of looks at its iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It moves, or waits.
    Well,
    /// Worth a warning.
    Slow(u32),
    /// The node is not ready.
    Stalled(u32),
    /// The process ends.
    Lost(u32),
}

/// One thread, as the looker remembers it.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    patience: Patience,
    seen: Sight,
    looks: u32,
}

impl Watch {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            seen: Sight::Waiting,
            looks: 0,
        }
    }

    /// Takes a look in.
    pub fn look(&mut self, sight: Sight) -> Standing {
        self.looks = match sight {
            Sight::Waiting => 0,
            Sight::Working(_) if sight == self.seen => self.looks.saturating_add(1),
            Sight::Working(_) => 1,
        };
        self.seen = sight;
        self.standing()
    }

    /// How it stood at the last look.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let (looks, patience) = (self.looks, self.patience);
        if patience.end.is_some_and(|end| looks >= end) {
            Standing::Lost(looks)
        } else if looks >= patience.not_ready {
            Standing::Stalled(looks)
        } else if looks >= patience.warn {
            Standing::Slow(looks)
        } else {
            Standing::Well
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_iteration_warns_after_3_looks_is_not_ready_after_10_and_ends_after_100() {
        let mut watch = Watch::new(Patience::HOT);
        let stuck = |watch: &mut Watch, looks: u32| (0..looks).map(|_| watch.look(Sight::Working(7))).last();
        assert_eq!(stuck(&mut watch, 2), Some(Standing::Well));
        assert_eq!(stuck(&mut watch, 1), Some(Standing::Slow(3)));
        assert_eq!(stuck(&mut watch, 6), Some(Standing::Slow(9)));
        assert_eq!(stuck(&mut watch, 1), Some(Standing::Stalled(10)));
        assert_eq!(stuck(&mut watch, 89), Some(Standing::Stalled(99)));
        assert_eq!(stuck(&mut watch, 1), Some(Standing::Lost(100)));
        assert_eq!(watch.look(Sight::Working(8)), Standing::Well, "it moves again");
        assert_eq!(
            stuck(&mut watch, 3),
            Some(Standing::Slow(3)),
            "looks are successive"
        );
        assert_eq!(watch.look(Sight::Waiting), Standing::Well);
        assert_eq!(stuck(&mut watch, 2), Some(Standing::Well), "a wait begins anew");
    }

    #[test]
    fn whoever_waits_or_has_not_started_is_never_stalled_and_a_store_never_ends_the_process() {
        let mut watch = Watch::new(Patience::HOT);
        for _ in 0..1_000 {
            assert_eq!(watch.look(Sight::Waiting), Standing::Well);
        }
        let mut store = Watch::new(Patience::STORE);
        for looks in 1..=1_000 {
            let expected = if looks < 10 {
                Standing::Well
            } else {
                Standing::Stalled(looks)
            };
            assert_eq!(store.look(Sight::Working(1)), expected);
        }
    }
}
