//! What an owner says to one player every tick.

use bytes::Bytes;

use super::error::CheckError;
use super::field;
use crate::cell::{DecodedCell, UpdateKind};
use crate::geometry::{CellGrid, CellIndex, Layer};
use crate::ids::{InputNumber, OwnerEpoch, Tick, UserId};
use crate::limits::{OWN_STATE_BYTES_MAX, OWNER_ONLY_BYTES_MAX, OWNER_ONLY_MAX};
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
    /// Those whom this player alone sees: whole cells of the unseen layer, as they came.
    pub only: Vec<Bytes>,
}

impl CheckedOutput {
    /// Checks an `Output`.
    ///
    /// # Errors
    /// `TooLong` above [`OWN_STATE_BYTES_MAX`] and [`OWNER_ONLY_BYTES_MAX`], `TooMany` above [`OWNER_ONLY_MAX`] cells,
    /// `OutOfRange` for a home outside the grid and for a cell that is no keyframe of the unseen layer.
    pub fn check(message: Output, grid: &CellGrid) -> Result<Self, CheckError> {
        field::at_most("own", &message.own, OWN_STATE_BYTES_MAX)?;
        check_only(&message.cells, grid)?;
        Ok(Self {
            user: UserId(message.user),
            owner_epoch: OwnerEpoch(message.owner_epoch),
            tick: Tick(message.tick),
            input_ack: InputNumber(message.input_ack),
            home_cell: field::cell("home_cell", message.home_cell, grid)?,
            own: message.own,
            discontinuity: message.discontinuity,
            only: message.cells,
        })
    }
}

fn check_only(cells: &[Bytes], grid: &CellGrid) -> Result<(), CheckError> {
    field::count("cells", cells.len(), OWNER_ONLY_MAX)?;
    let bytes = cells
        .iter()
        .fold(0_usize, |sum, cell| sum.saturating_add(cell.len()));
    if bytes > OWNER_ONLY_BYTES_MAX {
        return Err(CheckError::TooLong {
            field: "cells",
            bytes,
            max: OWNER_ONLY_BYTES_MAX,
        });
    }
    let is_whole_and_unseen = |cell: &Bytes| {
        let cell = DecodedCell::parse(cell, grid);
        cell.is_ok_and(|cell| {
            cell.kind == UpdateKind::Keyframe && grid.layer(cell.cell) == Some(Layer::Unseen)
        })
    };
    let all = cells.iter().all(is_whole_and_unseen);
    all.then_some(()).ok_or(CheckError::OutOfRange("cells"))
}
