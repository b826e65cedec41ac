//! What a region does when it leaves out one rule of the handover on purpose, so that a simulation has to notice. Only
//! in builds with the feature `broken-rules`.

use protocol::ids::AttemptId;
use store::PlayerRow;

use super::super::state::{RegionConfig, RegionState};
use super::arrival::Arrival;
use super::departure::{Departure, Step};
use super::rule::HandoverRule;
use super::source::PREPARE_MS;

impl RegionState {
    pub(super) fn breaks(&self, rule: HandoverRule) -> bool {
        self.config.without == Some(rule)
    }

    /// R6.
    pub(super) fn recall(&mut self, attempt: AttemptId) {
        if self.breaks(HandoverRule::AttemptIsNamed)
            && let Some(departure) = self.departures.called_off.remove(&attempt)
        {
            self.departures.attempts.insert(attempt, departure);
        }
    }

    /// R2: handovers whose CAS has had no answer for as long as `Prepared` may take.
    pub(super) fn given_up(&self) -> Vec<AttemptId> {
        let is_late = |departure: &Departure| {
            departure.step == Step::Committing
                && self.now.mono_ms.saturating_sub(departure.since_ms) >= PREPARE_MS
                && self.breaks(HandoverRule::NoResumeAfterCas)
        };
        let open = self.departures.attempts.iter();
        open.filter(|(_, departure)| is_late(departure))
            .map(|(attempt, _)| *attempt)
            .collect()
    }
}

impl Arrival {
    /// R3 and R7: the row as it would be if the handover had been committed.
    pub(super) fn presumed(&self, config: &RegionConfig, row: PlayerRow) -> PlayerRow {
        let rule = if self.committed {
            HandoverRule::ReadBeforeActive
        } else {
            HandoverRule::NoSelfPromotion
        };
        match self.sender.filter(|_| config.without == Some(rule)) {
            None => row,
            Some(sender) => PlayerRow {
                owner: Some(config.node),
                region: config.number,
                region_epoch: config.epoch,
                owner_epoch: self.epoch,
                attempt: sender.attempt,
                ..row
            },
        }
    }
}
