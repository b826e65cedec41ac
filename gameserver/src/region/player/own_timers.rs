//! The timers of one player: by ticks of the region where it is, and saved as the ticks that are left, so that they go on
//! wherever it goes.

use protocol::limits::PLAYER_TIMERS_MAX;
use protocol::message::checked::PlayerTimer;
use protocol::message::handover::Timer;

/// Those that wait, the next one first.
#[derive(Clone, Debug, Default)]
pub(in crate::region) struct OwnTimers(Vec<(u64, u64)>);

impl OwnTimers {
    /// As a row has them, in this tick.
    pub(super) fn restore(saved: &[PlayerTimer], tick: u64) -> Self {
        let due = |timer: &PlayerTimer| (tick.saturating_add(timer.ticks.max(1)), timer.token);
        let mut timers: Vec<(u64, u64)> = saved.iter().map(due).collect();
        timers.sort_unstable();
        Self(timers)
    }

    /// Due in that tick, in place of one with the same token. `false`: too many wait.
    pub(in crate::region) fn set(&mut self, due: u64, token: u64) -> bool {
        self.cancel(token);
        let has_room = self.0.len() < PLAYER_TIMERS_MAX;
        if has_room {
            let at = self.0.partition_point(|timer| *timer <= (due, token));
            self.0.insert(at, (due, token));
        }
        has_room
    }

    pub(in crate::region) fn cancel(&mut self, token: u64) {
        self.0.retain(|(_, other)| *other != token);
    }

    /// The tick in which the next one is due.
    pub(in crate::region) fn next(&self) -> Option<u64> {
        self.0.first().map(|(due, _)| *due)
    }

    /// Takes the token of one that is due.
    pub(in crate::region) fn take_due(&mut self, tick: u64) -> Option<u64> {
        let is_due = self.next().is_some_and(|due| due <= tick);
        is_due.then(|| self.0.remove(0).1)
    }

    /// As a row is to have them.
    pub(super) fn left(&self, tick: u64) -> Vec<Timer> {
        let left = |&(due, token): &(u64, u64)| Timer {
            ticks: due.saturating_sub(tick),
            token,
        };
        self.0.iter().map(left).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_due_in_order_and_one_takes_the_place_of_another_of_its_token() {
        let mut timers = OwnTimers::default();
        for (due, token) in [(9, 1), (5, 2), (7, 3), (6, 1)] {
            assert!(timers.set(due, token));
        }
        timers.cancel(3);
        assert_eq!((timers.next(), timers.take_due(4)), (Some(5), None));
        assert_eq!(
            [timers.take_due(9), timers.take_due(9), timers.take_due(9)],
            [Some(2), Some(1), None]
        );
    }

    #[test]
    fn they_go_on_in_another_region_with_the_ticks_that_are_left() {
        let mut timers = OwnTimers::default();
        timers.set(110, 1);
        timers.set(103, 2);
        timers.set(100, 3);
        let saved = timers.left(102).into_iter();
        let saved: Vec<PlayerTimer> = saved
            .map(|Timer { ticks, token }| PlayerTimer { ticks, token })
            .collect();
        let mut there = OwnTimers::restore(&saved, 7);
        assert_eq!(
            [there.take_due(8), there.take_due(8)],
            [Some(2), Some(3)],
            "what is overdue is due at once"
        );
        assert_eq!((there.take_due(14), there.take_due(15)), (None, Some(1)));
    }

    #[test]
    fn so_many_wait_at_most() {
        let mut timers = OwnTimers::default();
        for token in 0..PLAYER_TIMERS_MAX as u64 {
            assert!(timers.set(5, token));
        }
        assert!(
            !timers.set(5, 99) && timers.set(6, 0),
            "but one may take the place of another"
        );
        assert_eq!(timers.left(0).len(), PLAYER_TIMERS_MAX);
    }
}
