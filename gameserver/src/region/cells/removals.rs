//! Who left a cell lately and why, so that a subscriber who was skipped for some ticks still hears the right reasons.
//! Bounded: who is further behind than this remembers gets the whole cell.

use std::collections::VecDeque;

use protocol::cell::RemoveReason;

/// Removals remembered per cell: a few seconds of a busy border cell.
pub(super) const REMOVALS_MAX: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Removal {
    /// The state of the cell that is the first without it.
    seq: u32,
    slot: u16,
    reason: RemoveReason,
}

/// The last removals of one cell, oldest first.
#[derive(Debug, Default)]
pub(super) struct Removals {
    recent: VecDeque<Removal>,
    /// Newest state of which a removal is forgotten: who has less than this cannot be told everything.
    forgotten: u32,
}

impl Removals {
    /// Notes that the state `seq` is the first without who was in `slot`. States ascend from call to call, and each
    /// names a slot at most once.
    pub(super) fn push(&mut self, seq: u32, slot: u16, reason: RemoveReason) {
        if self.recent.len() == REMOVALS_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.forgotten = oldest.seq;
        }
        self.recent.push_back(Removal { seq, slot, reason });
    }

    /// Whether every removal after state `base` is remembered.
    pub(super) fn reach(&self, base: u32) -> bool {
        self.forgotten <= base
    }

    /// Leaves in `found` each slot emptied after state `base`, ascending, with the reason of whoever left it first: of
    /// those who were in it later, the viewer at `base` has never heard.
    pub(super) fn since(&self, base: u32, found: &mut Vec<(u16, RemoveReason)>) {
        found.clear();
        let start = self.recent.partition_point(|removal| removal.seq <= base);
        let since = self.recent.range(start..);
        found.extend(since.map(|removal| (removal.slot, removal.reason)));
        // Stable: the first of each slot stays in front.
        found.sort_by_key(|(slot, _)| *slot);
        found.dedup_by_key(|(slot, _)| *slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::geometry::CellIndex;
    use protocol::ids::OwnerEpoch;

    fn moved(cell: u32) -> RemoveReason {
        RemoveReason::Moved {
            cell: CellIndex(cell),
            epoch: OwnerEpoch(1),
        }
    }

    #[test]
    fn of_several_who_left_a_slot_the_first_counts() {
        let mut removals = Removals::default();
        removals.push(2, 7, moved(1));
        removals.push(3, 7, moved(2));
        removals.push(3, 4, RemoveReason::Gone);
        removals.push(5, 7, RemoveReason::Gone);
        let since = |base| {
            let mut found = Vec::new();
            removals.since(base, &mut found);
            found
        };
        assert_eq!(since(1), [(4, RemoveReason::Gone), (7, moved(1))]);
        assert_eq!(since(2), [(4, RemoveReason::Gone), (7, moved(2))]);
        assert_eq!(since(3), [(7, RemoveReason::Gone)]);
        assert_eq!(since(5), []);
    }

    #[test]
    fn it_knows_how_far_back_it_remembers_and_never_grows_beyond() {
        let mut removals = Removals::default();
        for seq in 2..2 + REMOVALS_MAX as u32 {
            removals.push(seq, 0, RemoveReason::Gone);
        }
        assert!(removals.reach(1));
        removals.push(900, 0, RemoveReason::Gone);
        assert!(!removals.reach(1) && removals.reach(2));
        for seq in 901..5_000 {
            removals.push(seq, 0, RemoveReason::Gone);
        }
        assert_eq!(removals.recent.len(), REMOVALS_MAX);
    }
}
