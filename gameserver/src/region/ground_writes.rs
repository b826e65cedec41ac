//! What the region itself makes and destroys on its ground: one request under way, each with a higher version, and repeated
//! until the store has answered it.

use protocol::ids::StateVersion;
use store::GroundChange;
use store::limits::HOLDING_CHANGES_MAX;

/// Changes that wait at most. A store that is away for long must not fill the memory.
const WAITING_MAX: usize = 1024;

/// The writes of one region's ground.
#[derive(Debug, Default)]
pub(super) struct GroundWrites {
    version: StateVersion,
    waiting: Vec<GroundChange>,
    under_way: Vec<GroundChange>,
}

impl GroundWrites {
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    pub(super) fn push(&mut self, change: GroundChange) {
        self.waiting.push(change);
    }

    /// The next request, if none is under way.
    pub(super) fn begin(&mut self) -> Option<(StateVersion, Vec<GroundChange>)> {
        if !self.under_way.is_empty() || self.waiting.is_empty() {
            return None;
        }
        self.version = StateVersion(self.version.0.saturating_add(1));
        let count = self.waiting.len().min(HOLDING_CHANGES_MAX);
        self.under_way = self.waiting.drain(..count).collect();
        Some(self.again())
    }

    /// The request that is under way.
    pub(super) fn again(&self) -> (StateVersion, Vec<GroundChange>) {
        (self.version, self.under_way.clone())
    }

    /// It is answered.
    pub(super) fn finish(&mut self) -> Vec<GroundChange> {
        std::mem::take(&mut self.under_way)
    }

    /// It was refused for this holding's sake: the others go first in the next one.
    pub(super) fn leave_out(&mut self, holding: u64) {
        let mut others = self.finish();
        others.retain(|change| id(change) != holding);
        others.append(&mut self.waiting);
        self.waiting = others;
    }

    /// What has not been asked for yet is not wanted any more.
    pub(super) fn give_up_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Whether a holding is to be destroyed, and the store has not said yet that it is.
    pub(super) fn sweeps(&self, holding: u64) -> bool {
        let sweeps =
            |change: &GroundChange| matches!(change, GroundChange::Burn { holding: id } if *id == holding);
        self.under_way.iter().chain(&self.waiting).any(sweeps)
    }

    /// Changes that are, or have to be, on their way.
    pub(super) fn len(&self) -> usize {
        self.under_way.len() + self.waiting.len()
    }

    /// Whether there are none.
    pub(super) fn is_settled(&self) -> bool {
        self.len() == 0
    }
}

fn id(change: &GroundChange) -> u64 {
    match change {
        GroundChange::Mint { holding, .. } | GroundChange::Burn { holding } => *holding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(holding: u64) -> GroundChange {
        GroundChange::Burn { holding }
    }

    #[test]
    fn one_request_at_a_time_and_what_is_refused_holds_up_nothing_else() {
        let mut writes = GroundWrites::default();
        assert_eq!(writes.begin(), None);
        for holding in 0..=HOLDING_CHANGES_MAX as u64 {
            writes.push(burn(holding));
        }
        let (version, first) = writes.begin().unwrap();
        assert_eq!((version, first.len()), (StateVersion(1), HOLDING_CHANGES_MAX));
        assert_eq!(writes.begin(), None, "one is under way");
        assert_eq!(writes.again(), (version, first));
        assert!(writes.sweeps(0) && writes.sweeps(64) && !writes.sweeps(65));
        writes.leave_out(3);
        assert!(!writes.sweeps(3));
        let (version, next) = writes.begin().unwrap();
        assert_eq!((version, next.len()), (StateVersion(2), HOLDING_CHANGES_MAX));
        writes.push(burn(99));
        writes.give_up_waiting();
        assert!(
            writes.sweeps(64) && !writes.sweeps(99),
            "what is under way stays so"
        );
        assert_eq!(writes.finish().len(), HOLDING_CHANGES_MAX);
        assert!(writes.is_settled());
    }
}
