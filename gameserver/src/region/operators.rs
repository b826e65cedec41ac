//! What rules show operators leaves with the tick.

use game::LogLevel;

use super::effect::RegionEffect;
use super::state::RegionState;

impl RegionState {
    pub(super) fn count_for_operators(&mut self, name: &'static str, by: u64) {
        if !self.observed.add(name, by) {
            self.count("metric_refused");
        }
    }

    pub(super) fn gauge_for_operators(&mut self, name: &'static str, value: f64) {
        if !self.observed.gauge(name, value) {
            self.count("metric_refused");
        }
    }

    pub(super) fn log_line(&mut self, level: LogLevel, line: &str) {
        if let Some(line) = self.observed.line(level, line, self.now.mono_ms) {
            self.out.push(RegionEffect::Observed(line));
        }
    }

    /// Once per tick.
    pub(super) fn tell_observed(&mut self) {
        for news in self.observed.take() {
            self.out.push(RegionEffect::Observed(news));
        }
    }
}
