//! Which layer an entity is in, and whom one user alone is shown.

use bytes::Bytes;
use protocol::cell::RemoveReason;
use protocol::geometry::{CellIndex, Layer, Position};
use protocol::ids::UserId;
use protocol::limits::{OWNER_ONLY_BYTES_MAX, OWNER_ONLY_MAX};
use protocol::visibility::Visibility;

use super::Cells;
use super::cell::published;
use crate::region::entity::{Entities, Entity, EntityKey};

/// What an encoded cell takes beside its entities, and an entity beside its state, at most.
const CELL_BYTES: usize = 18;
const ENTITY_BYTES: usize = 28;

impl Cells {
    /// The cell of the world's first layer that an entity is in.
    pub(in crate::region) fn home_cell(&self, entity: &Entity) -> CellIndex {
        self.grid.ground(self.index(entity.cell))
    }

    /// The cell of the world in which an entity shows itself that is seen so and stands there, in whichever region that is.
    pub(in crate::region) fn showing(&self, at: Position, seen: Visibility) -> CellIndex {
        self.grid.on(self.grid.cell_at(at), self.layer(seen))
    }

    /// The region's cell that publishes what stands there and is seen so.
    pub(in crate::region) fn place_of(&self, at: Position, seen: Visibility) -> u32 {
        self.below(self.layer(seen)) + self.home(at)
    }

    /// The cell that an entity is in when it is seen so.
    pub(in crate::region) fn place_if(&self, entity: &Entity, seen: Visibility) -> u32 {
        match self.layer(entity.visibility) == self.layer(seen) {
            true => entity.cell,
            false => self.place_of(entity.at, seen),
        }
    }

    /// Cells of the region before those of a layer. The far one is not there where nobody looks that far.
    pub(super) fn below(&self, layer: Layer) -> u32 {
        let layers = match layer {
            Layer::Near => 0,
            Layer::Far => 1,
            Layer::Unseen => 1 + u32::from(self.has_far),
        };
        layers * self.in_layer
    }

    fn layer(&self, seen: Visibility) -> Layer {
        match seen.layer() {
            Layer::Far if !self.has_far => Layer::Near,
            layer => layer,
        }
    }

    /// Entities that clients are not shown, but for one each.
    pub(in crate::region) fn unseen(&self) -> usize {
        self.population[self.layer_of(self.below(Layer::Unseen))]
    }

    /// Whether clients may be told of a cell.
    pub(in crate::region) fn is_for_clients(&self, local: u32) -> bool {
        self.grid.layer(self.index(local)) != Some(Layer::Unseen)
    }

    /// Lets others see an entity, or not; whether it could be done.
    pub(in crate::region) fn show(
        &mut self,
        key: EntityKey,
        seen: Visibility,
        entities: &mut Entities,
    ) -> bool {
        let Some(entity) = entities.get(key) else {
            return false;
        };
        let (before, cell, epoch) = (entity.visibility, entity.cell, entity.owner_epoch);
        let next = self.place_if(entity, seen);
        if before == seen {
            return true;
        }
        if (next != cell && self.room(next) == 0) || self.is_full_for(seen) {
            return false;
        }
        self.forget_only(key, before);
        self.note_only(key, seen);
        if let Some(entity) = entities.get_mut(key) {
            entity.visibility = seen;
        }
        if next != cell {
            let reason = match self.is_for_clients(next) {
                true => RemoveReason::Moved {
                    cell: self.index(next),
                    epoch,
                },
                false => RemoveReason::Gone,
            };
            self.displace(key, reason, entities);
            self.place(key, next, entities);
        }
        true
    }

    fn is_full_for(&self, seen: Visibility) -> bool {
        let Visibility::Only(user) = seen else {
            return false;
        };
        self.only
            .get(&user)
            .is_some_and(|keys| keys.len() >= OWNER_ONLY_MAX)
    }

    pub(super) fn note_only(&mut self, key: EntityKey, seen: Visibility) {
        if let Visibility::Only(user) = seen {
            self.only.entry(user).or_default().push(key);
        }
    }

    pub(super) fn forget_only(&mut self, key: EntityKey, seen: Visibility) {
        if let Visibility::Only(user) = seen
            && let Some(keys) = self.only.get_mut(&user)
        {
            keys.retain(|of| *of != key);
            if keys.is_empty() {
                self.only.remove(&user);
            }
        }
    }

    /// Whom this user alone sees, as whole cells; as many as there is room for. After encoding.
    pub(in crate::region) fn only_for(&mut self, user: UserId, tick: u64, entities: &Entities) -> Vec<Bytes> {
        let Some(keys) = self.only.get(&user) else {
            return Vec::new();
        };
        let known = keys.iter().filter_map(|key| entities.get(*key));
        let mut shown: Vec<&Entity> = known.filter(|entity| !entity.change.added).collect();
        shown.truncate(OWNER_ONLY_MAX);
        shown.sort_unstable_by_key(|entity| (entity.cell, entity.id));
        let mut room = OWNER_ONLY_BYTES_MAX;
        let mut cells = Vec::new();
        for of_cell in shown.chunk_by(|one, next| one.cell == next.cell) {
            room = room.saturating_sub(CELL_BYTES);
            self.encoder.clear();
            for (slot, entity) in (0..).zip(of_cell) {
                let Some(left) = room.checked_sub(ENTITY_BYTES + entity.state.len()) else {
                    break;
                };
                room = left;
                let taken = self.encoder.put_add(slot, &published(entity));
                debug_assert!(taken.is_ok());
            }
            if let Some(first) = of_cell.first().filter(|_| !self.encoder.is_empty()) {
                // A number that a keyframe may have: each of these stands for itself.
                let seq = u32::try_from(tick).unwrap_or(u32::MAX).max(1);
                let index = self.index(first.cell);
                cells.push(self.encoder.finish_keyframe(index, seq));
            }
        }
        cells
    }
}
