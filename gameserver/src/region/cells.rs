//! The cells of a region: who stands in which slot, what changed since the last tick, and the bytes that say so,
//! encoded once for all who subscribed.

use bytes::Bytes;
use protocol::cell::{CellEncoder, CellEntity, CellPoint, Motion, PositionForm, RemoveReason, speed};
use protocol::geometry::{CellGrid, CellIndex, Position, Rect};
use protocol::ids::OwnerEpoch;
use protocol::limits::CELL_ENTITIES_MAX;

use super::entity::{Change, Entities, Entity, EntityKey};

/// How far from the edge a place counts as inside, units: less than a step of a published position.
const INSIDE: f32 = 1.0 / 128.0;

/// One cell.
#[derive(Debug)]
pub(super) struct Cell {
    index: CellIndex,
    /// The state that subscribers have after this tick.
    seq: u32,
    slots: Vec<Option<EntityKey>>,
    count: usize,
    touched: Vec<u16>,
    removed: Vec<(u16, RemoveReason)>,
    listed: bool,
    keyframe: Option<(u32, Bytes)>,
}

/// All cells of a region, row by row.
#[derive(Debug)]
pub(super) struct Cells {
    grid: CellGrid,
    rect: Rect,
    columns: u32,
    origin: (u32, u32),
    cells: Vec<Cell>,
    /// Cells where something happened since the last encoding.
    dirty: Vec<u32>,
    /// Cells that changed in the last encoding, with the bytes that say how.
    changed: Vec<(u32, Bytes)>,
    encoder: CellEncoder,
}

impl Cells {
    pub(super) fn new(grid: CellGrid, rect: Rect) -> Self {
        let size = grid.cell_size.max(1);
        let cells = grid.within(rect).map(Cell::new).collect();
        Self {
            grid,
            rect,
            columns: (rect.max[0] - rect.min[0]) / size,
            origin: (rect.min[0] / size, rect.min[1] / size),
            cells,
            dirty: Vec::new(),
            changed: Vec::new(),
            encoder: CellEncoder::new(PositionForm::of(&grid)),
        }
    }

    pub(super) fn grid(&self) -> &CellGrid {
        &self.grid
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The region's cell that publishes what stands there: the nearest one for what overhangs the border.
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
        (column < self.columns && (local as usize) < self.cells.len() && self.grid.holds(cell))
            .then_some(local)
    }

    pub(super) fn index(&self, local: u32) -> CellIndex {
        self.cells
            .get(local as usize)
            .map_or(CellIndex(0), |cell| cell.index)
    }

    /// Puts an entity into the cell under it; `None` when that cell is full.
    pub(super) fn enter(&mut self, entity: Entity, entities: &mut Entities) -> Option<EntityKey> {
        let local = self.home(entity.at);
        if self.cells[local as usize].count >= CELL_ENTITIES_MAX {
            return None;
        }
        let key = entities.insert(Entity {
            cell: local,
            ..entity
        });
        self.place(key, local, entities);
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
        entities.remove(key)
    }

    /// Moves an entity, into another cell if need be. An entity whose new cell is full stays published in its old one.
    pub(super) fn walk(&mut self, key: EntityKey, to: Position, entities: &mut Entities) {
        let home = self.home(to);
        let Some(entity) = entities.get_mut(key) else {
            return;
        };
        entity.at = to;
        let (cell, epoch) = (entity.cell, entity.owner_epoch);
        if cell == home || self.cells[home as usize].count >= CELL_ENTITIES_MAX {
            return self.touch(key, entities);
        }
        let reason = RemoveReason::Moved {
            cell: self.index(home),
            epoch,
        };
        self.displace(key, reason, entities);
        self.place(key, home, entities);
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
            self.cells[entity.cell as usize].touched.push(entity.slot);
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
        for row in first / columns..=last / columns {
            for column in first % columns..=last % columns {
                let cell = &self.cells[(row * columns + column) as usize];
                cell.slots.iter().flatten().for_each(|key| found(*key));
            }
        }
    }

    /// Encodes what changed since the last time.
    pub(super) fn encode(&mut self, entities: &mut Entities) {
        self.changed.clear();
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        for &local in &dirty {
            let cell = &mut self.cells[local as usize];
            if let Some(bytes) = cell.encode(&mut self.encoder, &self.grid, entities) {
                self.changed.push((local, bytes));
            }
        }
        dirty.clear();
        self.dirty = dirty;
    }

    /// What the last encoding changed, cells ascending.
    pub(super) fn changed(&self) -> &[(u32, Bytes)] {
        &self.changed
    }

