//! Holdings: the things of a world that exist exactly once.

use bytes::Bytes;
use protocol::geometry::Position;

/// A thing that lies on the ground. It is in exactly one place, over every crash: held by one user or lying in one region.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    /// Unique in the whole world, for good. Those that a world begins with are numbered by the game, below 2⁶².
    pub id: u64,
    /// What it is; the numbers are the game's.
    pub kind: u32,
    /// Where it lies.
    pub at: Position,
    /// The game's own bytes, the same for good; at most
    /// [`HOLDING_PAYLOAD_BYTES_MAX`](crate::limits::HOLDING_PAYLOAD_BYTES_MAX).
    pub payload: Bytes,
}

/// A thing that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thing<'a> {
    /// What it is; the numbers are the game's.
    pub kind: u32,
    /// The game's own bytes.
    pub payload: &'a [u8],
}
