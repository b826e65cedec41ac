//! What an owner says to one player every tick.

use bytes::Bytes;

use super::error::CheckError;
use super::field;
use crate::geometry::{CellGrid, CellIndex};
use crate::ids::{InputNumber, OwnerEpoch, Tick, UserId};
use crate::limits::OWN_STATE_BYTES_MAX;
use crate::message::player::Output;

/// Own state with input acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedOutput {
    /// Whose.
    pub user: UserId,
    /// The epoch of the owner that says it.
    pub owner_epoch: OwnerEpoch,
    /// The owner's tick.
    pub tick: Tick,
    /// Newest input applied.
    pub input_ack: InputNumber,
    /// Where the player's view is centred.
    pub home_cell: CellIndex,
    /// The game's own-state bytes.
    pub own: Bytes,
    /// Another one whenever the player was put somewhere else than it walked to.
    pub discontinuity: u64,
}

impl CheckedOutput {
    /// Checks an `Output`.
    ///
    /// # Errors
    /// `TooLong` above [`OWN_STATE_BYTES_MAX`], `OutOfRange` for a home outside the grid.
    pub fn check(message: Output, grid: &CellGrid) -> Result<Self, CheckError> {
        field::at_most("own", &message.own, OWN_STATE_BYTES_MAX)?;
        Ok(Self {
            user: UserId(message.user),
            owner_epoch: OwnerEpoch(message.owner_epoch),
            tick: Tick(message.tick),
            input_ack: InputNumber(message.input_ack),
            home_cell: field::cell("home_cell", message.home_cell, grid)?,
            own: message.own,
            discontinuity: message.discontinuity,
        })
    }
}