    /// The whole cell as it was last encoded; made once per state for all who need it.
    pub(super) fn keyframe(&mut self, local: u32, entities: &Entities) -> Bytes {
        let Some(cell) = self.cells.get_mut(local as usize) else {
            return Bytes::new();
        };
        match &cell.keyframe {
            Some((seq, bytes)) if *seq == cell.seq => bytes.clone(),
            _ => cell.encode_keyframe(&mut self.encoder, entities),
        }
    }

    fn place(&mut self, key: EntityKey, local: u32, entities: &mut Entities) {
        let cell = &mut self.cells[local as usize];
        let slot = cell
            .slots
            .iter()
            .position(Option::is_none)
            .unwrap_or(cell.slots.len());
        match cell.slots.get_mut(slot) {
            Some(place) => *place = Some(key),
            None => cell.slots.push(Some(key)),
        }
        cell.count += 1;
        cell.touched.push(slot as u16);
        if let Some(entity) = entities.get_mut(key) {
            entity.cell = local;
            entity.slot = slot as u16;
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
        let cell = &mut self.cells[entity.cell as usize];
        cell.slots[usize::from(entity.slot)] = None;
        cell.count -= 1;
        if !entity.change.added {
            cell.removed.push((entity.slot, reason));
        }
        self.list(entity.cell);
    }

    fn list(&mut self, local: u32) {
        let cell = &mut self.cells[local as usize];
        if !cell.listed {
            cell.listed = true;
            self.dirty.push(local);
        }
    }
}

impl Cell {
    fn new(index: CellIndex) -> Self {
        Self {
            index,
            seq: 1,
            slots: Vec::new(),
            count: 0,
            touched: Vec::new(),
            removed: Vec::new(),
            listed: false,
            keyframe: None,
        }
    }

    fn encode(
        &mut self,
        encoder: &mut CellEncoder,
        grid: &CellGrid,
        entities: &mut Entities,
    ) -> Option<Bytes> {
        encoder.clear();
        self.listed = false;
        self.removed.sort_unstable_by_key(|(slot, _)| *slot);
        for (slot, reason) in self.removed.drain(..) {
            let taken = encoder.put_remove(slot, reason);
            debug_assert!(taken.is_ok());
        }
        self.touched.sort_unstable();
        self.touched.dedup();
        for slot in self.touched.drain(..) {
            let key = self.slots.get(usize::from(slot)).copied().flatten();
            if let Some(entity) = key.and_then(|key| entities.get_mut(key)) {
                put_change(encoder, self.index, grid, entity);
            }
        }
        if encoder.is_empty() {
            return None;
        }
        self.seq = self.seq.saturating_add(1);
        Some(encoder.finish_delta(self.index, self.seq - 1, self.seq))
    }

    fn encode_keyframe(&mut self, encoder: &mut CellEncoder, entities: &Entities) -> Bytes {
        encoder.clear();
        for (slot, key) in self.slots.iter().enumerate() {
            let entity = key.and_then(|key| entities.get(key));
            if let Some(entity) = entity.filter(|entity| !entity.change.added) {
                let taken = encoder.put_add(slot as u16, &published(entity));
                debug_assert!(taken.is_ok());
            }
        }
        let bytes = encoder.finish_keyframe(self.index, self.seq);
        self.keyframe = Some((self.seq, bytes.clone()));
        bytes
    }
}

/// Slots ascend, so every entry is taken.
fn put_change(encoder: &mut CellEncoder, cell: CellIndex, grid: &CellGrid, entity: &mut Entity) {
    let change = std::mem::take(&mut entity.change);
    let before = entity.sent;
    entity.sent = Motion {
        at: CellPoint::of(entity.at, cell, grid),
        heading: entity.heading,
        speed: speed::from_units(entity.speed),
    };
    let sent = entity.sent;
    let taken = if change.added {
        encoder.put_add(entity.slot, &published(entity))
    } else if sent.speed != before.speed {
        encoder.put_move_with_speed(entity.slot, &sent)
    } else if sent != before {
        encoder.put_move(entity.slot, sent.at, sent.heading)
    } else {
        Ok(())
    };
    debug_assert!(taken.is_ok());
    if change.state && !change.added {
        let taken = encoder.put_state(entity.slot, &entity.state);
        debug_assert!(taken.is_ok());
    }
}

fn published(entity: &Entity) -> CellEntity {
    CellEntity {
        id: entity.id,
        kind: entity.kind,
        owner_epoch: entity.owner_epoch,
        motion: entity.sent,
        state: entity.state,
    }
}
