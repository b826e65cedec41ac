//! What is to happen, by made-up time: at equal times, in the order in which it was planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events to come. Time never runs backwards.
#[derive(Debug)]
pub(crate) struct Schedule<E> {
    /// Time, order and place of each: small, for they are moved about a lot.
    due: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<E>>,
    /// Places without an event.
    free: Vec<usize>,
    planned: u64,
    now_us: u64,
}

impl<E> Schedule<E> {
    pub(crate) fn new() -> Self {
        Self {
            due: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            planned: 0,
            now_us: 0,
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.now_us
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    /// Plans an event; one in the past happens now.
    pub(crate) fn at(&mut self, at_us: u64, event: E) {
        self.planned += 1;
        self.put_off(at_us, self.planned, event);
    }

    pub(crate) fn after(&mut self, delay_us: u64, event: E) {
        self.at(self.now_us + delay_us, event);
    }

    /// Takes the next event and moves time to it, if it is due by `until_us`.
    pub(crate) fn next(&mut self, until_us: u64) -> Option<(u64, E)> {
        let Reverse((at_us, order, place)) = *self.due.peek().filter(|next| next.0.0 <= until_us)?;
        self.due.pop();
        self.free.push(place);
        self.now_us = at_us;
        let event = self.events.get_mut(place).and_then(Option::take);
        event.map(|event| (order, event))
    }

    /// Puts an event off, keeping its order among those put off with it.
    pub(crate) fn put_off(&mut self, at_us: u64, order: u64, event: E) {
        let place = self.free.pop().unwrap_or(self.events.len());
        match self.events.get_mut(place) {
            Some(free) => *free = Some(event),
            None => self.events.push(Some(event)),
        }
        let at_us = at_us.max(self.now_us);
        self.due.push(Reverse((at_us, order, place)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_by_plan_and_keep_their_order_when_put_off() {
        let mut schedule = Schedule::new();
        for (at_us, event) in [(5, 'c'), (3, 'a'), (3, 'b')] {
            schedule.at(at_us, event);
        }
        let (order, a) = schedule.next(9).unwrap();
        assert_eq!((a, schedule.now_us()), ('a', 3));
        schedule.put_off(5, order, a);
        let rest: Vec<char> = std::iter::from_fn(|| schedule.next(9))
            .map(|(_, event)| event)
            .collect();
        // 'c' was planned first, 'a' second.
        assert_eq!(rest, ['b', 'c', 'a']);
        assert!(schedule.next(9).is_none());
    }
}
