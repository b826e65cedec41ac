//! Which part of what ships leaves out a rule of the handover: a region's code, or a condition of the store's statements.
//! Only in builds with the feature `broken-rules`. That only the current service of a region activates needs a process
//! which is replaced while it lives on: the model has those, a run has not.

use std::fmt;
use std::str::FromStr;

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

/// A rule of the rows of creatures that outlive servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreatureRule {
    /// What the store has not said of a crossing is asked again. Without: the creature goes on where it was.
    Doubt,
    /// A write counts only when it is newer than those before. Without: what comes late is written as well.
    Version,
}

impl CreatureRule {
    pub(crate) fn in_regions(self) -> Option<HandoverRule> {
        (self == Self::Doubt).then_some(HandoverRule::CreatureIsInDoubt)
    }

    pub(crate) fn in_store(self) -> Option<Condition> {
        (self == Self::Version).then_some(Condition::CreatureVersion)
    }
}

impl fmt::Display for CreatureRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Doubt => "doubt",
            Self::Version => "version",
        })
    }
}

impl FromStr for CreatureRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Doubt, Self::Version];
        let named = all.into_iter().find(|rule| rule.to_string() == text);
        named.ok_or_else(|| format!("`{text}` is neither doubt nor version"))
    }
}
