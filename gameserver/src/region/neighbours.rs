//! The neighbours: who of them serves what, and what their border strips show. A node is believed as far as the topology
//! lists it, and no epoch below one already seen.

use protocol::cell::DecodedCell;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use protocol::limits::CELL_UPDATES_MAX;
use protocol::message::subscription::{CellUpdates, Serving, Subscribe};

use super::ghosts::Neighbour;
use super::served::Served;
use super::state::RegionState;

/// Ghosts of a region whose server is away are shown this long, milliseconds.
const FADE_MS: u64 = 5_000;

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
