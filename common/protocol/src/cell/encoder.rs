//! Writes `CellUpdate` bytes: once per changed cell and tick, for everybody who subscribed to the cell.

use bytes::Bytes;

use super::column::{SlotRefused, Slots, epoch_to_varint};
use super::entity::{CellEntity, RemoveReason, StateBytes};
use super::motion::{CellPoint, Motion, PositionForm};
use crate::geometry::CellIndex;
use crate::message::client::UpdateKind;
use crate::wire::{put_varint, varint_len};

/// Why an entry was not taken. Ours: entries come in the order of their slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot {0} is out of order in its column, or too high")]
pub struct CellEncodeError(pub u16);

#[derive(Debug, Default)]
struct Column {
    slots: Slots,
    bytes: Vec<u8>,
}

impl Column {
    fn start(&mut self, slot: u16) -> Result<(u64, &mut Vec<u8>), CellEncodeError> {
        let difference = self.slots.difference(slot);
        let difference = difference.map_err(|SlotRefused| CellEncodeError(slot))?;
        Ok((difference, &mut self.bytes))
    }

    fn clear(&mut self) {
        self.slots = Slots::default();
        self.bytes.clear();
    }
}

/// Collects the columns of one update at a time; its buffers are used again for the next.
#[derive(Debug)]
pub struct CellEncoder {
    form: PositionForm,
    adds: Column,
    moves: Column,
    states: Column,
    removes: Column,
}

impl CellEncoder {
    /// An encoder for a grid's form of positions.
    #[must_use]
    pub fn new(form: PositionForm) -> Self {
        Self {
            form,
            adds: Column::default(),
            moves: Column::default(),
            states: Column::default(),
            removes: Column::default(),
        }
    }

    /// The form of positions it writes.
    #[must_use]
    pub const fn form(&self) -> PositionForm {
        self.form
    }

