//! Which rule of the handover a region leaves out on purpose, so that a simulation has to notice. Only in builds with the
//! feature `broken-rules`.

use protocol::ids::AttemptId;

use super::super::state::RegionState;
use super::rule::HandoverRule;

impl RegionState {
    pub(in super::super) fn breaks(&self, rule: HandoverRule) -> bool {
        self.config.without == Some(rule)
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
