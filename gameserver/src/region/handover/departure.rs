//! A handover as its source remembers it.

use std::collections::BTreeMap;

use protocol::geometry::CellIndex;
use protocol::ids::{AttemptId, OwnerEpoch, RegionNumber, UserId};
use store::PlayerSave;

use super::super::served::Served;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `Prepare` is sent.
    Preparing,
    /// The CAS is sent: from here on only the row decides.
    Committing,
    /// The CAS has no answer, or was refused.
    Doubt,
    /// Committed; the target has not said `Done`.
    Gone,
}

#[derive(Clone, Debug)]
pub(super) struct Leaver {
    pub(super) user: UserId,
    /// The epoch that this region holds.
    pub(super) epoch: OwnerEpoch,
    pub(super) save: PlayerSave,
    pub(super) cell: CellIndex,
}

#[derive(Clone, Debug)]
pub(super) struct Departure {
    pub(super) region: RegionNumber,
    pub(super) target: Served,
    pub(super) leavers: Vec<Leaver>,
    pub(super) step: Step,
    pub(super) since_ms: u64,
    pub(super) again_ms: u64,
}

/// Handovers from this region under way.
#[derive(Debug, Default)]
pub(in super::super) struct Departures {
    pub(super) attempts: BTreeMap<AttemptId, Departure>,
    /// Handovers that were called off, and might yet be answered.
    #[cfg(feature = "broken-rules")]
    pub(super) called_off: BTreeMap<AttemptId, Departure>,
}

impl Departures {
    /// Players whose handover is not committed.
    pub(in super::super) fn frozen(&self) -> usize {
        let open = self
            .attempts
            .values()
            .filter(|departure| departure.step != Step::Gone);
        open.map(|departure| departure.leavers.len()).sum()
    }

    pub(in super::super) fn len(&self) -> usize {
        self.attempts.len()
    }
}
