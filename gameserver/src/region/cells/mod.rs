//! The cells of a region, in each layer: who stands in which slot, what changed since the last tick, and the bytes that
//! say so, encoded once for all who subscribed.

mod cell;
mod removals;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::cell::{CellEncoder, PositionForm, RemoveReason};
use protocol::geometry::{CellGrid, CellIndex, Layer, Position, Rect};
use protocol::ids::{OwnerEpoch, UserId};
use protocol::limits::CELL_ENTITIES_MAX;
use protocol::visibility::Visibility;

use super::entity::{Change, Entities, Entity, EntityKey};
pub(super) use cell::CaughtUp;
use cell::Cell;

/// How far from the edge a place counts as inside, units: less than a step of a published position.
const INSIDE: f32 = 1.0 / 128.0;

/// What the last encoding made of a cell.
#[derive(Debug)]
pub(super) struct Changed {
    /// Its number within the region.
    pub(super) cell: u32,
    /// The state it led to, from the one before.
    pub(super) seq: u32,
    /// The delta.
    pub(super) delta: Bytes,
}

/// All cells of a region, layer by layer and row by row.
#[derive(Debug)]
pub(super) struct Cells {
    grid: CellGrid,
    rect: Rect,
    columns: u32,
    origin: (u32, u32),
    cells: Vec<Cell>,
    /// Cells of one layer.
    in_layer: u32,
    /// Whether clients look further for who is seen from afar; where they do not, such entities are near ones.
    has_far: bool,
    /// Entities in each layer.
    population: [usize; Layer::ALL.len()],
    /// Whom one user alone sees, in the order in which that was said.
    only: BTreeMap<UserId, Vec<EntityKey>>,
    /// Cells where something happened since the last encoding.
    dirty: Vec<u32>,
    /// Cells that changed in the last encoding, with the bytes that say how.
    changed: Vec<Changed>,
    /// What was made since the last encoding for those who were skipped, by cell and the state they have.
    caught_up: BTreeMap<(u32, u32), CaughtUp>,
    encoder: CellEncoder,
    /// Scratch space.
    removed: Vec<(u16, RemoveReason)>,
}

impl Cells {
    /// `far_rings`: in how many rings of cells clients see who is seen from afar.
    pub(super) fn new(grid: CellGrid, rect: Rect, far_rings: u32) -> Self {
        let size = grid.cell_size.max(1);
        let has_far = far_rings > 0;
        let layers = Layer::ALL.into_iter();
        let layers = layers.filter(|layer| has_far || *layer != Layer::Far);
        let of_layer = |layer| grid.within(rect).map(move |cell| Cell::new(grid.on(cell, layer)));
        let cells: Vec<Cell> = layers.flat_map(of_layer).collect();
        Self {
            grid,
            rect,
            columns: (rect.max[0] - rect.min[0]) / size,
            origin: (rect.min[0] / size, rect.min[1] / size),
            in_layer: grid.within(rect).count() as u32,
            has_far,
            population: [0; Layer::ALL.len()],
            only: BTreeMap::new(),
            cells,
            dirty: Vec::new(),
            changed: Vec::new(),
            caught_up: BTreeMap::new(),
            encoder: CellEncoder::new(PositionForm::of(&grid)),
            removed: Vec::new(),
        }
    }

