//! Holdings: the things of a world that exist exactly once.

use protocol::geometry::Position;

/// A thing that lies on the ground. It is in exactly one place, over every crash: held by one user or lying in one region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holding {
    /// Unique in the whole world, for good.
    pub id: u64,
    /// What it is; the numbers are the game's.
    pub kind: u32,
    /// Where it lies.
    pub at: Position,
}
