//! The last deltas of one cell, for players who lack a few: copies in one piece of memory, since a slice of what came over
//! the link would keep its whole frame.

use std::collections::VecDeque;
use std::ops::Range;

/// Deltas kept for repairs.
const DELTAS_MAX: usize = 8;
/// Bytes of them in all. What is longer fits no snapshot beside anything else: a keyframe or a partial does better.
const DELTAS_BYTES_MAX: usize = 2 * 1024;

#[derive(Clone, Debug)]
struct Delta {
    base: u32,
    seq: u32,
    place: Range<usize>,
}

/// Deltas that follow each other, oldest first. Takes less than [`RecentDeltas::MEMORY_BYTES_MAX`] of memory.
#[derive(Debug, Default)]
pub(super) struct RecentDeltas {
    deltas: VecDeque<Delta>,
    bytes: Vec<u8>,
}

impl RecentDeltas {
    /// Memory that one cell's deltas take at most, beside this value itself, bytes: a vector grows to twice what it holds.
    #[cfg(test)]
    pub(super) const MEMORY_BYTES_MAX: usize = 2 * DELTAS_BYTES_MAX + 2 * DELTAS_MAX * size_of::<Delta>();

    /// Keeps the delta that led from `base` to `seq`, and forgets the oldest for it.
    pub(super) fn push(&mut self, base: u32, seq: u32, delta: &[u8]) {
        if delta.len() > DELTAS_BYTES_MAX {
            // What came before leads nowhere without it.
            return self.clear();
        }
        while self.deltas.len() == DELTAS_MAX || self.bytes.len() + delta.len() > DELTAS_BYTES_MAX {
            self.forget_oldest();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(delta);
        let place = start..self.bytes.len();
        self.deltas.push_back(Delta { base, seq, place });
    }

    /// The deltas that lead from `have` to the newest, oldest first; `None` when some are forgotten.
    pub(super) fn since(&self, have: u32) -> Option<impl Iterator<Item = &[u8]> + Clone> {
        // From the newest: most viewers lack that one alone.
        let leads = |delta: &Delta| delta.base <= have && have < delta.seq;
        let first = self.deltas.iter().rposition(leads)?;
        let since = self.deltas.range(first..);
        Some(since.map(|delta| self.bytes.get(delta.place.clone()).unwrap_or_default()))
    }

    /// The state that the newest leads to.
    pub(super) fn newest(&self) -> Option<u32> {
        self.deltas.back().map(|delta| delta.seq)
    }

    pub(super) fn clear(&mut self) {
        self.deltas.clear();
        self.bytes.clear();
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.deltas.pop_front() else {
            return self.bytes.clear();
        };
        let length = oldest.place.len();
        self.bytes.drain(..length);
        for delta in &mut self.deltas {
            delta.place = delta.place.start - length..delta.place.end - length;
        }
    }

    /// Memory taken, bytes.
    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.deltas.capacity() * size_of::<Delta>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(deltas: &RecentDeltas, have: u32) -> Option<Vec<Vec<u8>>> {
        Some(deltas.since(have)?.map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn the_last_eight_lead_from_any_state_between_to_the_newest() {
        let mut deltas = RecentDeltas::default();
        for seq in 2..=20_u8 {
            deltas.push(u32::from(seq) - 1, u32::from(seq), &vec![seq; usize::from(seq)]);
        }
        assert_eq!(since(&deltas, 11), None);
        assert_eq!(since(&deltas, 20), None);
        for have in 12..20 {
            let expected: Vec<_> = (have + 1..=20).map(|seq| vec![seq; usize::from(seq)]).collect();
            assert_eq!(since(&deltas, u32::from(have)), Some(expected));
        }
        // One delta for several states, as after a tick without room.
        deltas.push(20, 24, &[24]);
        assert_eq!(since(&deltas, 22), Some(vec![vec![24]]));
        assert_eq!(deltas.newest(), Some(24));
    }

    #[test]
    fn over_a_delta_that_is_too_long_to_keep_nothing_leads() {
        let mut deltas = RecentDeltas::default();
        deltas.push(1, 2, &[2]);
        deltas.push(2, 3, &[0; DELTAS_BYTES_MAX + 1]);
        deltas.push(3, 4, &[4]);
        assert_eq!(since(&deltas, 1), None);
        assert_eq!(since(&deltas, 2), None);
        assert_eq!(since(&deltas, 3), Some(vec![vec![4]]));
    }

    #[test]
    fn memory_stays_within_the_stated_bytes_whatever_comes() {
        let mut deltas = RecentDeltas::default();
        let mut seq = 1;
        for length in [1, 40, 2_048, 300, 1_999, 7, 2_049, 5, 1_024, 1_025]
            .into_iter()
            .cycle()
            .take(5_000)
        {
            deltas.push(seq, seq + 1, &vec![0; length]);
            seq += 1;
            assert!(
                deltas.memory_bytes() <= RecentDeltas::MEMORY_BYTES_MAX,
                "{}",
                deltas.memory_bytes()
            );
            let found = since(&deltas, seq - 1).map(|found| found.concat().len());
            assert_eq!(found, (length <= DELTAS_BYTES_MAX).then_some(length));
        }
    }
}
