//! One cell: who stands in which slot, since when each slot is as it is, and the bytes that say so to those who have the
//! last state, an older one or none.

use bytes::Bytes;
use protocol::cell::{CellEncoder, CellEntity, CellPoint, Motion, RemoveReason, speed};
use protocol::geometry::{CellGrid, CellIndex};

use super::removals::Removals;
use crate::region::entity::{Change, Entities, Entity, EntityKey};

/// The fewest bytes that an entity takes in a keyframe: slot 1, id 8, kind 1, epoch 1, position 3, heading, speed and
/// length of state 1 each.
const KEYFRAME_ENTITY_BYTES_MIN: usize = 17;

/// What leads a subscriber that missed something to the last encoded state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::region) enum CaughtUp {
    /// One delta from the state that it has.
    Merged(Bytes),
    /// The whole cell.
    Whole(Bytes),
}

impl CaughtUp {
    pub(in crate::region) fn bytes(&self) -> &Bytes {
        match self {
            Self::Merged(bytes) | Self::Whole(bytes) => bytes,
        }
    }

    pub(in crate::region) fn into_bytes(self) -> Bytes {
        match self {
            Self::Merged(bytes) | Self::Whole(bytes) => bytes,
        }
    }
}

/// A place in a cell's table.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: Option<EntityKey>,
    /// The states of the cell that were the first with this entity, this motion, these state bytes.
    added: u32,
    moved: u32,
    stated: u32,
}

/// One cell.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) index: CellIndex,
    /// The state that the last encoding led to.
    seq: u32,
    slots: Vec<Slot>,
    count: usize,
    /// Slots where something may have changed since the last encoding.
    touched: Vec<u16>,
    removed: Vec<(u16, RemoveReason)>,
    removals: Removals,
    /// It is among the dirty cells.
    pub(super) listed: bool,
    keyframe: Option<(u32, Bytes)>,
}

impl Cell {
    pub(super) fn new(index: CellIndex) -> Self {
        Self {
            index,
            seq: 1,
            slots: Vec::new(),
            count: 0,
            touched: Vec::new(),
            removed: Vec::new(),
            removals: Removals::default(),
            listed: false,
            keyframe: None,
        }
    }

