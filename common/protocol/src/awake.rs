//! Time in which a loop ran. Silence is judged by it: a loop that stood still, for a closed lid, a debugger or a stop signal,
//! heard nobody meanwhile, and that is nobody's silence but its own.

/// What passes between two looks counts as no more than this, milliseconds.
pub const GAP_MS_MAX: u64 = 250;

/// Counts the time of one loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AwakeClock {
    awake_ms: u64,
    looked_ms: Option<u64>,
}

impl AwakeClock {
    /// Lets time pass until `now_ms`, monotonic milliseconds. To be called at least every [`GAP_MS_MAX`] while the loop has
    /// anybody to listen to.
    pub fn advance(&mut self, now_ms: u64) {
        let looked_ms = self.looked_ms.replace(now_ms).unwrap_or(now_ms);
        let passed_ms = now_ms.saturating_sub(looked_ms).min(GAP_MS_MAX);
        self.awake_ms = self.awake_ms.saturating_add(passed_ms);
    }

    /// How long the loop has run, milliseconds.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.awake_ms
    }

    /// How long ago it was `since_ms` by this clock, milliseconds.
    #[must_use]
    pub const fn since(&self, since_ms: u64) -> u64 {
        self.awake_ms.saturating_sub(since_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_as_one_gap_and_a_clock_that_steps_back_as_none() {
        let mut clock = AwakeClock::default();
        for now_ms in [1_000, 1_050, 1_100] {
            clock.advance(now_ms);
        }
        assert_eq!(clock.now_ms(), 100, "it begins with the first look");
        clock.advance(3_600_000);
        assert_eq!(clock.since(100), GAP_MS_MAX);
        clock.advance(5_000);
        assert_eq!(clock.since(100), GAP_MS_MAX);
        clock.advance(5_010);
        assert_eq!(clock.since(100), GAP_MS_MAX + 10);
    }
}
