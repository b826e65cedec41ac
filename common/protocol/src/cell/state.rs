//! One cell as a subscriber or viewer holds it, and the one rule by which updates change it.

use std::collections::BTreeMap;
use std::mem;

use bytes::Bytes;

use super::decoded::{DecodedCell, Move};
use super::encoder::CellEncoder;
use super::entity::{CellEntity, RemoveReason, StateBytes};
use crate::geometry::CellIndex;
use crate::message::client::UpdateKind;

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The state is the update's `seq` now.
    Advanced,
    /// Some entities are newer now, the state is what it was.
    Partially,
    /// Nothing happened: the state is as new, or newer.
    Stale,
}

/// A delta starts from a state that is not there: a repeat of what is missing, or a keyframe, has to come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a delta from {base_seq} does not apply to {have}")]
pub struct Gap {
    /// The state held; 0: none.
    pub have: u32,
    /// The state the delta starts from.
    pub base_seq: u32,
}

/// One difference that an update made, in the order in which it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// An entity that was not in the cell.
    Added(&'a CellEntity),
    /// An entity that is still in the cell, as it is now.
    Changed(&'a CellEntity),
    /// The same, of which only the motion is new.
    Moved(&'a CellEntity),
    /// An entity that is not in the cell any more, as it was last.
    Removed {
        /// What it was.
        entity: &'a CellEntity,
        /// Why; `None` when all that is known is that a newer picture is without it.
        reason: Option<RemoveReason>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    entity: CellEntity,
    /// The update that this is the outcome of: deltas up to it have nothing to say about this slot.
    as_of: u32,
}

/// The entities of one cell under one region epoch. A higher region epoch starts with a new one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellState {
    seq: u32,
    slots: BTreeMap<u16, Held>,
}

impl CellState {
    /// The newest state that is held whole; 0 before the first keyframe.
    #[must_use]
    pub const fn seq(&self) -> u32 {
        self.seq
    }

    /// Number of entities.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the cell is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The entity in a slot.
    #[must_use]
    pub fn get(&self, slot: u16) -> Option<&CellEntity> {
        self.slots.get(&slot).map(|held| &held.entity)
    }

    /// All slots and their entities, slots ascending.
    pub fn entities(&self) -> impl ExactSizeIterator<Item = (u16, &CellEntity)> {
        self.slots.iter().map(|(slot, held)| (*slot, &held.entity))
    }

    /// Applies an update: a keyframe unless it is older than the state, a delta if `base_seq ≤ have < seq`, a partial if
    /// it is newer than the state, which it does not advance.
    ///
    /// # Errors
    /// `Gap`, with nothing changed, when something is missing in between.
    pub fn apply(&mut self, update: &DecodedCell) -> Result<Applied, Gap> {
        self.apply_with(update, |_| {})
    }

    /// As [`apply`](Self::apply), telling each change. Changes of slots that hold nothing are ignored: the next
    /// keyframe repairs what a sender forgot.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_with(
        &mut self,
        update: &DecodedCell,
        mut tell: impl FnMut(Change<'_>),
    ) -> Result<Applied, Gap> {
        match update.kind {
            UpdateKind::Keyframe if update.seq >= self.seq => self.replace(update, &mut tell),
            UpdateKind::Partial if update.seq > self.seq => {
                self.add_all(update, &mut tell);
                return Ok(Applied::Partially);
            }
            UpdateKind::Delta if update.seq > self.seq => {
                let (have, base_seq) = (self.seq, update.base_seq);
                if have == 0 || base_seq > have {
                    return Err(Gap { have, base_seq });
                }
                self.advance(update, &mut tell);
            }
            UpdateKind::Keyframe | UpdateKind::Partial | UpdateKind::Delta => return Ok(Applied::Stale),
        }
        self.seq = update.seq;
        Ok(Applied::Advanced)
    }

    /// The whole cell as a keyframe of the state held.
    pub fn encode_keyframe(&self, cell: CellIndex, encoder: &mut CellEncoder) -> Bytes {
        encoder.clear();
        for (slot, entity) in self.entities() {
            // Slots ascend and were checked when they came, so each of them is taken.
            let taken = encoder.put_add(slot, entity);
            debug_assert!(taken.is_ok());
        }
        encoder.finish_keyframe(cell, self.seq)
    }

    fn replace(&mut self, keyframe: &DecodedCell, tell: &mut impl FnMut(Change<'_>)) {
        // What a newer partial brought stays; the deltas that lead to it are still to come.
        let newer = |held: &Held| held.as_of > keyframe.seq;
        let before = mem::take(&mut self.slots);
        let kept = before.iter().filter(|(_, held)| newer(held));
        self.slots = kept.map(|(slot, held)| (*slot, *held)).collect();
        let mut adds = keyframe.adds.iter().peekable();
        for (slot, held) in before.iter().filter(|(_, held)| !newer(held)) {
            while adds.next_if(|add| add.slot < *slot).is_some() {}
            let still = adds.peek().filter(|add| add.slot == *slot);
            if still.is_some_and(|add| add.entity.id == held.entity.id) {
                self.slots.insert(*slot, *held);
            } else {
                removed(&held.entity, None, tell);
            }
        }
        self.add_all(keyframe, tell);
    }

    fn advance(&mut self, delta: &DecodedCell, tell: &mut impl FnMut(Change<'_>)) {
        for remove in &delta.removes {
            let held = self.slots.get(&remove.slot);
            if held.is_some_and(|held| held.as_of < delta.seq)
                && let Some(held) = self.slots.remove(&remove.slot)
            {
                removed(&held.entity, Some(remove.reason), tell);
            }
        }
        self.add_all(delta, tell);
        for change in &delta.moves {
            if let Some(entity) = self.of_slot(change.slot, delta.seq) {
                shift(entity, change);
                tell(Change::Moved(entity));
            }
        }
        for change in &delta.states {
            if let Some(entity) = self.of_slot(change.slot, delta.seq) {
                entity.state = StateBytes::clone(&change.state);
                tell(Change::Changed(entity));
            }
        }
    }

    fn add_all(&mut self, update: &DecodedCell, tell: &mut impl FnMut(Change<'_>)) {
        for add in &update.adds {
            let held = Held {
                entity: add.entity,
                as_of: update.seq,
            };
            let before = self.slots.get(&add.slot);
            if before.is_some_and(|before| before.as_of > update.seq) {
                continue;
            }
            match self.slots.insert(add.slot, held) {
                Some(before) if before.entity.id == add.entity.id => tell(Change::Changed(&add.entity)),
                Some(before) => {
                    removed(&before.entity, None, tell);
                    tell(Change::Added(&add.entity));
                }
                None => tell(Change::Added(&add.entity)),
            }
        }
    }

    /// The entity of a slot, to be changed by a delta unless it is newer.
    fn of_slot(&mut self, slot: u16, seq: u32) -> Option<&mut CellEntity> {
        let held = self.slots.get_mut(&slot).filter(|held| held.as_of <= seq)?;
        held.as_of = seq;
        Some(&mut held.entity)
    }
}

fn removed(entity: &CellEntity, reason: Option<RemoveReason>, tell: &mut impl FnMut(Change<'_>)) {
    tell(Change::Removed { entity, reason });
}

fn shift(entity: &mut CellEntity, change: &Move) {
    entity.motion.at = change.at;
    entity.motion.heading = change.heading;
    entity.motion.speed = change.speed.unwrap_or(entity.motion.speed);
}
