//! The neighbours: who of them serves what, and what their border strips show. A node is believed as far as the topology
//! lists it and the store confirms its epoch.

use protocol::cell::DecodedCell;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use protocol::limits::CELL_UPDATES_MAX;
use protocol::message::subscription::{CellUpdates, Serving, Subscribe};

use store::{Announced, StoreReply, StoreRequest, StoreResult};

use super::asked::Asked;
use super::effect::RegionEffect;
use super::served::Served;
use super::state::RegionState;

/// Ghosts of a region whose server is away are shown this long, milliseconds.
const FADE_MS: u64 = 5_000;

impl RegionState {
    /// Who serves another region, as the store has confirmed.
    pub(super) fn served(&self, region: RegionNumber) -> Option<Served> {
        self.services.serving(region).map(Served::from)
    }

    /// A node says that it serves a region: asked of the store, if the topology lists it. A region of this process has
    /// its epoch from the store itself.
    pub(super) fn neighbour_serves(&mut self, node: NodeNumber, message: &Serving) {
        let claim = store::Serving {
            node,
            region: RegionNumber(message.region),
            region_epoch: RegionEpoch(message.region_epoch),
        };
        let region = claim.region;
        if region == self.config.number && node == self.config.node {
            return;
        }
        if region == self.config.number || !self.config.topology.may_serve(node, region) {
            return self.count("serving_not_listed");
        }
        if node == self.config.node {
            self.services.trust(claim);
        }
        match self.services.announce(claim) {
            Announced::Known => self.watch(region, claim.into()),
            Announced::Ask => self.ask(Asked::Service(region), StoreRequest::ReadService { region }),
            Announced::Waits => {}
        }
    }

    /// The store refused what only the current service may do: perhaps this is not the current one any more.
    pub(super) fn doubt_own_service(&mut self) {
        if !self.asks_own_service {
            self.asks_own_service = true;
            let region = self.config.number;
            self.ask(Asked::Service(region), StoreRequest::ReadService { region });
        }
    }

    /// The store's word on who serves a region.
    pub(super) fn service_answer(&mut self, region: RegionNumber, answer: &StoreResult) {
        if region == self.config.number {
            self.asks_own_service = false;
            if let Ok(StoreReply::Service(newest)) = answer
                && *newest != Some(self.serving_claim())
            {
                self.count("region_superseded");
                self.effects.push(RegionEffect::Superseded);
            }
            return;
        }
        let verdict = self.services.answer(region, answer);
        for _ in &verdict.refused {
            self.count("serving_unissued");
        }
        if let Some(serving) = verdict.confirmed {
            self.watch(region, serving.into());
        }
        if verdict.again {
            self.ask_later(Asked::Service(region), StoreRequest::ReadService { region });
        }
    }

    /// Whether `node` may speak for `region` at this epoch; one that the store has not confirmed is asked about.
    pub(super) fn speaks_for(&mut self, node: NodeNumber, region: RegionNumber, epoch: RegionEpoch) -> bool {
        if !self.config.topology.may_serve(node, region) {
            self.count("peer_not_listed");
            return false;
        }
        let known = self.served(region);
        if known.is_some_and(|known| epoch < known.epoch) {
            self.count("peer_stale_epoch");
            return false;
        }
        if known != Some(Served { node, epoch }) {
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
        self.ghosts.watch(region, served.epoch, &strip);
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
            .services
            .services()
            .filter(|serving| serving.node == node)
            .collect();
        for serving in served {
            self.watch(serving.region, serving.into());
        }
    }

    /// A peer's link is gone: its ghosts stand still for a while.
    pub(super) fn freeze_ghosts(&mut self, node: NodeNumber) {
        let services = &self.services;
        let is_away = |region| {
            services
                .serving(region)
                .is_some_and(|serving| serving.node == node)
        };
        self.ghosts.freeze(self.now.mono_ms + FADE_MS, is_away);
    }

    pub(super) fn update_ghosts(&mut self, node: NodeNumber, message: &CellUpdates) {
        let region = RegionNumber(message.region);
        if region == self.config.number {
            return;
        }
        let epoch = RegionEpoch(message.region_epoch);
        if !self.speaks_for(node, region, epoch) {
            return;
        }
        if self.served(region) != Some(Served { node, epoch }) {
            return self.count("cells_not_serving");
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
            if self.ghosts.apply(region, &update).is_err() {
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