    pub(super) fn seq(&self) -> u32 {
        self.seq
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = EntityKey> {
        self.slots.iter().filter_map(|slot| slot.key)
    }

    /// Puts an entity into the first free slot, and gives that.
    pub(super) fn place(&mut self, key: EntityKey) -> u16 {
        let free = self.slots.iter().position(|slot| slot.key.is_none());
        let slot = free.unwrap_or(self.slots.len());
        if free.is_none() {
            self.slots.push(Slot::default());
        }
        self.slots[slot].key = Some(key);
        self.count += 1;
        self.touched.push(slot as u16);
        slot as u16
    }

    /// Empties a slot; viewers hear the reason if they have heard of whoever was in it.
    pub(super) fn displace(&mut self, slot: u16, change: Change, reason: RemoveReason) {
        self.slots[usize::from(slot)].key = None;
        self.count -= 1;
        if !change.added {
            self.removed.push((slot, reason));
        }
    }

    /// Notes that something published of a slot's entity may have changed.
    pub(super) fn touch(&mut self, slot: u16) {
        self.touched.push(slot);
    }

    /// Encodes what changed since the last encoding.
    pub(super) fn encode(
        &mut self,
        encoder: &mut CellEncoder,
        grid: &CellGrid,
        entities: &mut Entities,
    ) -> Option<Bytes> {
        encoder.clear();
        self.listed = false;
        let seq = self.seq.saturating_add(1);
        self.removed.sort_unstable_by_key(|(slot, _)| *slot);
        for (slot, reason) in self.removed.drain(..) {
            self.removals.push(seq, slot, reason);
            let taken = encoder.put_remove(slot, reason);
            debug_assert!(taken.is_ok());
        }
        self.touched.sort_unstable();
        self.touched.dedup();
        for number in self.touched.drain(..) {
            let Some(slot) = self.slots.get_mut(usize::from(number)) else {
                continue;
            };
            if let Some(entity) = slot.key.and_then(|key| entities.get_mut(key)) {
                put_change(encoder, self.index, grid, entity, slot, seq);
            }
        }
        if encoder.is_empty() {
            return None;
        }
        self.seq = seq;
        Some(encoder.finish_delta(self.index, seq - 1, seq))
    }

    /// The whole cell as it was last encoded; made once per state for all who need it.
    pub(super) fn keyframe(&mut self, encoder: &mut CellEncoder, entities: &Entities) -> Bytes {
        if let Some((_, bytes)) = self.keyframe.as_ref().filter(|(seq, _)| *seq == self.seq) {
            return bytes.clone();
        }
        encoder.clear();
        for (number, slot) in self.slots.iter().enumerate() {
            let entity = slot.key.and_then(|key| entities.get(key));
            if let Some(entity) = entity.filter(|entity| !entity.change.added) {
                let taken = encoder.put_add(number as u16, &published(entity));
                debug_assert!(taken.is_ok());
            }
        }
        let bytes = encoder.finish_keyframe(self.index, self.seq);
        self.keyframe = Some((self.seq, bytes.clone()));
        bytes
    }

    /// What leads from state `base` to the last encoded one: one delta, or the whole cell where that is shorter or `base`
    /// too old. Right after encoding only: what is touched later is not encoded yet.
    pub(super) fn catch_up(
        &mut self,
        base: u32,
        encoder: &mut CellEncoder,
        entities: &Entities,
        removed: &mut Vec<(u16, RemoveReason)>,
    ) -> CaughtUp {
        debug_assert!(self.touched.is_empty() && self.removed.is_empty());
        if base == 0 || !self.removals.reach(base) {
            return CaughtUp::Whole(self.keyframe(encoder, entities));
        }
        let merged = self.merge(base, encoder, entities, removed);
        // A keyframe cannot be shorter than this, so mostly it need not be made to see that.
        if merged.len() <= self.count * KEYFRAME_ENTITY_BYTES_MIN {
            return CaughtUp::Merged(merged);
        }
        let keyframe = self.keyframe(encoder, entities);
        if keyframe.len() < merged.len() {
            CaughtUp::Whole(keyframe)
        } else {
            CaughtUp::Merged(merged)
        }
    }

    /// One delta from `base`. It names everything touched since, also what looks again as it did at `base`, and each
    /// motion with its speed: the viewer may hold anything in between.
    fn merge(
        &self,
        base: u32,
        encoder: &mut CellEncoder,
        entities: &Entities,
        removed: &mut Vec<(u16, RemoveReason)>,
    ) -> Bytes {
        encoder.clear();
        self.removals.since(base, removed);
        for (slot, reason) in removed.drain(..) {
            let taken = encoder.put_remove(slot, reason);
            debug_assert!(taken.is_ok());
        }
        for (number, slot) in self.slots.iter().enumerate() {
            let number = number as u16;
            let Some(entity) = slot.key.and_then(|key| entities.get(key)) else {
                continue;
            };
            if slot.added > base {
                let taken = encoder.put_add(number, &published(entity));
                debug_assert!(taken.is_ok());
                continue;
            }
            if slot.moved > base {
                let taken = encoder.put_move_with_speed(number, &entity.sent);
                debug_assert!(taken.is_ok());
            }
            if slot.stated > base {
                let taken = encoder.put_state(number, &entity.state);
                debug_assert!(taken.is_ok());
            }
        }
        encoder.finish_delta(self.index, base, self.seq)
    }
}

/// Slots ascend, so every entry is taken.
fn put_change(
    encoder: &mut CellEncoder,
    cell: CellIndex,
    grid: &CellGrid,
    entity: &mut Entity,
    slot: &mut Slot,
    seq: u32,
) {
    let change = std::mem::take(&mut entity.change);
    let before = entity.sent;
    entity.sent = Motion {
        at: CellPoint::of(entity.at, cell, grid),
        heading: entity.heading,
        speed: speed::from_units(entity.speed),
    };
    let sent = entity.sent;
    if change.added {
        (slot.added, slot.moved, slot.stated) = (seq, seq, seq);
        let taken = encoder.put_add(entity.slot, &published(entity));
        debug_assert!(taken.is_ok());
        return;
    }
    let taken = if sent == before {
        Ok(())
    } else {
        slot.moved = seq;
        if sent.speed == before.speed {
            encoder.put_move(entity.slot, sent.at, sent.heading)
        } else {
            encoder.put_move_with_speed(entity.slot, &sent)
        }
    };
    debug_assert!(taken.is_ok());
    if change.state {
        slot.stated = seq;
        let taken = encoder.put_state(entity.slot, &entity.state);
        debug_assert!(taken.is_ok());
    }
}

pub(super) fn published(entity: &Entity) -> CellEntity {
    CellEntity {
        id: entity.id,
        kind: entity.kind,
        owner_epoch: entity.owner_epoch,
        motion: entity.sent,
        state: entity.state,
        jumped: entity.jumped,
    }
}
