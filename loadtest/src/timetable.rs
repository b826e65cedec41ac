//! When the next input of each bot is due: on an absolute schedule, spread evenly over the period, on the beats at which
//! a thread wakes, so that a thread that keeps up is never late by design. Pure: times are arguments, microseconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Between two beats of a thread at most, microseconds: what came meanwhile is read then, so no measured time is longer
/// by more than this; and each beat is a wake-up, which costs as much as a whole input.
const BEAT_US_MAX: u64 = 2_500;

/// The moments at which a thread wakes: a whole number of them in each period of the inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beats {
    period_us: u64,
    per_period: u64,
    /// By how much this thread's lie behind the first one's.
    offset_us: u64,
}

impl Beats {
    /// Of one thread of `threads`, whose beats lie evenly between each other's.
    pub(crate) fn new(period_us: u64, thread: u32, threads: u32) -> Self {
        let period_us = period_us.max(1);
        let per_period = period_us.div_ceil(BEAT_US_MAX);
        Self {
            period_us,
            per_period,
            offset_us: period_us * u64::from(thread) / (per_period * u64::from(threads.max(1))),
        }
    }

    /// The first one after `now_us`.
    pub(crate) fn after(&self, now_us: u64) -> u64 {
        let Some(since_us) = now_us.checked_sub(self.offset_us) else {
            return self.offset_us;
        };
        let before = since_us * self.per_period / self.period_us;
        let beats = [before, before + 1, before + 2].map(|beat| self.at(beat));
        let next = beats.into_iter().find(|at_us| *at_us > now_us);
        next.unwrap_or(now_us + BEAT_US_MAX)
    }

    /// Where in the period the inputs of one bot lie, of so many in the swarm.
    pub(crate) fn phase_us(&self, index: u32, players: u32) -> u64 {
        let beat = u64::from(index) * self.per_period / u64::from(players.max(1));
        self.at(beat)
    }

    fn at(&self, beat: u64) -> u64 {
        self.offset_us + beat * self.period_us / self.per_period
    }
}

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

    /// When something is due next.
    pub(crate) fn next_us(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((due_us, _))| *due_us)
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

/// The first time from `now_us` on that lies at this phase of the period.
pub(crate) fn next_at_phase(now_us: u64, phase_us: u64, period_us: u64) -> u64 {
    let period_us = period_us.max(1);
    let phase_us = phase_us % period_us;
    now_us + (phase_us + period_us - now_us % period_us) % period_us
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

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
        let mut at = BTreeMap::<u64, u32>::new();
        let beats = Beats::new(50_000, 0, 1);
        for index in 0..1_000 {
            *at.entry(beats.phase_us(index, 1_000)).or_default() += 1;
        }
        assert_eq!(at.len(), 20);
        assert!(at.values().all(|bots| *bots == 50));
    }

    #[test]
    fn every_input_is_due_on_a_beat_at_any_frequency_and_on_any_thread() {
        for hz in 1..=60 {
            let period_us = 1_000_000 / hz;
            for thread in 0..3 {
                let beats = Beats::new(period_us, thread, 3);
                let mut now_us = 0;
                let mut woken = BTreeSet::new();
                while now_us < 2_000_000 {
                    let next_us = beats.after(now_us);
                    assert!(next_us > now_us && next_us - now_us <= BEAT_US_MAX, "{hz} Hz");
                    now_us = next_us;
                    woken.insert(now_us);
                }
                for index in 0..100 {
                    let mut due_us = next_at_phase(1, beats.phase_us(index, 100), period_us);
                    while due_us < 2_000_000 {
                        assert!(woken.contains(&due_us), "{hz} Hz, thread {thread}: {due_us}");
                        due_us += period_us;
                    }
                }
            }
        }
    }

    #[test]
    fn the_beats_of_two_threads_lie_between_each_other() {
        let (first, second) = (Beats::new(50_000, 0, 2), Beats::new(50_000, 1, 2));
        let second = [0, 1_250, 1_251].map(|now_us| second.after(now_us));
        assert_eq!(second, [1_250, 3_750, 3_750]);
        assert_eq!(
            [0, 2_499, 2_500].map(|now_us| first.after(now_us)),
            [2_500, 2_500, 5_000]
        );
    }

    #[test]
    fn the_next_time_at_a_phase_is_less_than_a_period_away() {
        for (now_us, next_us) in [(0, 7), (7, 7), (8, 57), (57, 57), (1_000, 1_007)] {
            assert_eq!(next_at_phase(now_us, 7, 50), next_us);
        }
    }
}
