//! How many events a run may have: one that goes on and on ends as broken, or nobody ever learns which it was.

use crate::options::Options;

/// Events of a run, for each player and millisecond on average; a run in ordinary storms has less than one.
const EVENTS_PER_PLAYER_MS: u64 = 100;
/// Events at one time. All that a restart of everything brings about at once are a few dozen.
const EVENTS_AT_ONCE_MAX: u64 = 100_000;

/// What a run may have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Events in all.
    pub events_max: u64,
    /// Events without the clock moving.
    pub events_at_once_max: u64,
}

impl Patience {
    /// For a run of ordinary events, with much to spare.
    #[must_use]
    pub fn of(options: &Options) -> Self {
        let player_ms = (options.storm_ms + options.calm_ms) * u64::from(options.players);
        Self {
            events_max: player_ms * EVENTS_PER_PLAYER_MS,
            events_at_once_max: EVENTS_AT_ONCE_MAX,
        }
    }
}

/// Counts the events of a run.
#[derive(Debug)]
pub(super) struct Events {
    patience: Patience,
    at_us: u64,
    at_once: u64,
    all: u64,
}

impl Events {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            at_us: 0,
            at_once: 0,
            all: 0,
        }
    }

    /// One more, also if it is only put off.
    ///
    /// # Errors
    /// One too many.
    pub(super) fn count(&mut self, now_us: u64) -> Result<(), String> {
        if self.at_us != now_us {
            (self.at_us, self.at_once) = (now_us, 0);
        }
        self.at_once += 1;
        self.all += 1;
        let now_ms = now_us as f64 / 1000.0;
        let Patience {
            events_max,
            events_at_once_max,
        } = self.patience;
        if self.at_once > events_at_once_max {
            return Err(format!(
                "the clock stands still at {now_ms:.3} ms: {events_at_once_max} events there, and still more"
            ));
        }
        if self.all > events_max {
            return Err(format!(
                "the run comes to no end: {events_max} events up to {now_ms:.3} ms, and still more"
            ));
        }
        Ok(())
    }
}
