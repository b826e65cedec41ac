//! When a region sleeps: nobody plays in it, no proxy watches it, and nothing is under way. Then it neither ticks nor
//! speaks until something comes or is due, and what the game wanted later waits by the clock instead of by ticks.

use super::Region;
use super::calling::Callback;
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
        let runs_always = self.rules.call(Callback::RunsAlways, |logic| logic.runs_always()) == Some(true);
        if state.is_busy() || runs_always {
            return Rest::Awake;
        }
        let tick_us = state.config.topology.world().tick_us();
        let (of_creatures, now_ms) = (state.creatures.first_tick(), state.now.mono_ms);
        let timer_ms = state
            .timers
            .fall_asleep(of_creatures, state.tick.0, tick_us, now_ms);
        let fade_ms = state.neighbourhood.ghosts().fade_at_ms();
        let look_ms = Some(state.creature_rows.look_asleep_ms());
        let until_ms = [timer_ms, fade_ms, look_ms].into_iter().flatten().min();
        Rest::Asleep { until_ms }
    }
}

impl RegionState {
    fn is_busy(&self) -> bool {
        let somebody_is_here = !self.players.is_empty() || self.joins.len() > 0;
        let somebody_passes = self.departures.len() + self.arrivals.len() > 0 || !self.forwardings.is_empty();
        let something_is_owed =
            self.cells.has_changed() || self.publication.waiting() > 0 || !self.notices.is_empty();
        somebody_is_here
            || somebody_passes
            || self.out.questions() > 0
            || something_is_owed
            || !self.ground_writes.is_settled()
            || self.ground.is_doubted()
            || self.has_unwritten_creatures()
            || self.keeping.unwritten(self.draining) > 0
            || !self.asks.is_empty()
            || self.observed.has_news()
            || !self.letters.is_empty()
            || self.draining
            || self.publication.is_watched_by_proxies()
    }
}
