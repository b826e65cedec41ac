//! How long the last ticks, or the last answers of the store, took: for status and balance; dashboards have histograms.

/// Times remembered: ten seconds of ticks at 20 Hz.
const REMEMBERED: usize = 200;

/// A ring of lengths, microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentTimes {
    ring: Vec<u32>,
    next: usize,
}

/// What a ring says, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TimesSummary {
    /// Half are at most as long.
    pub p50: u32,
    /// All but one in a hundred are.
    pub p99: u32,
    /// The longest.
    pub max: u32,
}

impl RecentTimes {
    pub(super) fn record(&mut self, us: u64) {
        let us = u32::try_from(us).unwrap_or(u32::MAX);
        if self.ring.len() < REMEMBERED {
            self.ring.push(us);
            return;
        }
        if let Some(oldest) = self.ring.get_mut(self.next) {
            *oldest = us;
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    pub(super) fn summary(&self) -> TimesSummary {
        let mut sorted = self.ring.clone();
        sorted.sort_unstable();
        let at = |permille: usize| {
            let index = sorted.len().saturating_sub(1) * permille / 1000;
            sorted.get(index).copied().unwrap_or(0)
        };
        TimesSummary {
            p50: at(500),
            p99: at(990),
            max: at(1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_of_the_last_times_only() {
        let mut times = RecentTimes::default();
        assert_eq!(times.summary(), TimesSummary::default());
        times.record(1_000_000);
        for us in 0..REMEMBERED as u64 {
            times.record(us);
        }
        let summary = times.summary();
        assert_eq!((summary.p50, summary.p99, summary.max), (99, 197, 199));
    }
}
