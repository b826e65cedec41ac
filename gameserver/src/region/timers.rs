//! What the game wants to happen later: by ticks while the region ticks, by the clock while it sleeps.

use std::collections::BTreeMap;

/// The game's timers, and since when the region sleeps.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_tick: BTreeMap<u64, Vec<u64>>,
    /// Since when nothing has called for a tick, milliseconds.
    asleep_since_ms: Option<u64>,
}

impl Timers {
    pub(super) fn set(&mut self, tick: u64, token: u64) {
        self.by_tick.entry(tick).or_default().push(token);
    }

    /// Takes the tokens of the first tick that is over, in the order in which they were set.
    pub(super) fn take_due(&mut self, tick: u64) -> Option<Vec<u64>> {
        let first = self.by_tick.first_entry()?;
        (*first.key() <= tick).then(|| first.remove())
    }

    /// Nothing but these timers, or one that is due in the tick `other`, calls for a tick: the region sleeps from now on, if
    /// it does not yet, until its next tick. When the first one is due, milliseconds.
    pub(super) fn fall_asleep(
        &mut self,
        other: Option<u64>,
        tick: u64,
        tick_us: u64,
        now_ms: u64,
    ) -> Option<u64> {
        let since_ms = *self.asleep_since_ms.get_or_insert(now_ms);
        let own = self.by_tick.first_key_value().map(|(first, _)| *first);
        let ticks = own.into_iter().chain(other).min()?.saturating_sub(tick);
        Some(since_ms.saturating_add(ticks.saturating_mul(tick_us.div_ceil(1000))))
    }

    /// Ticks that were left out up to now, of a region that sleeps.
    pub(super) fn slept(&self, tick_us: u64, now_ms: u64) -> u64 {
        let since_ms = self.asleep_since_ms.unwrap_or(now_ms);
        now_ms.saturating_sub(since_ms).saturating_mul(1000) / tick_us.max(1)
    }

    /// `tick` is the first one after a rest: timers have come nearer by those that were left out, which are so many.
    pub(super) fn wake_up(&mut self, tick: u64, tick_us: u64, now_ms: u64) -> u64 {
        // This tick is one of them.
        let left_out = self.slept(tick_us, now_ms).saturating_sub(1);
        self.asleep_since_ms = None;
        if left_out > 0 {
            for (due, tokens) in std::mem::take(&mut self.by_tick) {
                let sooner = due.saturating_sub(left_out).max(tick);
                self.by_tick.entry(sooner).or_default().extend(tokens);
            }
        }
        left_out
    }

    #[cfg(test)]
    pub(super) fn ticks(&self) -> Vec<u64> {
        self.by_tick.keys().copied().collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_tick.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_US: u64 = 50_000;

    #[test]
    fn timers_are_due_in_order_and_each_once() {
        let mut timers = Timers::default();
        for (tick, token) in [(7, 1), (5, 2), (7, 3)] {
            timers.set(tick, token);
        }
        assert_eq!(timers.take_due(4), None);
        assert_eq!(timers.take_due(7), Some(vec![2]));
        assert_eq!(timers.take_due(7), Some(vec![1, 3]));
        assert!(timers.take_due(u64::MAX).is_none() && timers.is_empty());
    }

    #[test]
    fn ticks_that_are_slept_through_count_by_the_clock() {
        let mut timers = Timers::default();
        assert_eq!(
            timers.fall_asleep(None, 10, TICK_US, 1_000),
            None,
            "nothing is due"
        );
        timers.set(110, 1);
        assert_eq!(
            timers.fall_asleep(None, 10, TICK_US, 3_000),
            Some(6_000),
            "asleep since 1,000"
        );
        // 99 ticks are left out, and this is the hundredth.
        timers.wake_up(11, TICK_US, 6_000);
        assert_eq!(timers.take_due(11), Some(vec![1]));
        timers.set(111, 2);
        assert_eq!(timers.wake_up(12, TICK_US, 60_000), 0);
        assert_eq!(timers.take_due(110), None, "it has not slept since");
        assert_eq!(timers.fall_asleep(Some(52), 12, TICK_US, 60_000), Some(62_000));
        assert_eq!(timers.slept(TICK_US, 61_000), 20, "it sleeps until it ticks");
        assert_eq!(timers.wake_up(13, TICK_US, 61_000), 19);
        assert_eq!(timers.take_due(92), Some(vec![2]));
    }
}
