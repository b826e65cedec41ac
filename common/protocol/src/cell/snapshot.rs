//! The snapshot a client gets: a head of its own, then cells appended as they came; and its checked opposite.
//!
//! Repeated fields of a protobuf message may be concatenated, so what is written here is exactly what a protobuf
//! encoder would have made of the whole message.

use bytes::Bytes;
use prost::Message as _;

use super::columns::Field;
use super::decoded::{CellError, DecodedCell};
use crate::geometry::{CellGrid, CellIndex};
use crate::limits::{OWN_STATE_BYTES_MAX, SNAPSHOT_CELLS_MAX, SNAPSHOT_REGIONS_MAX};
use crate::message::client::{RegionView, Snapshot};
use crate::wire::{Reader, put_varint, varint_len};

const REGIONS_FIELD: u64 = 6;
const CELLS_FIELD: u64 = 15;

/// What a snapshot says before its cells; borrowed, so that writing allocates nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SnapshotHead<'a> {
    /// Number of the snapshot, from 1.
    pub number: u32,
    /// The owner's tick.
    pub tick: u64,
    /// The owner's newest acknowledged input.
    pub input_ack: u64,
    /// The game's own-state bytes, exact; empty when the owner is gone.
    pub own: &'a [u8],
    /// The epoch under which they were said.
    pub owner_epoch: u64,
    /// The regions that the cells belong to.
    pub regions: &'a [RegionView],
    /// `sent_at_ms` of the newest input received.
    pub echo_ms: u32,
    /// How long the proxy held it, milliseconds.
    pub echo_held_ms: u32,
    /// Centre of the view.
    pub home_cell: CellIndex,
    /// Another one whenever the player was put somewhere else than it walked to.
    pub discontinuity: u64,
}

/// A cell was not appended: the snapshot would grow beyond its bytes or its number of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cell does not fit the snapshot")]
pub struct CellDoesNotFit;

/// Appends a snapshot to a buffer, cell by cell, within a byte budget.
#[derive(Debug)]
pub struct SnapshotWriter<'a> {
    out: &'a mut Vec<u8>,
    bytes_left: usize,
    cells: usize,
}

impl<'a> SnapshotWriter<'a> {
    /// Writes the head, which is written even when it alone exceeds `bytes_max`: then no cell fits.
    pub fn new(out: &'a mut Vec<u8>, head: &SnapshotHead<'_>, bytes_max: usize) -> Self {
        let start = out.len();
        put_number(out, 1, u64::from(head.number));
        put_number(out, 2, head.tick);
        put_number(out, 3, head.input_ack);
        if !head.own.is_empty() {
            put_bytes(out, 4, head.own);
        }
        put_number(out, 5, head.owner_epoch);
        for region in head.regions {
            put_tag(out, REGIONS_FIELD as u8);
            put_varint(out, region.encoded_len() as u64);
            region.encode_raw(out);
        }
        put_number(out, 7, u64::from(head.echo_ms));
        put_number(out, 8, u64::from(head.echo_held_ms));
        put_number(out, 9, u64::from(head.home_cell.0));
        put_number(out, 10, head.discontinuity);
        let written = out.len().saturating_sub(start);
        Self {
            out,
            bytes_left: bytes_max.saturating_sub(written),
            cells: 0,
        }
    }

    /// Bytes that appending an encoded cell of `length` bytes costs.
    #[must_use]
    pub fn cell_cost(length: usize) -> usize {
        varint_len(length as u64).saturating_add(length).saturating_add(1)
    }

    /// The longest encoded cell that still fits.
    #[must_use]
    pub fn cell_bytes_left(&self) -> usize {
        if self.cells >= SNAPSHOT_CELLS_MAX {
            return 0;
        }
        let tag_and_length = varint_len(self.bytes_left as u64).saturating_add(1);
        self.bytes_left.saturating_sub(tag_and_length)
    }

    /// Number of cells appended.
    #[must_use]
    pub const fn cells(&self) -> usize {
        self.cells
    }

