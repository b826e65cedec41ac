//! Snapshots that were taken and acknowledged, and whose cells nobody has looked at yet. Whoever drives thousands of
//! clients looks at the world of each but seldom: to read many snapshots in one go costs a fraction of reading each alone.

use std::ops::Range;

use protocol::cell::ParsedSnapshot;

use super::world::World;

/// Snapshots kept at most; one more and all are read.
const UNREAD_MAX: usize = 64;

/// When the cells of snapshots are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As they come: the world view is always new. A snapshot with a malformed cell is not taken.
    #[default]
    AtOnce,
    /// When [`catch_up`](super::Core::catch_up) asks for it. Malformed cells are found out only then, and left out.
    OnDemand,
}

/// A snapshot, and when it came, milliseconds.
#[derive(Debug)]
struct Kept {
    place: Range<usize>,
    came_ms: u64,
}

/// The snapshots in their order, their bytes one behind the other.
#[derive(Debug, Default)]
pub(super) struct Unread {
    bytes: Vec<u8>,
    snapshots: Vec<Kept>,
}

impl Unread {
    /// Keeps one more. Returns whether it is time to read them.
    pub(super) fn push(&mut self, snapshot: &[u8], came_ms: u64) -> bool {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(snapshot);
        let place = start..self.bytes.len();
        self.snapshots.push(Kept { place, came_ms });
        self.snapshots.len() >= UNREAD_MAX
    }

    /// Reads all of them into the world.
    pub(super) fn read_into(&mut self, world: &mut World) {
        if self.snapshots.is_empty() {
            return;
        }
        for Kept { place, came_ms } in self.snapshots.drain(..) {
            let grid = world.shape().grid;
            let snapshot = self.bytes.get(place).unwrap_or_default();
            if let Ok(snapshot) = ParsedSnapshot::parse(snapshot, &grid) {
                world.take(&snapshot, came_ms);
            }
        }
        self.bytes.clear();
    }

    /// The world is another one now.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.snapshots.clear();
    }
}
