//! A cell update with every byte checked: parsed once per process and shared by all who view the cell.

use super::column::{SlotRefused, Slots, epoch_from_varint};
use super::columns::Columns;
use super::entity::{CellEntity, RemoveReason, StateBytes, StateTooLong};
use super::motion::{CellPoint, Motion, PositionForm};
use crate::geometry::{CellGrid, CellIndex};
use crate::ids::EntityId;
use crate::message::client::{CellUpdate, UpdateKind};
use crate::wire::{Reader, Truncated};

/// Why a cell update was refused. Always the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// protobuf said no.
    #[error("a cell update is malformed")]
    Malformed,
    /// A kind of update this version does not know.
    #[error("a cell update is of the unknown kind {0}")]
    UnknownKind(i32),
    /// A cell outside the world, or of no layer.
    #[error("cell {0} is outside the world")]
    UnknownCell(u64),
    /// `seq` is 0, or `base_seq` is missing, not below it, or set where it must not be.
    #[error("sequence {seq} from {base_seq} makes no sense")]
    Sequence {
        /// As written.
        base_seq: u32,
        /// As written.
        seq: u32,
    },
    /// A keyframe or partial with other columns than adds.
    #[error("a keyframe or partial update carries changes")]
    ColumnDenied,
    /// A column ends inside an entry.
    #[error("a column ends inside an entry")]
    Truncated,
    /// A number is longer than its type.
    #[error("a number in a column is too large")]
    Number,
    /// Slots do not ascend, or one is too high.
    #[error("the slots of a column do not ascend, or are too high")]
    Slot,
    /// State bytes of an entity exceed the limit.
    #[error(transparent)]
    State(StateTooLong),
}

impl From<Truncated> for CellError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

impl From<SlotRefused> for CellError {
    fn from(_: SlotRefused) -> Self {
        Self::Slot
    }
}

/// An entity that appears in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Add {
    /// Its place in the cell's table.
    pub slot: u16,
    /// All about it.
    pub entity: CellEntity,
}

/// An entity that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its place in the cell's table.
    pub slot: u16,
    /// Where it is.
    pub at: CellPoint,
    /// 1/256 of a turn.
    pub heading: u8,
    /// 1/4 unit per second; `None`: as before.
    pub speed: Option<u8>,
}

/// An entity whose state bytes changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Its place in the cell's table.
    pub slot: u16,
    /// The new bytes, whole.
    pub state: StateBytes,
}

/// An entity that left its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remove {
    /// The place that is free now.
    pub slot: u16,
    /// Why.
    pub reason: RemoveReason,
}

/// A checked cell update. Slots ascend in every column; to be applied in the order removes, adds, moves, states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedCell {
    /// A cell of the grid, in one of its layers.
    pub cell: CellIndex,
    /// What it is.
    pub kind: UpdateKind,
    /// The state it leads to, at least 1.
    pub seq: u32,
    /// The state a delta starts from, at least 1 and below `seq`; 0 in other kinds.
    pub base_seq: u32,
    /// New entities; all entities of a keyframe.
    pub adds: Vec<Add>,
    /// Only in deltas.
    pub moves: Vec<Move>,
    /// Only in deltas.
    pub states: Vec<State>,
    /// Only in deltas.
    pub removes: Vec<Remove>,
}

impl DecodedCell {
    /// Parses an encoded `CellUpdate`.
    ///
    /// # Errors
    /// `CellError` names the first rule that is broken.
    pub fn parse(bytes: &[u8], grid: &CellGrid) -> Result<Self, CellError> {
        let columns = Columns::parse(bytes).ok_or(CellError::Malformed)?;
        Self::check_columns(&columns, grid)
    }

    /// Checks a `CellUpdate` that protobuf has taken apart already.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn check(update: &CellUpdate, grid: &CellGrid) -> Result<Self, CellError> {
        Self::check_columns(&update.into(), grid)
    }

    fn check_columns(update: &Columns<'_>, grid: &CellGrid) -> Result<Self, CellError> {
        let kind = UpdateKind::try_from(update.kind).map_err(|_| CellError::UnknownKind(update.kind))?;
        let cell = check_cell(u64::from(update.cell), grid)?;
        let base_seq = check_sequence(update, kind)?;
        let changes = [update.moves, update.states, update.removes];
        if kind != UpdateKind::Delta && changes.iter().any(|column| !column.is_empty()) {
            return Err(CellError::ColumnDenied);
        }
        let form = PositionForm::of(grid);
        Ok(Self {
            cell,
            kind,
            seq: update.seq,
            base_seq,
            adds: column(update.adds, |reader, slots| parse_add(reader, slots, form))?,
            moves: column(update.moves, |reader, slots| parse_move(reader, slots, form))?,
            states: column(update.states, parse_state)?,
            removes: column(update.removes, |reader, slots| parse_remove(reader, slots, grid))?,
        })
    }
}