    /// Appends an encoded cell update to cells that are made once for several snapshots.
    pub fn put_cell(cells: &mut Vec<u8>, cell: &[u8]) {
        put_bytes(cells, CELLS_FIELD as u8, cell);
    }

    /// Appends so many cells that [`put_cell`](Self::put_cell) has made.
    ///
    /// # Errors
    /// `CellDoesNotFit`; nothing is written then.
    pub fn append_cells(&mut self, cells: &[u8], count: usize) -> Result<(), CellDoesNotFit> {
        let left = self.bytes_left.checked_sub(cells.len());
        let cells_after = self.cells.saturating_add(count);
        let left = left.filter(|_| cells_after <= SNAPSHOT_CELLS_MAX);
        self.bytes_left = left.ok_or(CellDoesNotFit)?;
        self.cells = cells_after;
        self.out.extend_from_slice(cells);
        Ok(())
    }

    /// Appends an encoded cell update as it came.
    ///
    /// # Errors
    /// `CellDoesNotFit`; nothing is written then, and a shorter one may still fit.
    pub fn append_cell(&mut self, cell: &[u8]) -> Result<(), CellDoesNotFit> {
        let left = self.bytes_left.checked_sub(Self::cell_cost(cell.len()));
        let left = left.filter(|_| self.cells < SNAPSHOT_CELLS_MAX);
        self.bytes_left = left.ok_or(CellDoesNotFit)?;
        self.cells = self.cells.saturating_add(1);
        put_bytes(self.out, CELLS_FIELD as u8, cell);
        Ok(())
    }
}

fn put_tag(out: &mut Vec<u8>, field: u8) {
    out.push(field << 3 | 2);
}

fn put_number(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        out.push(field << 3);
        put_varint(out, value);
    }
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_tag(out, field);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Why a snapshot was refused. Always the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// protobuf said no.
    #[error("a snapshot is malformed")]
    Malformed,
    /// More cells than the limit.
    #[error("a snapshot holds more than {max} cells", max = SNAPSHOT_CELLS_MAX)]
    TooManyCells,
    /// More regions than the limit.
    #[error("a snapshot names more than {max} regions", max = SNAPSHOT_REGIONS_MAX)]
    TooManyRegions,
    /// A home cell outside the world.
    #[error("home cell {0} is outside the world")]
    UnknownHome(u32),
    /// More own state than the limit.
    #[error("a snapshot holds {0} bytes of own state")]
    OwnTooLong(usize),
    /// One of its cells.
    #[error(transparent)]
    Cell(#[from] CellError),
}

/// A checked snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedSnapshot {
    /// The message without its cells.
    pub head: Snapshot,
    /// The cells in the order in which they are to be applied.
    pub cells: Vec<DecodedCell>,
}

impl ParsedSnapshot {
    /// Parses a snapshot from a datagram or a frame.
    ///
    /// # Errors
    /// `SnapshotError` names the first rule that is broken; counts are compared before anything is allocated.
    pub fn parse(bytes: &[u8], grid: &CellGrid) -> Result<Self, SnapshotError> {
        let mut cells = Vec::new();
        let head = take_apart(bytes, |cell| cells.push(cell))?;
        check_head(&head, grid)?;
        let cells = cells.into_iter().map(|cell| DecodedCell::parse(cell, grid));
        let cells = cells.collect::<Result<_, _>>()?;
        Ok(Self { head, cells })
    }

    /// Checks a snapshot that protobuf has taken apart already.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn check(mut head: Snapshot, grid: &CellGrid) -> Result<Self, SnapshotError> {
        if head.cells.len() > SNAPSHOT_CELLS_MAX {
            return Err(SnapshotError::TooManyCells);
        }
        check_head(&head, grid)?;
        let cells = std::mem::take(&mut head.cells);
        let cells = cells.iter().map(|cell| DecodedCell::check(cell, grid));
        let cells = cells.collect::<Result<_, _>>()?;
        Ok(Self { head, cells })
    }
}

