//! The neighbourhood of a region: who serves the regions around it, which of them can be reached, and what their border
//! strips show. A node is believed as far as the topology lists it and the store confirms its epoch.

mod ghosts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use game::Edition;
use protocol::cell::DecodedCell;
use protocol::geometry::Layer;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use protocol::limits::SUBSCRIPTION_CELLS_MAX;
use protocol::message::checked::CheckedCellUpdates;
use protocol::message::subscription::{Serving as Announcement, Subscribe};
use store::{Announced, ServiceClaims, Serving, StoreReply, StoreRequest, StoreResult};
use topology::{Listing, Topology};

use super::asked::Asked;
use super::effect::RegionEffect;
use super::outgoing::Outgoing;
use ghosts::Ghosts;

/// Ghosts of a region whose server is away are shown this long, milliseconds.
const FADE_MS: u64 = 5_000;

/// What a region knows of those around it.
#[derive(Debug)]
pub(super) struct Neighbourhood {
    /// Whose neighbourhood it is, and whose rules are played there.
    own: Serving,
    edition: Edition,
    /// What the world looks like.
    topology: Arc<Topology>,
    /// Who may serve it.
    listing: Arc<Listing>,
    /// The last claims to regions of those who were not listed for them.
    refused: BTreeMap<(RegionNumber, NodeNumber), RegionEpoch>,
    /// Who serves the other regions: what they announce, and what the store has confirmed.
    claims: ServiceClaims,
    /// Of which regions listed nodes say that their rules are older than those here.
    older: BTreeSet<(RegionNumber, NodeNumber)>,
    /// Nodes whose link is up.
    linked: BTreeSet<NodeNumber>,
    ghosts: Ghosts,
    /// The store is being asked who serves this region itself.
    doubts_itself: bool,
}

impl Neighbourhood {
    pub(super) fn new(own: Serving, edition: Edition, topology: Arc<Topology>) -> Self {
        Self {
            own,
            edition,
            listing: Arc::new(Listing::new(Arc::clone(&topology))),
            refused: BTreeMap::new(),
            topology,
            claims: ServiceClaims::default(),
            older: BTreeSet::new(),
            linked: BTreeSet::new(),
            ghosts: Ghosts::default(),
            doubts_itself: false,
        }
    }

    /// Another topology is in force: whom it lists may have said so before it was known here.
    pub(super) fn listed(&mut self, listing: Arc<Listing>, out: &mut Outgoing) {
        self.listing = listing;
        for ((region, node), region_epoch) in std::mem::take(&mut self.refused) {
            let claim = Serving {
                node,
                region,
                region_epoch,
            };
            self.announced(claim, out);
        }
    }

    /// Who serves another region, as the store has confirmed.
    pub(super) fn serving(&self, region: RegionNumber) -> Option<Serving> {
        self.claims.serving(region)
    }

    /// The same, if that server hears what it is told now.
    pub(super) fn reachable(&self, region: RegionNumber) -> Option<Serving> {
        self.serving(region).filter(|serving| self.reaches(serving.node))
    }

    /// Whether a server hears what it is told now.
    pub(super) fn reaches(&self, node: NodeNumber) -> bool {
        node == self.own.node || self.linked.contains(&node)
    }

    /// Which version of the rules a listed node says that a region has.
    pub(super) fn played(&mut self, region: RegionNumber, node: NodeNumber, version: u32) {
        if version >= self.edition.version {
            self.older.remove(&(region, node));
        } else if self.listing.may_serve(node, region) {
            self.older.insert((region, node));
        }
    }

    /// Whether the rules there can read what those here write, as far as is known.
    pub(super) fn reads_what_is_written_here(&self, there: Serving) -> bool {
        !self.older.contains(&(there.region, there.node))
    }

    pub(super) fn ghosts(&self) -> &Ghosts {
        &self.ghosts
    }

    /// A peer's link is up: its cells are asked for again.
    pub(super) fn peer_up(&mut self, node: NodeNumber, out: &mut Outgoing) {
        self.linked.insert(node);
        let services = self.claims.services();
        let served: Vec<_> = services.filter(|serving| serving.node == node).collect();
        for serving in served {
            self.watch(serving, out);
        }
    }

    /// A peer's link is gone: its ghosts stand still for a while.
    pub(super) fn peer_down(&mut self, node: NodeNumber, now_ms: u64) {
        self.linked.remove(&node);
        let serves = |serving: Serving| serving.node == node;
        let is_away = |region| self.claims.serving(region).is_some_and(serves);
        self.ghosts.freeze(now_ms + FADE_MS, is_away);
    }

    /// Lets ghosts go that have stood still for long enough.
    pub(super) fn fade(&mut self, now_ms: u64) {
        self.ghosts.fade(now_ms);
    }

    /// A node says that it serves a region: asked of the store, if the topology lists it. A region of this process has
    /// its epoch from the store itself.
    pub(super) fn announced(&mut self, claim: Serving, out: &mut Outgoing) {
        let (node, region) = (claim.node, claim.region);
        let is_own_region = region == self.own.region;
        if is_own_region && node == self.own.node {
            return;
        }
        if !self.listing.may_serve(node, region) {
            if self.topology.region(region).is_some() {
                self.refused.insert((region, node), claim.region_epoch);
            }
            return out.count("serving_not_listed");
        }
        if is_own_region {
            // One of the two services is over.
            return self.doubt_itself(out);
        }
        if node == self.own.node {
            self.claims.trust(claim);
        }
        match self.claims.announce(claim) {
            Announced::Known => self.watch(claim, out),
            Announced::Ask => out.ask(Asked::Service(region), StoreRequest::ReadService { region }),
            Announced::Waits => {}
        }
    }

