//! What is known of the row of a creature that outlives its process.

use bytes::Bytes;
use protocol::cell::StateBytes;
use protocol::geometry::Position;
use protocol::message::effect::CreatureState;
use protocol::visibility::Visibility;
use store::Serving;

/// Where a creature is on its way through the store.
#[derive(Debug)]
pub(super) enum Stage {
    /// The store does not have it yet, as far as is known.
    Unborn,
    /// It is here.
    Here,
    /// It stands still until the store has said whether it is in that region now.
    Leaving(Serving, Box<CreatureState>),
}

/// What of a creature makes a row old.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) at: Position,
    pub(super) heading: u8,
    pub(super) speed: f32,
    pub(super) state: StateBytes,
    pub(super) memory: Bytes,
    pub(super) timer_steps: u64,
    pub(super) visibility: Visibility,
}

/// One row.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) stage: Stage,
    /// As it was captured last.
    pub(super) saved: Option<Seen>,
    /// When it was last looked whether it has changed, milliseconds.
    pub(super) looked_ms: u64,
    /// It is to be written now, changed or not.
    pub(super) is_owed: bool,
}

impl Kept {
    pub(super) fn unborn() -> Self {
        Self {
            stage: Stage::Unborn,
            saved: None,
            looked_ms: 0,
            is_owed: false,
        }
    }

    /// One whose row was read. `is_owed`: it is to be written by this region.
    pub(super) fn read(now_ms: u64, is_owed: bool) -> Self {
        Self {
            stage: Stage::Here,
            saved: None,
            looked_ms: now_ms,
            is_owed,
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.stage, Stage::Leaving(..))
    }

    /// Whether nothing decisive of it is still to be written.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.stage, Stage::Here)
    }
}
