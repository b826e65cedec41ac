//! Ghosts: the entities in the neighbours' border strips, as their own regions publish them. They are looked at and
//! never passed on: proxies subscribe to the neighbour itself.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use protocol::cell::{Add, Applied, CellState, Change, DecodedCell, Gap, speed};
use protocol::geometry::{CellGrid, CellIndex, Position};
use protocol::ids::{EntityId, RegionEpoch, RegionNumber};

use crate::fixed_map::FixedMap;
use crate::logic::{EntityView, Place};

#[derive(Debug, Default)]
pub(super) struct Neighbour {
    pub(super) epoch: RegionEpoch,
    /// What was asked for; another region of this node may have asked for more.
    pub(super) strip: BTreeSet<CellIndex>,
    pub(super) cells: BTreeMap<CellIndex, CellState>,
    pub(super) fades_at_ms: Option<u64>,
}

/// Where a ghost was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sighting {
    region: RegionNumber,
    cell: CellIndex,
    slot: u16,
}

/// Everything seen of the neighbours.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    pub(super) neighbours: BTreeMap<RegionNumber, Neighbour>,
    /// By entity, so that nobody has to look through all strips for one.
    sightings: FixedMap<EntityId, Sighting>,
}

impl Ghosts {
    /// Takes what a neighbour shows of a cell. Nothing happens without the neighbour.
    pub(super) fn apply(&mut self, region: RegionNumber, update: &DecodedCell) -> Result<(), Gap> {
        let Some(neighbour) = self.neighbours.get_mut(&region) else {
            return Ok(());
        };
        neighbour.fades_at_ms = None;
        let (cell, sightings) = (update.cell, &mut self.sightings);
        let state = neighbour.cells.entry(cell).or_default();
        let applied = state.apply_with(update, |change| {
            if let Change::Removed { entity, .. } = change
                && let Entry::Occupied(seen) = sightings.entry(entity.id)
                && (seen.get().region, seen.get().cell) == (region, cell)
            {
                seen.remove();
            }
        })?;
        if applied != Applied::Stale {
            let there = |add: &&Add| state.get(add.slot).is_some_and(|held| held.id == add.entity.id);
            for add in update.adds.iter().filter(there) {
                let slot = add.slot;
                sightings.insert(add.entity.id, Sighting { region, cell, slot });
            }
        }
        Ok(())
    }

    /// Nothing of this neighbour is seen any more.
    pub(super) fn forget(&mut self, region: RegionNumber) {
        if let Some(neighbour) = self.neighbours.get_mut(&region) {
            neighbour.cells.clear();
        }
        self.sightings.retain(|_, seen| seen.region != region);
    }

    /// Calls `found` with each ghost within `radius` units.
    pub(super) fn nearby(
        &self,
        grid: &CellGrid,
        at: Position,
        radius: f32,
        found: &mut dyn FnMut(EntityView<'_>),
    ) {
        let reach = radius + grid.cell_size as f32;
        for (&region, neighbour) in &self.neighbours {
            for (&index, cell) in &neighbour.cells {
                let origin = grid.origin(index);
                if (origin.x - at.x).abs() > reach + radius || (origin.y - at.y).abs() > reach + radius {
                    continue;
                }
                let ghosts = cell
                    .entities()
                    .map(|(_, entity)| view(region, index, entity, grid));
                ghosts
                    .filter(|ghost| ghost.at.distance_squared(at) <= radius * radius)
                    .for_each(&mut *found);
            }
        }
    }

    pub(super) fn entity(&self, grid: &CellGrid, id: EntityId) -> Option<EntityView<'_>> {
        let seen = self.sightings.get(&id)?;
        let cell = self.neighbours.get(&seen.region)?.cells.get(&seen.cell)?;
        let entity = cell.get(seen.slot).filter(|entity| entity.id == id)?;
        Some(view(seen.region, seen.cell, entity, grid))
    }

    /// When the next ghosts fade, milliseconds.
    pub(super) fn fade_at_ms(&self) -> Option<u64> {
        self.neighbours
            .values()
            .filter_map(|neighbour| neighbour.fades_at_ms)
            .min()
    }

    pub(super) fn len(&self) -> usize {
        let cells = self
            .neighbours
            .values()
            .flat_map(|neighbour| neighbour.cells.values());
        cells.map(CellState::len).sum()
    }
}

fn view<'a>(
    region: RegionNumber,
    cell: CellIndex,
    entity: &'a protocol::cell::CellEntity,
    grid: &CellGrid,
) -> EntityView<'a> {
    EntityView {
        id: entity.id,
        kind: entity.kind,
        at: entity.motion.at.position(cell, grid),
        heading: entity.motion.heading,
        speed: speed::units(entity.motion.speed),
        state: &entity.state,
        place: Place::Ghost(region),
    }
}
