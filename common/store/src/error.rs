//! What can go wrong with a store itself. "Unknown" is part of the contract: the caller reads before it acts again.

use protocol::ids::{EpochExhausted, NodeNumber, RegionNumber};

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed; try again later.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The change may have been made, may still be made, or may never be.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// Nothing was changed: no room left for it.
    #[error("no space left for the store: free some on {0}")]
    Full(String),
    /// Nothing was changed; an operator must restore a backup and raise the store generation.
    #[error("the store is damaged: {0}; restore a backup and raise the store generation")]
    Corrupt(String),
    /// The data were written by a newer version of this program.
    #[error("the store has schema version {found}, this program knows up to {known}: start a newer version")]
    NewerSchema {
        /// Version in the store.
        found: i64,
        /// Highest version known.
        known: i64,
    },
    /// The request breaks a limit; nothing was changed.
    #[error("a store request breaks a limit: {0}")]
    Invalid(&'static str),
    /// Nothing was changed: a login of its own may not let this node have that region.
    #[error(
        "the store was not told that the topology lists node {node} for region {region}: an operator tells it by `regionmesh store topology --store ADDRESS`"
    )]
    NotCandidate {
        /// Who was to have it.
        node: NodeNumber,
        /// What.
        region: RegionNumber,
    },
    /// An epoch has used up its numbers; nothing was changed.
    #[error(transparent)]
    Exhausted(#[from] EpochExhausted),
}

impl StoreError {
    /// All names that [`label`](Self::label) gives.
    pub const LABELS: &[&str] = &[
        "unavailable",
        "unknown",
        "full",
        "corrupt",
        "newer_schema",
        "invalid",
        "not_candidate",
        "exhausted",
    ];

    /// A fixed name for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Unknown(_) => "unknown",
            Self::Full(_) => "full",
            Self::Corrupt(_) => "corrupt",
            Self::NewerSchema { .. } => "newer_schema",
            Self::Invalid(_) => "invalid",
            Self::NotCandidate { .. } => "not_candidate",
            Self::Exhausted(_) => "exhausted",
        }
    }

    /// Whether the same request may be sent again without reading first.
    #[must_use]
    pub fn is_surely_not_applied(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}
