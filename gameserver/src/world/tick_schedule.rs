//! When a region's ticks are due: on an absolute schedule, so that they do not drift. All regions of a process tick one
//! after the other, so that what they say leaves together; processes spread over the period, so that those of a machine
//! do not all work at the same moment. Pure: times are arguments.

/// The due times of one region's ticks, microseconds of the process's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TickSchedule {
    period_us: u64,
    due_us: u64,
}

impl TickSchedule {
    /// Of a region of the `index`th of `count` game servers. Phases are taken from the wall clock, which all processes of
    /// a machine share; after that only the monotonic clock counts.
    pub(super) fn new(period_us: u64, (index, count): (usize, usize), now_us: u64, wall_us: u64) -> Self {
        let period_us = period_us.max(1);
        let phase_us = period_us * (index as u64) / (count as u64).max(1);
        let into_period_us = wall_us % period_us;
        let wait_us = (phase_us + period_us - into_period_us) % period_us;
        Self {
            period_us,
            due_us: now_us + wait_us,
        }
    }

    /// After a rest: the next time of the timetable that is not over. The ticks slept through are not owed.
    pub(super) fn resume(&mut self, now_us: u64) {
        let late_us = now_us.saturating_sub(self.due_us);
        self.due_us += late_us.div_ceil(self.period_us) * self.period_us;
    }

    /// When the next tick is due.
    pub(super) fn due_us(&self) -> u64 {
        self.due_us
    }

    /// A tick has been run. Returns how many further ones are left out because their time is over, too: being late
    /// by less than a period is made up for, more is not.
    pub(super) fn advance(&mut self, now_us: u64) -> u64 {
        self.due_us += self.period_us;
        let skipped = now_us.saturating_sub(self.due_us) / self.period_us;
        self.due_us += skipped * self.period_us;
        skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_a_machine_spread_over_the_period_whenever_they_start() {
        let wall_us = 1_700_000_000_012_345;
        let due: Vec<u64> = [(0, 100), (1, 7_777), (2, 39_123), (3, 49_999)]
            .map(|(index, later)| {
                let schedule = TickSchedule::new(50_000, (index, 4), 5_000 + later, wall_us + later);
                assert!(schedule.due_us() >= 5_000 + later && schedule.due_us() < 55_000 + later);
                (schedule.due_us() + wall_us - 5_000) % 50_000
            })
            .to_vec();
        assert_eq!(due, [0, 12_500, 25_000, 37_500]);
    }

    #[test]
    fn a_late_tick_does_not_move_those_after_it_and_what_is_over_is_left_out() {
        let mut schedule = TickSchedule::new(50, (0, 1), 1_000, 0);
        assert_eq!((schedule.due_us(), schedule.advance(1_030)), (1_000, 0));
        assert_eq!((schedule.due_us(), schedule.advance(1_140)), (1_050, 0));
        assert_eq!((schedule.due_us(), schedule.advance(1_275)), (1_100, 2));
        assert_eq!(schedule.due_us(), 1_250);
    }

    #[test]
    fn after_a_rest_the_timetable_goes_on_as_if_nothing_was_missed() {
        let mut schedule = TickSchedule::new(50, (0, 1), 1_000, 0);
        schedule.resume(1_000_001);
        assert_eq!((schedule.due_us(), schedule.advance(1_000_050)), (1_000_050, 0));
        schedule.resume(1_000_060);
        assert_eq!(schedule.due_us(), 1_000_100, "it is not due yet");
    }
}