fn check_cell(cell: u64, grid: &CellGrid) -> Result<CellIndex, CellError> {
    let index = u32::try_from(cell).map(CellIndex);
    index
        .ok()
        .filter(|index| grid.layer(*index).is_some())
        .ok_or(CellError::UnknownCell(cell))
}

/// The state the update starts from: 0 where it starts from nothing.
fn check_sequence(update: &Columns<'_>, kind: UpdateKind) -> Result<u32, CellError> {
    let (seq, base_seq) = (update.seq, update.base_seq);
    let refused = CellError::Sequence { base_seq, seq };
    match (kind, base_seq) {
        _ if seq == 0 => Err(refused),
        (UpdateKind::Delta, 0) if seq > 1 => Ok(seq.saturating_sub(1)),
        (UpdateKind::Delta, 1..) if base_seq < seq => Ok(base_seq),
        (UpdateKind::Keyframe | UpdateKind::Partial, 0) => Ok(0),
        _ => Err(refused),
    }
}

/// Reads entries until the column ends. Each takes a byte and a slot of its own, which bounds their number.
fn column<T>(
    bytes: &[u8],
    entry: impl Fn(&mut Reader<'_>, &mut Slots) -> Result<T, CellError>,
) -> Result<Vec<T>, CellError> {
    let (mut reader, mut slots) = (Reader::new(bytes), Slots::default());
    let mut entries = Vec::new();
    while !reader.is_empty() {
        entries.push(entry(&mut reader, &mut slots)?);
    }
    Ok(entries)
}

fn parse_add(reader: &mut Reader<'_>, slots: &mut Slots, form: PositionForm) -> Result<Add, CellError> {
    let slot = slots.take(varint(reader)?)?;
    let id = EntityId(reader.u64()?);
    let kind = u16::try_from(varint(reader)?).map_err(|_| CellError::Number)?;
    let owner_epoch = epoch_from_varint(varint(reader)?);
    let motion = Motion {
        at: form.parse(reader)?,
        heading: reader.u8()?,
        speed: reader.u8()?,
    };
    let flagged_length = reader.u8()?;
    let entity = CellEntity {
        id,
        kind,
        owner_epoch,
        motion,
        state: state_bytes(reader, flagged_length & 0x7f)?,
        jumped: flagged_length & 0x80 != 0,
    };
    Ok(Add { slot, entity })
}

fn parse_move(reader: &mut Reader<'_>, slots: &mut Slots, form: PositionForm) -> Result<Move, CellError> {
    let (slot, has_speed) = flagged_slot(reader, slots)?;
    Ok(Move {
        slot,
        at: form.parse(reader)?,
        heading: reader.u8()?,
        speed: has_speed.then(|| reader.u8()).transpose()?,
    })
}

fn parse_state(reader: &mut Reader<'_>, slots: &mut Slots) -> Result<State, CellError> {
    let slot = slots.take(varint(reader)?)?;
    let length = reader.u8()?;
    let state = state_bytes(reader, length)?;
    Ok(State { slot, state })
}

fn parse_remove(reader: &mut Reader<'_>, slots: &mut Slots, grid: &CellGrid) -> Result<Remove, CellError> {
    let (slot, has_moved) = flagged_slot(reader, slots)?;
    let reason = if has_moved {
        RemoveReason::Moved {
            cell: check_cell(varint(reader)?, grid)?,
            epoch: epoch_from_varint(varint(reader)?),
        }
    } else {
        RemoveReason::Gone
    };
    Ok(Remove { slot, reason })
}

/// A slot difference with a flag in its lowest bit.
fn flagged_slot(reader: &mut Reader<'_>, slots: &mut Slots) -> Result<(u16, bool), CellError> {
    let value = varint(reader)?;
    let slot = slots.take(value >> 1)?;
    Ok((slot, value & 1 == 1))
}

fn varint(reader: &mut Reader<'_>) -> Result<u64, CellError> {
    reader.varint()?.ok_or(CellError::Number)
}

fn state_bytes(reader: &mut Reader<'_>, length: u8) -> Result<StateBytes, CellError> {
    StateBytes::try_from(reader.bytes(usize::from(length))?).map_err(CellError::State)
}