    /// Whether the topology lets a node serve a region.
    pub(super) fn may_serve(&self, node: NodeNumber, region: RegionNumber) -> bool {
        self.listing.may_serve(node, region)
    }

    /// Whether a node may speak for a region at all.
    pub(super) fn is_listed(&self, node: NodeNumber, region: RegionNumber, out: &mut Outgoing) -> bool {
        let is_listed = self.listing.may_serve(node, region);
        if !is_listed {
            out.count("peer_not_listed");
        }
        is_listed
    }

    /// Whether what it says may be heeded; a claim that the store has not confirmed is asked about.
    pub(super) fn may_speak(&mut self, claim: Serving, out: &mut Outgoing) -> bool {
        if !self.is_listed(claim.node, claim.region, out) {
            return false;
        }
        let known = self.serving(claim.region);
        if known.is_some_and(|known| claim.region_epoch < known.region_epoch) {
            out.count("peer_stale_epoch");
            return false;
        }
        if known != Some(claim) {
            self.announced(claim, out);
        }
        true
    }

    /// The store refused what only the current service may do: perhaps this is not the current one any more.
    pub(super) fn doubt_itself(&mut self, out: &mut Outgoing) {
        if !self.doubts_itself {
            self.doubts_itself = true;
            let region = self.own.region;
            out.ask(Asked::Service(region), StoreRequest::ReadService { region });
        }
    }

    /// The store's word on who serves a region.
    pub(super) fn service_answer(
        &mut self,
        region: RegionNumber,
        answer: &StoreResult,
        now_ms: u64,
        out: &mut Outgoing,
    ) {
        if region == self.own.region {
            self.doubts_itself = false;
            if matches!(answer, Ok(StoreReply::Service(newest)) if *newest != Some(self.own)) {
                out.count("region_superseded");
                out.push(RegionEffect::Superseded);
            }
            return;
        }
        let verdict = self.claims.answer(region, answer);
        for _ in &verdict.refused {
            out.count("serving_unissued");
        }
        if let Some(serving) = verdict.confirmed {
            self.watch(serving, out);
            // It may have begun while the link was up, and have heard of nobody.
            if serving.node != self.own.node {
                self.announce_to(serving.node, out);
            }
        }
        if verdict.again {
            let request = StoreRequest::ReadService { region };
            out.ask_later(Asked::Service(region), request, now_ms);
        }
    }

    /// Whether the question that was to be asked again is still one.
    pub(super) fn asks_again(&mut self, region: RegionNumber) -> bool {
        self.claims.ask_again(region)
    }

    /// What a neighbour shows of its border strip, and its other cells too: another region of this node may have asked.
    pub(super) fn shows(&mut self, node: NodeNumber, shown: CheckedCellUpdates, out: &mut Outgoing) {
        let claim = Serving {
            node,
            region: shown.region,
            region_epoch: shown.region_epoch,
        };
        let region = claim.region;
        if region == self.own.region || !self.may_speak(claim, out) {
            return;
        }
        if self.serving(region) != Some(claim) {
            return out.count("cells_not_serving");
        }
        let grid = self.topology.world().grid();
        let mut missing = Vec::new();
        for bytes in shown.cells {
            let Ok(update) = DecodedCell::parse(&bytes, &grid) else {
                return out.count("cell_malformed");
            };
            if self.topology.region_of_cell(update.cell) != Some(region) {
                return out.count("cells_foreign");
            }
            if self.ghosts.apply(region, &update).is_err() {
                missing.push(update.cell.0);
            }
        }
        if !missing.is_empty() {
            out.tell_server(node, subscribe(claim, missing));
        }
    }

    /// Says to a game server that this region is served.
    fn announce_to(&self, node: NodeNumber, out: &mut Outgoing) {
        let announcement = Announcement {
            region: self.own.region.0,
            region_epoch: self.own.region_epoch.0,
            game: self.edition.id.to_owned(),
            game_version: self.edition.version,
            // Of those only proxies are told.
            briefs: false,
        };
        out.tell_server(node, announcement);
    }

    fn watch(&mut self, serving: Serving, out: &mut Outgoing) {
        let strip = self.topology.border_strip(self.own.region, serving.region);
        if strip.is_empty() {
            return;
        }
        let world = self.topology.world();
        let layers = Layer::ALL.into_iter();
        let layers = layers.filter(|layer| *layer != Layer::Far || world.far_rings > 0);
        let grid = world.grid();
        let of_layer = |layer| strip.iter().map(move |cell| grid.on(*cell, layer));
        let strip: Vec<_> = layers.flat_map(of_layer).collect();
        self.ghosts.watch(serving.region, serving.region_epoch, &strip);
        for part in strip.chunks(SUBSCRIPTION_CELLS_MAX) {
            let cells = part.iter().map(|cell| cell.0).collect();
            out.tell_server(serving.node, subscribe(serving, cells));
        }
    }
}

fn subscribe(to: Serving, cells: Vec<u32>) -> Subscribe {
    Subscribe {
        region: to.region.0,
        region_epoch: to.region_epoch.0,
        cells,
    }
}
