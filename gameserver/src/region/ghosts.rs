//! Ghosts: the entities in the neighbours' border strips, as their own regions publish them. They are looked at and
//! never passed on: proxies subscribe to the neighbour itself.

use std::collections::{BTreeMap, BTreeSet};

use protocol::cell::{CellState, speed};
use protocol::geometry::{CellGrid, CellIndex, Position};
use protocol::ids::{EntityId, RegionEpoch, RegionNumber};

use crate::logic::{EntityView, Place};

#[derive(Debug, Default)]
pub(super) struct Neighbour {
    pub(super) epoch: RegionEpoch,
    /// What was asked for; another region of this node may have asked for more.
    pub(super) strip: BTreeSet<CellIndex>,
    pub(super) cells: BTreeMap<CellIndex, CellState>,
    pub(super) fades_at_ms: Option<u64>,
}

/// Everything seen of the neighbours.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    pub(super) neighbours: BTreeMap<RegionNumber, Neighbour>,
}

impl Ghosts {
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
        self.neighbours.iter().find_map(|(&region, neighbour)| {
            neighbour.cells.iter().find_map(|(&index, cell)| {
                let mut entities = cell.entities();
                let (_, entity) = entities.find(|(_, entity)| entity.id == id)?;
                Some(view(region, index, entity, grid))
            })
        })
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