    pub(super) fn grid(&self) -> &CellGrid {
        &self.grid
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The region's cell of the first layer that publishes what stands there: the nearest one for what overhangs the border.
    pub(super) fn home(&self, at: Position) -> u32 {
        let inside = self.rect.clamp(at, INSIDE);
        self.local(self.grid.cell_at(inside)).unwrap_or(0)
    }

    /// The number within the region of one of its cells.
    pub(super) fn local(&self, cell: CellIndex) -> Option<u32> {
        let (column, row) = self.grid.column_row(cell);
        let (column, row) = (
            column.checked_sub(self.origin.0)?,
            row.checked_sub(self.origin.1)?,
        );
        let local = row.checked_mul(self.columns)?.checked_add(column)?;
        let layer = self.grid.layer(cell)?;
        let is_here = column < self.columns && local < self.in_layer;
        let has_layer = self.has_far || layer != Layer::Far;
        (is_here && has_layer).then(|| self.below(layer) + local)
    }

    pub(super) fn index(&self, local: u32) -> CellIndex {
        self.cells
            .get(local as usize)
            .map_or(CellIndex(0), |cell| cell.index)
    }

    /// Whether one more that is seen so fits into the cell of a place, and so many after it.
    pub(super) fn has_room(&self, at: Position, seen: Visibility, spare: usize) -> bool {
        self.cells[self.place_of(at, seen) as usize].count() + spare < CELL_ENTITIES_MAX
    }

    /// Puts an entity into the cell under it; `None` when that cell is full, or there is one of its id.
    pub(super) fn enter(&mut self, entity: Entity, entities: &mut Entities) -> Option<EntityKey> {
        let local = self.place_of(entity.at, entity.visibility);
        if self.cells[local as usize].count() >= CELL_ENTITIES_MAX {
            return None;
        }
        let visibility = entity.visibility;
        let key = entities.insert(Entity {
            cell: local,
            ..entity
        })?;
        self.place(key, local, entities);
        self.note_only(key, visibility);
        Some(key)
    }

    /// Takes an entity out of its cell and out of the table.
    pub(super) fn leave(
        &mut self,
        key: EntityKey,
        reason: RemoveReason,
        entities: &mut Entities,
    ) -> Option<Entity> {
        self.displace(key, reason, entities);
        let entity = entities.remove(key)?;
        self.forget_only(key, entity.visibility);
        Some(entity)
    }

    /// Moves an entity, into another cell if need be. An entity whose new cell is full stays published in its old one.
    pub(super) fn walk(&mut self, key: EntityKey, to: Position, entities: &mut Entities) {
        let Some(entity) = entities.get_mut(key) else {
            return;
        };
        let home = self.place_of(to, entity.visibility);
        entity.at = to;
        let (cell, epoch) = (entity.cell, entity.owner_epoch);
        if cell == home || self.cells[home as usize].count() >= CELL_ENTITIES_MAX {
            return self.touch(key, entities);
        }
        let reason = RemoveReason::Moved {
            cell: self.index(home),
            epoch,
        };
        self.displace(key, reason, entities);
        self.place(key, home, entities);
    }

    /// How many more a cell takes.
    pub(super) fn room(&self, local: u32) -> usize {
        let count = self.cells.get(local as usize).map_or(0, Cell::count);
        CELL_ENTITIES_MAX.saturating_sub(count)
    }

    /// Puts an entity somewhere else, where there is room: viewers find it there anew, with the mark that says so, and draw
    /// nothing in between.
    pub(super) fn jump(&mut self, key: EntityKey, to: Position, jumped: bool, entities: &mut Entities) {
        if let Some(entity) = entities.get_mut(key) {
            let home = self.place_of(to, entity.visibility);
            entity.at = to;
            entity.jumped = jumped;
            self.displace(key, RemoveReason::Gone, entities);
            self.place(key, home, entities);
        }
    }

    /// The entity has a new owner epoch: viewers have to add it again.
    pub(super) fn renew(&mut self, key: EntityKey, owner_epoch: OwnerEpoch, entities: &mut Entities) {
        let Some(entity) = entities.get_mut(key) else {
            return;
        };
        entity.owner_epoch = owner_epoch;
        let local = entity.cell;
        let reason = RemoveReason::Moved {
            cell: self.index(local),
            epoch: owner_epoch,
        };
        self.displace(key, reason, entities);
        self.place(key, local, entities);
    }

    /// Notes that something published of the entity may have changed.
    pub(super) fn touch(&mut self, key: EntityKey, entities: &mut Entities) {
        let Some(entity) = entities.get_mut(key) else {
            return;
        };
        if !entity.change.listed {
            entity.change.listed = true;
            self.cells[entity.cell as usize].touch(entity.slot);
            self.list(entity.cell);
        }
    }

    /// Calls `found` with each entity in the cells that a square of `radius` round a place touches.
    pub(super) fn around(&self, at: Position, radius: f32, mut found: impl FnMut(EntityKey)) {
        let corner = |sign: f32| Position {
            x: at.x + sign * radius,
            y: at.y + sign * radius,
        };
        let (first, last) = (self.home(corner(-1.0)), self.home(corner(1.0)));
        let columns = self.columns.max(1);
        let layers = (0..)
            .zip(self.population)
            .filter(|(_, population)| *population > 0);
        for (layer, _) in layers {
            let below = layer * self.in_layer;
            for row in first / columns..=last / columns {
                for column in first % columns..=last % columns {
                    let cell = &self.cells[(below + row * columns + column) as usize];
                    cell.keys().for_each(&mut found);
                }
            }
        }
    }

    /// Encodes what changed since the last time.
    pub(super) fn encode(&mut self, entities: &mut Entities) {
        self.changed.clear();
        self.caught_up.clear();
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        for &local in &dirty {
            let cell = &mut self.cells[local as usize];
            if let Some(delta) = cell.encode(&mut self.encoder, &self.grid, entities) {
                self.changed.push(Changed {
                    cell: local,
                    seq: cell.seq(),
                    delta,
                });
            }
        }
        dirty.clear();
        self.dirty = dirty;
    }

    /// Whether anything has changed since the last encoding.
    pub(super) fn has_changed(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// What the last encoding changed, cells ascending.
    pub(super) fn changed(&self) -> &[Changed] {
        &self.changed
    }

    /// The whole cell as it was last encoded; made once per state for all who need it.
    pub(super) fn keyframe(&mut self, local: u32, entities: &Entities) -> Bytes {
        let cell = self.cells.get_mut(local as usize);
        cell.map_or_else(Bytes::new, |cell| cell.keyframe(&mut self.encoder, entities))
    }

    /// What leads a subscriber from state `base` to the last encoded one; made once for all who have that state. In the
    /// same tick as [`encode`](Self::encode), and after it.
    pub(super) fn catch_up(&mut self, local: u32, base: u32, entities: &Entities) -> CaughtUp {
        let Some(cell) = self.cells.get_mut(local as usize) else {
            return CaughtUp::Whole(Bytes::new());
        };
        let made = self.caught_up.entry((local, base));
        made.or_insert_with(|| cell.catch_up(base, &mut self.encoder, entities, &mut self.removed))
            .clone()
    }

    fn place(&mut self, key: EntityKey, local: u32, entities: &mut Entities) {
        let slot = self.cells[local as usize].place(key);
        self.population[self.layer_of(local)] += 1;
        if let Some(entity) = entities.get_mut(key) {
            entity.cell = local;
            entity.slot = slot;
            entity.change = Change {
                listed: true,
                added: true,
                state: false,
            };
        }
        self.list(local);
    }

    fn displace(&mut self, key: EntityKey, reason: RemoveReason, entities: &Entities) {
        let Some(entity) = entities.get(key) else { return };
        self.cells[entity.cell as usize].displace(entity.slot, entity.change, reason);
        self.population[self.layer_of(entity.cell)] -= 1;
        self.list(entity.cell);
    }

    fn layer_of(&self, local: u32) -> usize {
        (local / self.in_layer.max(1)) as usize
    }

    fn list(&mut self, local: u32) {
        let cell = &mut self.cells[local as usize];
        if !cell.listed {
            cell.listed = true;
            self.dirty.push(local);
        }
    }
}
