//! Creatures of a game that outlive the process of their region: a row each, which says in which region it is. Whoever serves that region
//! writes it, and nobody else; one request is a batch for many.

use bytes::Bytes;
use protocol::ids::{EntityId, OwnerEpoch, RegionNumber};

use crate::limits::CREATURE_BODY_BYTES_MAX;
use crate::row::Serving;

/// The epoch under which a creature is born.
pub const BIRTH_EPOCH: OwnerEpoch = OwnerEpoch(1);

/// One creature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatureRow {
    /// Which.
    pub creature: EntityId,
    /// Where it is.
    pub region: RegionNumber,
    /// One more at each crossing.
    pub epoch: OwnerEpoch,
    /// It has come over a border, and has not been written by whoever serves the region.
    pub is_arriving: bool,
    /// All that is its own, as the servers of its game write it; at most [`CREATURE_BODY_BYTES_MAX`].
    pub body: Bytes,
}

/// A change that whoever serves a region makes to one creature that is there. What is not there, at that epoch, is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreatureChange {
    /// It is born there, at [`BIRTH_EPOCH`]. Its id names the node that serves.
    Bear {
        /// Which.
        creature: EntityId,
        /// See [`CreatureRow::body`].
        body: Bytes,
    },
    /// It has changed.
    Save {
        /// Which.
        creature: EntityId,
        /// Its epoch.
        epoch: OwnerEpoch,
        /// See [`CreatureRow::body`].
        body: Bytes,
    },
    /// It is in another region from now on, one epoch on, if that is served so.
    Pass {
        /// Which.
        creature: EntityId,
        /// Its epoch before.
        epoch: OwnerEpoch,
        /// Where it goes.
        to: Serving,
        /// See [`CreatureRow::body`].
        body: Bytes,
    },
    /// It is no more.
    End {
        /// Which.
        creature: EntityId,
        /// Its epoch.
        epoch: OwnerEpoch,
    },
}

impl CreatureChange {
    /// Which one it changes.
    #[must_use]
    pub fn creature(&self) -> EntityId {
        match self {
            Self::Bear { creature, .. }
            | Self::Save { creature, .. }
            | Self::Pass { creature, .. }
            | Self::End { creature, .. } => *creature,
        }
    }

    /// Whether it loses no more than some moments of a walk.
    #[must_use]
    pub fn is_soft(&self) -> bool {
        matches!(self, Self::Save { .. })
    }

    pub(crate) fn body(&self) -> Option<&Bytes> {
        match self {
            Self::Bear { body, .. } | Self::Save { body, .. } | Self::Pass { body, .. } => Some(body),
            Self::End { .. } => None,
        }
    }

    /// Memory that it takes while it waits, about, bytes.
    pub(crate) fn bytes() -> usize {
        size_of::<Self>() + CREATURE_BODY_BYTES_MAX
    }
}

/// What became of the changes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreatureOutcome {
    /// All of them were made, by this request or an earlier copy of it …
    Applied {
        /// … but these, in order, stay: where they were to go is not served so.
        staying: Vec<EntityId>,
    },
    /// Whoever asks does not serve the region now.
    Fenced,
    /// A newer request of the same service was written before.
    Older,
}

/// Which creatures of a region are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreaturesWanted {
    /// Everyone.
    All,
    /// Who has come over a border and was not written since.
    Arriving,
}
