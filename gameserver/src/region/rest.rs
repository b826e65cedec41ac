//! When a region sleeps: nobody plays in it, no proxy watches it, and nothing is under way. Then it neither ticks nor
//! speaks until something comes or is due, and what the game wanted later waits by the clock instead of by ticks.

use super::Region;
use super::state::RegionState;

/// Whether a region has to tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// At its next time.
    Awake,
    /// Not before something comes for it; or this time, milliseconds of the monotonic clock.
    Asleep {
        /// When something is due by itself.
        until_ms: Option<u64>,
    },
}

impl Region {
    /// Whether it has to tick, after a tick or after something came. A region that may sleep counts as asleep from now
    /// on: ticks that are left out until the next one are time, but not ticks, for what waits.
    pub fn rest(&mut self) -> Rest {
        let state = &mut self.state;
        if state.is_busy() || self.logic.runs_always() {
            state.asleep_since_ms = None;
            return Rest::Awake;
        }
        let since_ms = *state.asleep_since_ms.get_or_insert(state.now.mono_ms);
        let period_ms = state.config.topology.world().tick_us().div_ceil(1000);
        let timer = state.timers.first_key_value().map(|(tick, _)| {
            let ticks = tick.saturating_sub(state.tick.0);
            since_ms.saturating_add(ticks.saturating_mul(period_ms))
        });
        let until_ms = [timer, state.ghosts.fade_at_ms()].into_iter().flatten().min();
        Rest::Asleep { until_ms }
    }
}

impl RegionState {
    fn is_busy(&self) -> bool {
        let somebody_is_here = !self.players.is_empty() || !self.joining.is_empty();
        let somebody_passes = self.departures.len() + self.arrivals.len() + self.stubs.len() > 0;
        let something_is_owed =
            self.cells.has_changed() || self.publication.waiting() > 0 || !self.notices.is_empty();
        somebody_is_here
            || somebody_passes
            || !self.questions.is_empty()
            || something_is_owed
            || self.draining
            || self.publication.is_watched_by_proxies()
    }

    /// A tick after a rest: timers have come nearer by the ticks that were left out.
    pub(super) fn wake_up(&mut self) {
        let Some(since_ms) = self.asleep_since_ms.take() else {
            return;
        };
        let slept_us = self.now.mono_ms.saturating_sub(since_ms).saturating_mul(1000);
        // This tick is one of them.
        let left_out = (slept_us / self.config.topology.world().tick_us().max(1)).saturating_sub(1);
        let timers = std::mem::take(&mut self.timers);
        for (tick, tokens) in timers {
            let sooner = tick.saturating_sub(left_out).max(self.tick.0);
            self.timers.entry(sooner).or_default().extend(tokens);
        }
    }
}
