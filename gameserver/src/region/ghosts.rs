//! Ghosts: the entities in the neighbours' border strips, as their own regions publish them. They are looked at and
//! never passed on: proxies subscribe to the neighbour itself.

use std::collections::{BTreeMap, BTreeSet};

use protocol::cell::{CellState, DecodedCell, speed};
use protocol::geometry::{CellGrid, CellIndex, Position};
use protocol::ids::{EntityId, NodeNumber, RegionEpoch, RegionNumber};
use protocol::limits::CELL_UPDATES_MAX;
use protocol::message::subscription::{CellUpdates, Serving, Subscribe};

use super::state::{RegionState, Served};
use crate::logic::{EntityView, Place};

/// Ghosts of a region whose server is away are shown this long, milliseconds.
const FADE_MS: u64 = 5_000;

#[derive(Debug, Default)]
struct Neighbour {
    epoch: RegionEpoch,
    /// What was asked for; another region of this node may have asked for more.
    strip: BTreeSet<CellIndex>,
    cells: BTreeMap<CellIndex, CellState>,
    fades_at_ms: Option<u64>,
}

/// Everything seen of the neighbours.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    neighbours: BTreeMap<RegionNumber, Neighbour>,
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

impl RegionState {
    /// A node says that it serves a region: believed if the topology lists it and the epoch is no lower than known.
    pub(super) fn neighbour_serves(&mut self, node: NodeNumber, message: &Serving) {
        let region = RegionNumber(message.region);
        let served = Served {
            node,
            epoch: RegionEpoch(message.region_epoch),
        };
        if region == self.config.number && node == self.config.node {
            return;
        }
        if region == self.config.number || !self.config.topology.may_serve(node, region) {
            return self.count("serving_not_listed");
        }
        if self
            .serving
            .get(&region)
            .is_some_and(|known| known.epoch > served.epoch)
        {
            return self.count("serving_stale_epoch");
        }
        self.serving.insert(region, served);
        self.watch(region, served);
    }

    /// Whether `node` speaks for `region` at this epoch; learns higher epochs of listed nodes.
    pub(super) fn speaks_for(&mut self, node: NodeNumber, region: RegionNumber, epoch: RegionEpoch) -> bool {
        if !self.config.topology.may_serve(node, region) {
            self.count("peer_not_listed");
            return false;
        }
        let known = self
            .serving
            .get(&region)
            .map_or(RegionEpoch(0), |known| known.epoch);
        if epoch < known {
            self.count("peer_stale_epoch");
            return false;
        }
        if epoch > known {
            let message = Serving {
                region: region.0,
                region_epoch: epoch.0,
            };
            self.neighbour_serves(node, &message);
        }
        true
    }

    fn watch(&mut self, region: RegionNumber, served: Served) {
        let strip = self.config.topology.border_strip(self.config.number, region);
        if strip.is_empty() {
            return;
        }
        let neighbour = self.ghosts.neighbours.entry(region).or_default();
        if neighbour.epoch != served.epoch {
            *neighbour = Neighbour {
                epoch: served.epoch,
                ..Neighbour::default()
            };
        }
        neighbour.fades_at_ms = None;
        neighbour.strip = strip.iter().copied().collect();
        let subscribe = Subscribe {
            region: region.0,
            region_epoch: served.epoch.0,
            cells: strip.iter().map(|cell| cell.0).collect(),
        };
        self.tell_server(served.node, subscribe);
    }

    /// A peer's link is up: subscribe again to what it serves.
    pub(super) fn watch_peer(&mut self, node: NodeNumber) {
        let served: Vec<_> = self
            .serving
            .iter()
            .map(|(region, served)| (*region, *served))
            .collect();
        for (region, served) in served {
            if served.node == node {
                self.watch(region, served);
            }
        }
    }

    /// A peer's link is gone: its ghosts stand still for a while.
    pub(super) fn freeze_ghosts(&mut self, node: NodeNumber) {
        let fades_at_ms = self.now.mono_ms + FADE_MS;
        for (region, neighbour) in &mut self.ghosts.neighbours {
            if self.serving.get(region).is_some_and(|served| served.node == node) {
                neighbour.fades_at_ms.get_or_insert(fades_at_ms);
            }
        }
    }

    pub(super) fn fade_ghosts(&mut self) {
        let now_ms = self.now.mono_ms;
        for neighbour in self.ghosts.neighbours.values_mut() {
            if neighbour.fades_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                neighbour.cells.clear();
                neighbour.fades_at_ms = None;
            }
        }
    }

    pub(super) fn update_ghosts(&mut self, node: NodeNumber, message: &CellUpdates) {
        let region = RegionNumber(message.region);
        if region == self.config.number {
            return;
        }
        if !self.speaks_for(node, region, RegionEpoch(message.region_epoch)) {
            return;
        }
        if message.cells.len() > CELL_UPDATES_MAX {
            return self.count("cells_too_many");
        }
        let mut missing = Vec::new();
        let grid = *self.cells.grid();
        for bytes in &message.cells {
            let Ok(update) = DecodedCell::parse(bytes.clone(), &grid) else {
                return self.count("cells_malformed");
            };
            if self.config.topology.region_of_cell(update.cell) != Some(region) {
                return self.count("cells_foreign");
            }
            let Some(neighbour) = self.ghosts.neighbours.get_mut(&region) else {
                return;
            };
            neighbour.fades_at_ms = None;
            if neighbour
                .cells
                .entry(update.cell)
                .or_default()
                .apply(&update)
                .is_err()
            {
                missing.push(update.cell.0);
            }
        }
        if !missing.is_empty() {
            let subscribe = Subscribe {
                region: region.0,
                region_epoch: message.region_epoch,
                cells: missing,
            };
            self.tell_server(node, subscribe);
        }
    }
}
