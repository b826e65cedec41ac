//! Snapshots that were taken and acknowledged, and whose cells nobody has looked at yet. Whoever drives thousands of
//! clients looks at the world of each but seldom: to read many snapshots in one go costs a fraction of reading each alone.

use protocol::cell::UnreadSnapshot;

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

/// The snapshots in their order, each with the time at which it came.
#[derive(Debug, Default)]
pub(super) struct Unread(Vec<(UnreadSnapshot, u64)>);

impl Unread {
    /// Keeps one more. Returns whether it is time to read them.
    pub(super) fn push(&mut self, snapshot: UnreadSnapshot, now_ms: u64) -> bool {
        self.0.push((snapshot, now_ms));
        self.0.len() >= UNREAD_MAX
    }

    /// Reads all of them into the world.
    pub(super) fn read_into(&mut self, world: &mut World) {
        for (snapshot, came_ms) in self.0.drain(..) {
            let grid = world.shape().grid;
            if let Ok(snapshot) = snapshot.read(&grid) {
                world.take(&snapshot, came_ms);
            }
        }
    }

    /// The world is another one now.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
