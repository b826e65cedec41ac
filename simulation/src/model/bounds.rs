//! How much may happen in one exploration, and which rule is left out of it.

use std::fmt;

/// How often each outside event may happen. The state space grows about tenfold with each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Handovers begun.
    pub handovers: u8,
    /// Commands that the player issues.
    pub commands: u8,
    /// Messages lost, store requests and answers among them.
    pub drops: u8,
    /// Messages delivered twice.
    pub duplicates: u8,
    /// Processes that die and start again.
    pub crashes: u8,
    /// Processes that are replaced while they live on without knowing it.
    pub zombies: u8,
    /// Regions that another server takes over, whether their own is dead or does not know it.
    pub takeovers: u8,
    /// Logouts, each of which may be followed by a login.
    pub logouts: u8,
}

/// A rule of the handover. Each is kept by the code named beside it in `docs/design/handover.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// R1: ownership changes only by a compare-and-swap on the row.
    OwnershipByRow,
    /// R2: after the CAS was sent, a missing answer never re-activates.
    NoResumeAfterCas,
    /// R3: a shadow never promotes itself.
    NoSelfPromotion,
    /// R4: an unknown outcome is resolved by burning the epoch.
    BurnTheEpoch,
    /// R5: a CAS answered "no" is doubt, not failure.
    NoIsDoubt,
    /// R6: attempt and version name what was prepared.
    AttemptIsNamed,
    /// R7: activation reads the row again.
    ReadBeforeActive,
    /// R8: a save names owner and epoch.
    SaveIsFenced,
    /// R9: a save never goes back to an older version.
    SaveIsNewer,
    /// Activation is for the current service of a region alone.
    ServiceIsCurrent,
    /// A durable write names the service under which it is made, which is the current one.
    WriteIsServed,
    /// A takeover owns the players of the region one epoch on.
    TakeOverReowns,
}

impl Rule {
    /// All of them, R1 first.
    pub const ALL: [Self; 12] = [
        Self::OwnershipByRow,
        Self::NoResumeAfterCas,
        Self::NoSelfPromotion,
        Self::BurnTheEpoch,
        Self::NoIsDoubt,
        Self::AttemptIsNamed,
        Self::ReadBeforeActive,
        Self::SaveIsFenced,
        Self::SaveIsNewer,
        Self::ServiceIsCurrent,
        Self::WriteIsServed,
        Self::TakeOverReowns,
    ];

    /// As it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OwnershipByRow => "R1",
            Self::NoResumeAfterCas => "R2",
            Self::NoSelfPromotion => "R3",
            Self::BurnTheEpoch => "R4",
            Self::NoIsDoubt => "R5",
            Self::AttemptIsNamed => "R6",
            Self::ReadBeforeActive => "R7",
            Self::SaveIsFenced => "R8",
            Self::SaveIsNewer => "R9",
            Self::ServiceIsCurrent => "region-epoch",
            Self::WriteIsServed => "service",
            Self::TakeOverReowns => "takeover",
        }
    }

    /// Small bounds within which leaving the rule out leads to a broken property.
    #[must_use]
    pub fn bounds_that_show_it(self) -> Bounds {
        let base = Bounds {
            handovers: 1,
            commands: 1,
            ..Bounds::default()
        };
        match self {
            Self::OwnershipByRow | Self::NoResumeAfterCas | Self::NoSelfPromotion | Self::BurnTheEpoch => {
                base
            }
            Self::NoIsDoubt => Bounds {
                duplicates: 1,
                ..base
            },
            Self::AttemptIsNamed => Bounds { handovers: 2, ..base },
            Self::ReadBeforeActive => Bounds {
                handovers: 2,
                duplicates: 1,
                commands: 0,
                ..base
            },
            Self::SaveIsFenced => Bounds {
                handovers: 0,
                crashes: 1,
                ..base
            },
            Self::SaveIsNewer => Bounds {
                handovers: 0,
                commands: 2,
                ..base
            },
            Self::ServiceIsCurrent | Self::WriteIsServed => Bounds { zombies: 1, ..base },
            Self::TakeOverReowns => Bounds {
                handovers: 0,
                takeovers: 1,
                ..base
            },
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::OwnershipByRow => "ownership changes only by CAS on the row",
            Self::NoResumeAfterCas => "a missing answer never re-activates",
            Self::NoSelfPromotion => "a shadow never promotes itself",
            Self::BurnTheEpoch => "doubt burns the epoch",
            Self::NoIsDoubt => "a CAS answered \"no\" is doubt",
            Self::AttemptIsNamed => "attempt and version name what was prepared",
            Self::ReadBeforeActive => "activation reads the row",
            Self::SaveIsFenced => "a save names owner and epoch",
            Self::SaveIsNewer => "a save is never older than the row",
            Self::ServiceIsCurrent => "only the current service activates",
            Self::WriteIsServed => "a durable write is made under the current service",
            Self::TakeOverReowns => "a takeover owns the region's players one epoch on",
        };
        write!(f, "{} {text}", self.name())
    }
}

impl std::str::FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|rule| rule.name() == text);
        found.ok_or_else(|| format!("`{text}` is no rule: R1 … R9, region-epoch, service or takeover"))
    }
}

/// The protocol, whole or with one rule left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// The rule left out.
    pub without: Option<Rule>,
}

impl Rules {
    pub(super) fn keep(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