/// The head of a snapshot alone, checked, without its cells: for whoever looks at the world more seldom than it is told of
/// it, and keeps the bytes until then.
///
/// # Errors
/// As [`ParsedSnapshot::parse`], but for what is wrong inside of a cell.
pub fn parse_head(bytes: &[u8], grid: &CellGrid) -> Result<Snapshot, SnapshotError> {
    let head = take_apart(bytes, |_| {})?;
    check_head(&head, grid)?;
    Ok(head)
}

fn check_head(head: &Snapshot, grid: &CellGrid) -> Result<(), SnapshotError> {
    if head.regions.len() > SNAPSHOT_REGIONS_MAX {
        return Err(SnapshotError::TooManyRegions);
    }
    if head.own.len() > OWN_STATE_BYTES_MAX {
        return Err(SnapshotError::OwnTooLong(head.own.len()));
    }
    if !grid.holds(CellIndex(head.home_cell)) {
        return Err(SnapshotError::UnknownHome(head.home_cell));
    }
    Ok(())
}

/// Takes an encoded snapshot apart as protobuf does (of a number or of bytes that are there twice the last ones count, unknown
/// fields are passed over), and gives away each cell where it lies. Repeated fields are counted as they come: an empty
/// message takes two bytes on the wire and a hundred in memory.
fn take_apart<'a>(bytes: &'a [u8], mut give_cell: impl FnMut(&'a [u8])) -> Result<Snapshot, SnapshotError> {
    let mut head = Snapshot::default();
    let (mut own, mut cells): (&[u8], usize) = (&[], 0);
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        match Field::next(&mut reader).ok_or(SnapshotError::Malformed)? {
            Field::Number(1, value) => head.number = value as u32,
            Field::Number(2, value) => head.tick = value,
            Field::Number(3, value) => head.input_ack = value,
            Field::Bytes(4, bytes) => own = bytes,
            Field::Number(5, value) => head.owner_epoch = value,
            Field::Bytes(REGIONS_FIELD, bytes) => {
                if head.regions.len() >= SNAPSHOT_REGIONS_MAX {
                    return Err(SnapshotError::TooManyRegions);
                }
                head.regions.push(region(bytes).ok_or(SnapshotError::Malformed)?);
            }
            Field::Number(7, value) => head.echo_ms = value as u32,
            Field::Number(8, value) => head.echo_held_ms = value as u32,
            Field::Number(9, value) => head.home_cell = value as u32,
            Field::Number(10, value) => head.discontinuity = value,
            Field::Bytes(CELLS_FIELD, cell) => {
                cells = cells.saturating_add(1);
                if cells > SNAPSHOT_CELLS_MAX {
                    return Err(SnapshotError::TooManyCells);
                }
                give_cell(cell);
            }
            Field::Number(1..=10 | CELLS_FIELD, _)
            | Field::Bytes(1..=10, _)
            | Field::Fixed(1..=10 | CELLS_FIELD) => return Err(SnapshotError::Malformed),
            Field::Number(..) | Field::Bytes(..) | Field::Fixed(_) => {}
        }
    }
    if own.len() > OWN_STATE_BYTES_MAX {
        return Err(SnapshotError::OwnTooLong(own.len()));
    }
    head.own = Bytes::copy_from_slice(own);
    Ok(head)
}

fn region(bytes: &[u8]) -> Option<RegionView> {
    let mut view = RegionView::default();
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        match Field::next(&mut reader)? {
            Field::Number(1, value) => view.region = value as u32,
            Field::Number(2, value) => view.region_epoch = value,
            Field::Number(3, value) => view.tick = value,
            Field::Number(4, value) => view.server_time_ms = value,
            Field::Bytes(1..=4, _) | Field::Fixed(1..=4) => return None,
            Field::Number(..) | Field::Bytes(..) | Field::Fixed(_) => {}
        }
    }
    Some(view)
}
