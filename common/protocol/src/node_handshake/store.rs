//! Which store a node works on: all nodes of a cluster share one, and the handshake notices who does not.

use std::fmt;

use crate::ids::WorldId;
use crate::wire::{Reader, Truncated};

/// The store that a node works on. Two nodes belong together when theirs are equal; zeros are a store of nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreIdentity {
    /// Made with the store.
    pub world: WorldId,
    /// Which of all copies of this world: what tells one database from a copy of it, as far as its system knows.
    pub copy: u64,
}

impl StoreIdentity {
    /// Length on the wire.
    pub(super) const BYTES: usize = 16 + 8;

    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.world.0);
        out.extend_from_slice(&self.copy.to_le_bytes());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self {
            world: WorldId(reader.array()?),
            copy: reader.u64()?,
        })
    }
}

impl fmt::Display for StoreIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "world {}, copy {:016x}", self.world, self.copy)
    }
}
