//! Which rule of the handover a region leaves out on purpose, so that a simulation has to notice. Only in builds with the
//! feature `broken-rules`.

use protocol::ids::AttemptId;

use super::super::state::RegionState;
use super::arrivals::Arrived;
use super::rule::HandoverRule;

impl RegionState {
    pub(in super::super) fn breaks(&self, rule: HandoverRule) -> bool {
        self.config.without == Some(rule)
    }

    /// A player who has come by a handover is here at an epoch that nobody has issued.
    pub(super) fn one_on(&self, mut arrived: Arrived) -> Arrived {
        if self.breaks(HandoverRule::EpochIsTheRows)
            && let Ok(next) = arrived.row.owner_epoch.next()
        {
            arrived.row.owner_epoch = next;
        }
        arrived
    }

    /// R2: handovers whose CAS has no answer are called off as if it had not been sent.
    pub(super) fn late_or_given_up(&self) -> Vec<AttemptId> {
        let now_ms = self.now.mono_ms;
        let mut late = self.departures.late(now_ms);
        if self.breaks(HandoverRule::NoResumeAfterCas) {
            late.extend(self.departures.unanswered(now_ms));
        }
        late
    }
}