    /// Whether nothing was put since the last update was finished.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns().iter().all(|(_, column)| column.bytes.is_empty())
    }

    /// Forgets what was put.
    pub fn clear(&mut self) {
        self.adds.clear();
        self.moves.clear();
        self.states.clear();
        self.removes.clear();
    }

    /// An entity that viewers do not have in this slot.
    ///
    /// # Errors
    /// `CellEncodeError` when the slot is not above the last one added, or too high; nothing is written then.
    pub fn put_add(&mut self, slot: u16, entity: &CellEntity) -> Result<(), CellEncodeError> {
        let form = self.form;
        let (difference, out) = self.adds.start(slot)?;
        put_varint(out, difference);
        put_entry(form, entity, out);
        Ok(())
    }

    /// Appends all that [`put_add`](Self::put_add) writes but the slot: for an entity that is sent to many, to each in another update.
    pub fn encode_add(&self, entity: &CellEntity, out: &mut Vec<u8>) {
        put_entry(self.form, entity, out);
    }

    /// As [`put_add`](Self::put_add), of what [`encode_add`](Self::encode_add) wrote.
    ///
    /// # Errors
    /// As [`put_add`](Self::put_add).
    pub fn put_encoded_add(&mut self, slot: u16, entry: &[u8]) -> Result<(), CellEncodeError> {
        let (difference, out) = self.adds.start(slot)?;
        put_varint(out, difference);
        out.extend_from_slice(entry);
        Ok(())
    }

    /// An entity that moved at the speed it had.
    ///
    /// # Errors
    /// As [`put_add`](Self::put_add).
    pub fn put_move(&mut self, slot: u16, at: CellPoint, heading: u8) -> Result<(), CellEncodeError> {
        let form = self.form;
        let (difference, out) = self.moves.start(slot)?;
        put_varint(out, difference << 1);
        form.put(at, out);
        out.push(heading);
        Ok(())
    }

    /// An entity that moved and changed its speed.
    ///
    /// # Errors
    /// As [`put_add`](Self::put_add).
    pub fn put_move_with_speed(&mut self, slot: u16, motion: &Motion) -> Result<(), CellEncodeError> {
        let form = self.form;
        let (difference, out) = self.moves.start(slot)?;
        put_varint(out, difference << 1 | 1);
        form.put(motion.at, out);
        out.extend_from_slice(&[motion.heading, motion.speed]);
        Ok(())
    }

    /// New state bytes of an entity.
    ///
    /// # Errors
    /// As [`put_add`](Self::put_add).
    pub fn put_state(&mut self, slot: u16, state: &StateBytes) -> Result<(), CellEncodeError> {
        let (difference, out) = self.states.start(slot)?;
        put_varint(out, difference);
        put_short_bytes(out, state);
        Ok(())
    }

    /// An entity that left its slot. The slot may be added again in the same update: removes are applied first.
    ///
    /// # Errors
    /// As [`put_add`](Self::put_add).
    pub fn put_remove(&mut self, slot: u16, reason: RemoveReason) -> Result<(), CellEncodeError> {
        let (difference, out) = self.removes.start(slot)?;
        match reason {
            RemoveReason::Gone => put_varint(out, difference << 1),
            RemoveReason::Moved { cell, epoch } => {
                put_varint(out, difference << 1 | 1);
                put_varint(out, u64::from(cell.0));
                put_varint(out, epoch_to_varint(epoch));
            }
        }
        Ok(())
    }

    /// What was put, as a change from state `base_seq` (usually `seq - 1`, at least 1) to state `seq`.
    ///
    /// It must name every slot touched since `base_seq`, also one that looks again as it did: the viewer may hold any
    /// state in between.
    pub fn finish_delta(&mut self, cell: CellIndex, base_seq: u32, seq: u32) -> Bytes {
        let base_seq = if base_seq == seq.saturating_sub(1) {
            0
        } else {
            base_seq
        };
        self.finish(cell, seq, base_seq, UpdateKind::Delta)
    }

    /// What was added, as the whole cell at state `seq` (at least 1: a cell starts empty at state 1).
    pub fn finish_keyframe(&mut self, cell: CellIndex, seq: u32) -> Bytes {
        self.finish(cell, seq, 0, UpdateKind::Keyframe)
    }

    /// What was added, as a part of the cell at state `seq`.
    pub fn finish_partial(&mut self, cell: CellIndex, seq: u32) -> Bytes {
        self.finish(cell, seq, 0, UpdateKind::Partial)
    }

    fn columns(&self) -> [(u8, &Column); 4] {
        [
            (5, &self.adds),
            (6, &self.moves),
            (7, &self.states),
            (8, &self.removes),
        ]
    }

    fn finish(&mut self, cell: CellIndex, seq: u32, base_seq: u32, kind: UpdateKind) -> Bytes {
        let numbers = [(1, cell.0), (2, seq), (3, base_seq), (4, kind as i32 as u32)];
        let numbers = numbers.into_iter().filter(|(_, value)| *value != 0);
        let columns = self.columns();
        let columns = columns.iter().filter(|(_, column)| !column.bytes.is_empty());
        let length = |bytes: usize| varint_len(bytes as u64).saturating_add(bytes).saturating_add(1);
        let numbers_len: usize = numbers
            .clone()
            .map(|(_, value)| varint_len(u64::from(value)).saturating_add(1))
            .sum();
        let columns_len: usize = columns
            .clone()
            .map(|(_, column)| length(column.bytes.len()))
            .sum();
        let mut out = Vec::with_capacity(numbers_len.saturating_add(columns_len));
        for (field, value) in numbers {
            out.push(field << 3);
            put_varint(&mut out, u64::from(value));
        }
        for (field, column) in columns {
            out.push(field << 3 | 2);
            put_varint(&mut out, column.bytes.len() as u64);
            out.extend_from_slice(&column.bytes);
        }
        self.clear();
        out.into()
    }
}

fn put_entry(form: PositionForm, entity: &CellEntity, out: &mut Vec<u8>) {
    out.extend_from_slice(&entity.id.0.to_le_bytes());
    put_varint(out, u64::from(entity.kind));
    put_varint(out, epoch_to_varint(entity.owner_epoch));
    form.put(entity.motion.at, out);
    out.extend_from_slice(&[entity.motion.heading, entity.motion.speed]);
    // Lengths end at 64, so their highest bit is free.
    out.push(entity.state.len() as u8 | u8::from(entity.jumped) << 7);
    out.extend_from_slice(&entity.state);
}

fn put_short_bytes(out: &mut Vec<u8>, bytes: &StateBytes) {
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}
