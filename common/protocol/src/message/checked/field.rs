//! The checks that fields of many messages share.

use super::error::CheckError;
use crate::geometry::{CellGrid, CellIndex};
use crate::ids::{NodeNumber, RegionNumber};
use crate::limits::NUMBER_MAX;
use crate::visibility::Visibility;

/// The highest node number: ten bits of every entity id.
const NODE_NUMBER_MAX: u16 = 1023;

/// A node's number, 1 to 1023.
///
/// # Errors
/// `CheckError` naming `field`.
pub fn node_number(field: &'static str, value: u32) -> Result<NodeNumber, CheckError> {
    match u16::try_from(value) {
        Ok(0) => Err(CheckError::Missing(field)),
        Ok(number) if number <= NODE_NUMBER_MAX => Ok(NodeNumber(number)),
        _ => Err(CheckError::OutOfRange(field)),
    }
}

/// A region's number, from 1.
pub(super) fn region_number(field: &'static str, value: u32) -> Result<RegionNumber, CheckError> {
    (value != 0)
        .then_some(RegionNumber(value))
        .ok_or(CheckError::Missing(field))
}

/// A number of a session; 0: none.
pub(super) fn number(field: &'static str, value: u64) -> Result<u64, CheckError> {
    (value <= NUMBER_MAX)
        .then_some(value)
        .ok_or(CheckError::OutOfRange(field))
}

/// A number of a session that counts from 1.
pub(super) fn counted(field: &'static str, value: u64) -> Result<u64, CheckError> {
    if value == 0 {
        return Err(CheckError::Missing(field));
    }
    number(field, value)
}

/// A cell of the grid.
pub(super) fn cell(field: &'static str, value: u32, grid: &CellGrid) -> Result<CellIndex, CheckError> {
    let cell = CellIndex(value);
    grid.holds(cell)
        .then_some(cell)
        .ok_or(CheckError::OutOfRange(field))
}

/// Who sees an entity.
pub(super) fn visibility(visibility: u32, only_user: u64) -> Result<Visibility, CheckError> {
    Visibility::from_numbers(visibility, only_user).ok_or(CheckError::OutOfRange("visibility"))
}

/// At most `max` bytes.
pub(super) fn at_most(field: &'static str, bytes: &[u8], max: usize) -> Result<(), CheckError> {
    let bytes = bytes.len();
    if bytes > max {
        return Err(CheckError::TooLong { field, bytes, max });
    }
    Ok(())
}

/// At most `max` elements.
pub(super) fn count(field: &'static str, count: usize, max: usize) -> Result<(), CheckError> {
    if count > max {
        return Err(CheckError::TooMany { field, count, max });
    }
    Ok(())
}

/// Exactly `N` bytes.
pub(super) fn array<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], CheckError> {
    bytes.try_into().map_err(|_| CheckError::Length {
        field,
        bytes: bytes.len(),
        expected: N,
    })
}
