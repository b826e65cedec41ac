//! One entity as a cell publishes it, owned: it outlives the frame that brought it.

use std::fmt;
use std::ops::Deref;

use super::motion::Motion;
use crate::geometry::CellIndex;
use crate::ids::{EntityId, OwnerEpoch};
use crate::limits::ENTITY_STATE_BYTES_MAX;

/// An entity's published state is longer than [`ENTITY_STATE_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entity's state has {0} bytes, at most {max} are published", max = ENTITY_STATE_BYTES_MAX)]
pub struct StateTooLong(pub usize);

/// The game's own bytes about an entity, in place: a slice of the frame would keep the whole frame in memory.
#[derive(Clone, Copy)]
pub struct StateBytes {
    length: u8,
    bytes: [u8; ENTITY_STATE_BYTES_MAX],
}

impl TryFrom<&[u8]> for StateBytes {
    type Error = StateTooLong;

    fn try_from(from: &[u8]) -> Result<Self, StateTooLong> {
        let mut bytes = [0; ENTITY_STATE_BYTES_MAX];
        let place = bytes.get_mut(..from.len()).ok_or(StateTooLong(from.len()))?;
        place.copy_from_slice(from);
        Ok(Self {
            length: from.len() as u8,
            bytes,
        })
    }
}

impl Default for StateBytes {
    fn default() -> Self {
        Self {
            length: 0,
            bytes: [0; ENTITY_STATE_BYTES_MAX],
        }
    }
}

impl Deref for StateBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl PartialEq for StateBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for StateBytes {}

impl fmt::Debug for StateBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Everything a viewer knows of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellEntity {
    /// Who it is, whatever cell it is in.
    pub id: EntityId,
    /// What it is; the numbers are the game's.
    pub kind: u16,
    /// The epoch of its owner: of two sightings the higher one is true.
    pub owner_epoch: OwnerEpoch,
    /// Where it is and how it moves.
    pub motion: Motion,
    /// The game's own bytes.
    pub state: StateBytes,
    /// The other way round whenever it was put somewhere else than it walked to: nothing is drawn between the two places. An even number
    /// of times between two sightings is not noticed.
    pub jumped: bool,
}

/// Why an entity left its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveReason {
    /// It is not in the world any more, as far as this region knows.
    Gone,
    /// It will appear, or has appeared, in another cell.
    Moved {
        /// Where.
        cell: CellIndex,
        /// Under which owner.
        epoch: OwnerEpoch,
    },
}
