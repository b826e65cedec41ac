//! A join under way, between the steps that the store takes.

use protocol::geometry::Position;
use protocol::ids::{AttachNo, LiveLane, SessionGeneration};
use store::PlayerRow;

use crate::join_check::VerifiedJoin;

/// How the game has a new user start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spawn {
    pub(super) at: Position,
    pub(super) kind: u16,
}

/// A join under way.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    pub(super) lane: LiveLane,
    pub(super) join: VerifiedJoin,
    pub(super) since_ms: u64,
    /// How the user starts if there is no row.
    pub(super) spawn: Spawn,
    /// The row, activated, while its holdings are read.
    pub(super) row: Option<PlayerRow>,
    /// The CAS that makes the user active here is sent: nothing else may make it active meanwhile.
    pub(super) activating: bool,
    /// The row may lack the last second of whoever had the player before.
    pub(super) after_crash: bool,
    /// The client is gone again.
    pub(super) left: bool,
}

impl Joining {
    pub(super) fn order(&self) -> (SessionGeneration, AttachNo) {
        (self.join.session_generation, self.join.attach_no)
    }
}
