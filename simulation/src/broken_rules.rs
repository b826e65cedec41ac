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

/// A rule that the model knows nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherRule {
    /// What the store has not said of a crossing of a creature is asked again. Without: the creature goes on where it was.
    CreatureDoubt,
    /// A write of creatures counts only when it is newer than those before. Without: what comes late is written as well.
    CreatureVersion,
    /// A player is somewhere at the epoch of its row. Without: who has come by a handover is at the one after.
    Epoch,
    /// A durable command is confirmed once it is stored. Without: once it is applied.
    Told,
    /// Who has left the world comes back by the newest login alone. Without: by any.
    Session,
    /// Who is hidden is in no cell that clients see. Without: it stays where it was.
    Hidden,
}

impl OtherRule {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CreatureDoubt,
        Self::CreatureVersion,
        Self::Epoch,
        Self::Told,
        Self::Session,
        Self::Hidden,
    ];

    pub(crate) fn in_regions(self) -> Option<HandoverRule> {
        match self {
            Self::CreatureDoubt => Some(HandoverRule::CreatureIsInDoubt),
            Self::CreatureVersion | Self::Session => None,
            Self::Epoch => Some(HandoverRule::EpochIsTheRows),
            Self::Told => Some(HandoverRule::ToldOnceStored),
            Self::Hidden => Some(HandoverRule::HiddenIsNotShown),
        }
    }

    pub(crate) fn in_store(self) -> Option<Condition> {
        match self {
            Self::CreatureVersion => Some(Condition::CreatureVersion),
            Self::Session => Some(Condition::Session),
            _ => None,
        }
    }
}

impl fmt::Display for OtherRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreatureDoubt => "doubt",
            Self::CreatureVersion => "version",
            Self::Epoch => "epoch",
            Self::Told => "told",
            Self::Session => "session",
            Self::Hidden => "hidden",
        })
    }
}

impl FromStr for OtherRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|rule| rule.to_string() == text);
        named.ok_or_else(|| format!("`{text}` is none of doubt, version, epoch, told, session and hidden"))
    }
}
