//! What can be asked of a store about users as such: who may come in, and who not. None of it is about a region.

use crate::sanction::{NewSanction, Sanction, SanctionPage};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRequest {
    /// An operator does something to a user or a network. The user's sessions end in the same step where it is a kick or a ban.
    /// Answer: [`Sanctioned`](AccountReply::Sanctioned), [`NoUser`](AccountReply::NoUser) or [`NoBan`](AccountReply::NoBan).
    Sanction(NewSanction),
    /// What counts of the sanctions with higher numbers: those that are not over, and those so young that a ticket of before them may
    /// live. Answer: [`Sanctions`](AccountReply::Sanctions).
    ReadSanctions {
        /// The highest number that was read; 0 from the start.
        after: u64,
    },
}

/// The answer to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountReply {
    /// To `Sanction`.
    Sanctioned(Sanction),
    /// To `Sanction`: nobody of that number ever logged in. Nothing was changed.
    NoUser,
    /// To `Sanction`: there is no ban to be lifted. Nothing was changed.
    NoBan,
    /// To `ReadSanctions`.
    Sanctions(SanctionPage),
}

impl AccountRequest {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_read(&self) -> bool {
        match self {
            Self::ReadSanctions { .. } => true,
            Self::Sanction(_) => false,
        }
    }

    /// Memory that it takes beside its own size while it waits, about, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Sanction(new) => new.reason.len(),
            Self::ReadSanctions { .. } => 0,
        }
    }
}
