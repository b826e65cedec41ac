//! Which part of what ships leaves out a rule of the handover: a region's code, or a condition of the store's statements.
//! Only in builds with the feature `broken-rules`. That only the current service of a region activates needs a process
//! which is replaced while it lives on: the model has those, a run has not.

use gameserver::region::HandoverRule;
use store::simulated::Condition;

use crate::model::Rule;

impl Rule {
    /// What the regions leave out.
    pub(crate) fn in_regions(self) -> Option<HandoverRule> {
        match self {
            Self::OwnershipByRow => Some(HandoverRule::OwnershipByRow),
            Self::NoResumeAfterCas => Some(HandoverRule::NoResumeAfterCas),
            Self::NoSelfPromotion => Some(HandoverRule::NoSelfPromotion),
            Self::BurnTheEpoch => Some(HandoverRule::BurnTheEpoch),
            Self::NoIsDoubt => Some(HandoverRule::NoIsDoubt),
            Self::AttemptIsNamed => Some(HandoverRule::AttemptIsNamed),
            Self::ReadBeforeActive => Some(HandoverRule::ReadBeforeActive),
            Self::SaveIsFenced
            | Self::SaveIsNewer
            | Self::ServiceIsCurrent
            | Self::WriteIsServed
            | Self::TakeOverReowns => None,
        }
    }

    /// What the store leaves out.
    pub(crate) fn in_store(self) -> Option<Condition> {
        match self {
            Self::SaveIsFenced => Some(Condition::Owner),
            Self::SaveIsNewer => Some(Condition::Version),
            Self::WriteIsServed => Some(Condition::Service),
            Self::TakeOverReowns => Some(Condition::Reown),
            _ => None,
        }
    }
}
