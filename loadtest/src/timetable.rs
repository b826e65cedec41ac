//! When the next input of each bot is due: on an absolute schedule, spread evenly over the period, on the beats at which
//! a thread wakes, so that a thread that keeps up is never late by design. Pure: times are arguments, microseconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Between two beats of a thread, microseconds: what is due then is done then.
pub(crate) const BEAT_US: u64 = 1_000;

/// Due times of a thread's bots, by their places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timetable {
    due: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Timetable {
    /// Something of the bot at `place` is due at this time.
    pub(crate) fn add(&mut self, due_us: u64, place: u32) {
        self.due.push(Reverse((due_us, place)));
    }

    /// The due time that came first, if it has come, and the place.
    pub(crate) fn take_due(&mut self, now_us: u64) -> Option<(u64, u32)> {
        let Reverse((due_us, _)) = self.due.peek()?;
        if *due_us > now_us {
            return None;
        }
        self.due.pop().map(|Reverse(due)| due)
    }
}

/// Where in the period the inputs of one bot lie, of so many in the swarm.
pub(crate) fn phase_us(index: u32, players: u32, period_us: u64) -> u64 {
    let even_us = u64::from(index) * period_us / u64::from(players.max(1));
    even_us - even_us % BEAT_US
}

/// The first time from `now_us` on that lies at this phase of the period.
pub(crate) fn next_at_phase(now_us: u64, phase_us: u64, period_us: u64) -> u64 {
    let period_us = period_us.max(1);
    let phase_us = phase_us % period_us;
    now_us + (phase_us + period_us - now_us % period_us) % period_us
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_due_comes_in_order_and_not_before_its_time() {
        let mut timetable = Timetable::default();
        for (due_us, place) in [(300, 1), (100, 2), (200, 3)] {
            timetable.add(due_us, place);
        }
        assert_eq!(timetable.take_due(99), None);
        assert_eq!(timetable.take_due(200), Some((100, 2)));
        assert_eq!(timetable.take_due(200), Some((200, 3)));
        assert_eq!(timetable.take_due(200), None);
    }

    #[test]
    fn inputs_are_spread_evenly_over_the_beats_of_the_period() {
        let mut beats = BTreeMap::<u64, u32>::new();
        for index in 0..1_000 {
            *beats.entry(phase_us(index, 1_000, 50_000)).or_default() += 1;
        }
        assert_eq!(beats.len(), 50);
        assert!(beats.values().all(|bots| *bots == 20));
        assert!(beats.keys().all(|at_us| at_us % BEAT_US == 0));
    }

    #[test]
    fn the_next_time_at_a_phase_is_less_than_a_period_away() {
        for (now_us, next_us) in [(0, 7), (7, 7), (8, 57), (57, 57), (1_000, 1_007)] {
            assert_eq!(next_at_phase(now_us, 7, 50), next_us);
        }
    }
}
