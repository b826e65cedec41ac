//! Where the rules want a player to be, until it is there or they have heard that it does not come about.

use game::limits::TELEPORT_MS_MAX;
use protocol::geometry::Position;
use protocol::message::handover::Destination;

/// A destination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::region) struct Teleport {
    pub(in crate::region) to: Position,
    /// Then they hear that it did not come about, milliseconds.
    pub(in crate::region) until_ms: u64,
    /// Only what is being written of the player is waited for: nothing more is to be.
    pub(in crate::region) is_due: bool,
}

impl Teleport {
    pub(in crate::region) fn new(to: Position, now_ms: u64) -> Self {
        Self {
            to,
            until_ms: now_ms + TELEPORT_MS_MAX,
            is_due: false,
        }
    }

    /// As the row keeps it.
    pub(super) fn message(self) -> Destination {
        let Position { x, y } = self.to;
        Destination { x, y }
    }
}
