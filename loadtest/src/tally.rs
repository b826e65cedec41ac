//! Numbers that bots add up while they play, kept per thread and merged at the end.

use hdrhistogram::Histogram;
use protocol::ids::UserId;

/// Longest time that is told apart from longer ones, microseconds.
const TIME_US_MAX: u64 = 120_000_000;
/// Incidents that are spelled out; the others are counted alone.
const INCIDENTS_MAX: usize = 20;

/// A distribution of times in microseconds, or of counts.
#[derive(Clone, Debug)]
pub(crate) struct Spread(Histogram<u64>);

impl Default for Spread {
    fn default() -> Self {
        // Three digits between one and the maximum is within the histogram's bounds; the other arm is never taken.
        let histogram = Histogram::new_with_bounds(1, TIME_US_MAX, 3).or_else(|_| Histogram::new(3));
        Self(histogram.unwrap_or_else(|error| unreachable_bounds(&error)))
    }
}

#[allow(clippy::panic)]
fn unreachable_bounds(error: &hdrhistogram::CreationError) -> Histogram<u64> {
    panic!("constant histogram bounds are refused: {error}")
}

impl Spread {
    pub(crate) fn record(&mut self, value: u64) {
        self.0.saturating_record(value);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        // Both have the same bounds, so nothing can be out of range.
        let _ = self.0.add(&other.0);
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// `None` when nothing was measured, which is not the same as 0.
    pub(crate) fn measured<T>(&self, figure: impl FnOnce(&Self) -> T) -> Option<T> {
        (self.len() > 0).then(|| figure(self))
    }

    /// The value below which `part` of all lie; 0 when there are none.
    pub(crate) fn quantile(&self, part: f64) -> u64 {
        self.0.value_at_quantile(part)
    }

    /// A quantile of microseconds, in milliseconds.
    pub(crate) fn ms(&self, part: f64) -> f64 {
        (self.quantile(part) as f64 / 10.0).round() / 100.0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// What is counted while measuring.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// From the intended time of an input to its acknowledgement.
    pub(crate) ack_us: Spread,
    /// Between two snapshots with new own state.
    pub(crate) own_gap_us: Spread,
    /// The same, where the owner changed in between.
    pub(crate) crossing_gap_us: Spread,
    /// The same, where the player was made anew in the region where it stood.
    pub(crate) takeover_gap_us: Spread,
    /// The same, where another connection carries on.
    pub(crate) resume_gap_us: Spread,
    /// From the intended to the actual time of an input.
    pub(crate) late_us: Spread,
    /// Others updated within two ticks, one sample per bot and second.
    pub(crate) visible: Spread,
    /// Since each of the nearest others who walk was last seen, once per bot and second.
    pub(crate) nearest_age_us: Spread,
    pub(crate) inputs: u64,
    pub(crate) snapshots: u64,
    pub(crate) own_states: u64,
    pub(crate) own_states_moving: u64,
    pub(crate) crossings: u64,
    pub(crate) resumes: u64,
    /// Sessions that ended though nobody wanted them to.
    pub(crate) disconnects: u64,
    /// Connections that were lost, be it to be resumed.
    pub(crate) connections_lost: u64,
    /// Players who came back as another user.
    pub(crate) identities_changed: u64,
    /// Players made anew from the store where they were.
    pub(crate) bodies_lost: u64,
    /// Breaks of a second or more in a player's own states.
    pub(crate) stalls: u64,
    pub(crate) udp_fallbacks: u64,
    pub(crate) notices: u64,
    pub(crate) up_bytes: u64,
    pub(crate) down_bytes: u64,
    /// Commands that found the window full.
    pub(crate) window_full: u64,
    /// Times that a thread of the generator stood still.
    pub(crate) pauses: u64,
    /// What should not have happened, in words; the first few.
    pub(crate) incidents: Vec<String>,
}

impl Tally {
    /// With one of each figure, so that none is missing.
    pub(crate) fn of_one() -> Self {
        let mut tally = Self {
            own_states: 1,
            ..Self::default()
        };
        for spread in tally.spreads_mut() {
            spread.record(1);
        }
        tally
    }

    /// Something that should not have happened.
    pub(crate) fn note(&mut self, incident: String) {
        if self.incidents.len() < INCIDENTS_MAX {
            self.incidents.push(incident);
        }
    }

    /// A bot has come back as another user.
    pub(crate) fn changed_identity(&mut self, before: &str, now: UserId) {
        self.identities_changed += 1;
        self.note(format!("{before} came back as user {}", now.0));
    }

    /// Adds another thread's.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, others) in self.spreads_mut().into_iter().zip(other.spreads()) {
            mine.add(others);
        }
        for (mine, others) in [
            (&mut self.inputs, other.inputs),
            (&mut self.snapshots, other.snapshots),
            (&mut self.own_states, other.own_states),
            (&mut self.own_states_moving, other.own_states_moving),
            (&mut self.crossings, other.crossings),
            (&mut self.resumes, other.resumes),
            (&mut self.disconnects, other.disconnects),
            (&mut self.connections_lost, other.connections_lost),
            (&mut self.identities_changed, other.identities_changed),
            (&mut self.bodies_lost, other.bodies_lost),
            (&mut self.stalls, other.stalls),
            (&mut self.udp_fallbacks, other.udp_fallbacks),
            (&mut self.notices, other.notices),
            (&mut self.up_bytes, other.up_bytes),
            (&mut self.down_bytes, other.down_bytes),
            (&mut self.window_full, other.window_full),
            (&mut self.pauses, other.pauses),
        ] {
            *mine += others;
        }
        let room = INCIDENTS_MAX.saturating_sub(self.incidents.len());
        self.incidents.extend(other.incidents.iter().take(room).cloned());
    }

    /// Begins anew without giving memory back.
    pub(crate) fn clear(&mut self) {
        let mut before = std::mem::take(self);
        for (mine, held) in self.spreads_mut().into_iter().zip(before.spreads_mut()) {
            std::mem::swap(mine, held);
            mine.clear();
        }
    }

    fn spreads(&self) -> [&Spread; 8] {
        [
            &self.ack_us,
            &self.own_gap_us,
            &self.crossing_gap_us,
            &self.takeover_gap_us,
            &self.resume_gap_us,
            &self.late_us,
            &self.visible,
            &self.nearest_age_us,
        ]
    }

    fn spreads_mut(&mut self) -> [&mut Spread; 8] {
        [
            &mut self.ack_us,
            &mut self.own_gap_us,
            &mut self.crossing_gap_us,
            &mut self.takeover_gap_us,
            &mut self.resume_gap_us,
            &mut self.late_us,
            &mut self.visible,
            &mut self.nearest_age_us,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up_and_begin_anew() {
        let mut all = Tally::default();
        for latency_ms in [10, 20, 300] {
            let mut one = Tally::default();
            one.ack_us.record(latency_ms * 1_000);
            one.inputs = 2;
            all.add(&one);
        }
        assert_eq!((all.inputs, all.ack_us.len()), (6, 3));
        assert_eq!(all.own_gap_us.measured(Spread::mean), None);
        assert_eq!(all.ack_us.ms(0.5).round(), 20.0);
        all.clear();
        assert_eq!((all.inputs, all.ack_us.len(), all.ack_us.ms(0.99)), (0, 0, 0.0));
    }

    #[test]
    fn a_time_beyond_the_maximum_counts_as_the_maximum() {
        let mut spread = Spread::default();
        spread.record(u64::MAX);
        assert!(spread.quantile(1.0) >= TIME_US_MAX);
    }
}
