//! Subscriptions and the cell updates they bring.

use bytes::Bytes;

use super::error::CheckError;
use super::field;
use crate::geometry::CellIndex;
use crate::ids::{RegionEpoch, RegionNumber, Tick};
use crate::limits::{CELL_UPDATES_MAX, SUBSCRIPTION_CELLS_MAX};
use crate::message::subscription::{CellUpdates, Subscribe, Unsubscribe};

/// Cells of one region to be subscribed, or not any more. Whether they are cells of that region is for its owner to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedSubscription {
    /// The region.
    pub region: RegionNumber,
    /// The epoch that the subscriber believes in.
    pub region_epoch: RegionEpoch,
    /// The cells.
    pub cells: Vec<CellIndex>,
}

impl TryFrom<&Subscribe> for CheckedSubscription {
    type Error = CheckError;

    fn try_from(message: &Subscribe) -> Result<Self, CheckError> {
        Self::check(message.region, message.region_epoch, &message.cells)
    }
}

impl TryFrom<&Unsubscribe> for CheckedSubscription {
    type Error = CheckError;

    fn try_from(message: &Unsubscribe) -> Result<Self, CheckError> {
        Self::check(message.region, message.region_epoch, &message.cells)
    }
}

impl CheckedSubscription {
    fn check(region: u32, region_epoch: u64, cells: &[u32]) -> Result<Self, CheckError> {
        field::count("cells", cells.len(), SUBSCRIPTION_CELLS_MAX)?;
        Ok(Self {
            region: field::region_number("region", region)?,
            region_epoch: RegionEpoch(region_epoch),
            cells: cells.iter().copied().map(CellIndex).collect(),
        })
    }
}

/// What changed in one region in one tick; each cell is still to be parsed by itself, so that one bad cell spoils no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedCellUpdates {
    /// The region.
    pub region: RegionNumber,
    /// Its epoch: lower than one already seen is refused, higher replaces what was seen.
    pub region_epoch: RegionEpoch,
    /// The region's tick.
    pub tick: Tick,
    /// The server's wall clock, milliseconds.
    pub server_time_ms: u64,
    /// Encoded cell updates.
    pub cells: Vec<Bytes>,
}

impl TryFrom<CellUpdates> for CheckedCellUpdates {
    type Error = CheckError;

    fn try_from(message: CellUpdates) -> Result<Self, CheckError> {
        field::count("cells", message.cells.len(), CELL_UPDATES_MAX)?;
        Ok(Self {
            region: field::region_number("region", message.region)?,
            region_epoch: RegionEpoch(message.region_epoch),
            tick: Tick(message.tick),
            server_time_ms: message.server_time_ms,
            cells: message.cells,
        })
    }
}
