//! A topology that is pushed to a running cluster: regions go to other servers, and every node hears of it in its own time.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ids::{NodeNumber, RegionNumber, TopologyVersion};

use super::event::Event;
use super::state::{Cluster, InForce, Phase};
use crate::dice::Dice;
use crate::world::{self, PROXIES};

/// Every node that is up has heard of a newer topology after so long, microseconds.
const SPREADS_WITHIN_US: u64 = 1_500_000;

impl Cluster {
    pub(super) fn in_force(&self, node: NodeNumber) -> &InForce {
        self.in_force.get(&node).unwrap_or(&self.first)
    }

    /// An operator gives regions to other servers. Refused while an earlier change is under way, as by a game server that is asked.
    pub(super) fn push(&mut self, seed: u64) {
        let is_behind = |node: &NodeNumber| self.in_force(*node).version != self.newest.version;
        let up = self.servers.keys().chain(&PROXIES);
        let is_up = |node: &&NodeNumber| self.phase_of(**node) != Phase::Down;
        if up.filter(is_up).any(is_behind) || self.is_moving() {
            return;
        }
        let (servers, mut dice) = (self.options.servers, Dice::new(seed));
        let candidates = std::array::from_fn(|_| candidates(servers, &mut dice));
        // A server without any region is no topology.
        let Ok(next) = world::listed(self.options.servers, &candidates) else {
            return;
        };
        let Some(listing) = self.newest.listing.followed_by(next) else {
            return self
                .checks
                .fail("a topology with the same regions has another ground".to_owned());
        };
        let now_us = self.now_us();
        self.trace.line(now_us, || format!("pushed: {candidates:?}"));
        self.newest = InForce {
            version: TopologyVersion(self.newest.version.0 + 1),
            listing: Arc::new(listing),
        };
        let nodes: Vec<NodeNumber> = self.servers.keys().copied().chain(PROXIES).collect();
        nodes.into_iter().for_each(|node| self.hear_of_newest(node));
    }

    /// Whether a region is served by somebody who is not to.
    fn is_moving(&self) -> bool {
        let now = self.newest.listing.now();
        let serves = |region: RegionNumber| {
            let newest = self.store.tables().service(region);
            newest.is_some_and(|newest| !now.may_serve(newest.node, region))
        };
        now.regions().iter().any(|region| serves(region.number))
    }

    /// A node hears of the newest topology in a while, if it is up then.
    pub(super) fn hear_of_newest(&mut self, node: NodeNumber) {
        if self.in_force(node).version < self.newest.version {
            let delay_us = self.dice.below(SPREADS_WITHIN_US);
            self.schedule.after(delay_us, Event::TakeUp(node));
        }
    }

    pub(super) fn take_up(&mut self, node: NodeNumber) {
        let is_new = self.in_force(node).version < self.newest.version;
        if !is_new || self.phase_of(node) != Phase::Up {
            return;
        }
        let now = Arc::clone(self.newest.listing.now());
        let Some(listing) = self.in_force(node).listing.followed_by(now) else {
            return;
        };
        let (version, listing) = (self.newest.version, Arc::new(listing));
        let now_us = self.now_us();
        self.trace
            .line(now_us, || format!("node {node} takes topology {version} up"));
        let taken = InForce {
            version,
            listing: Arc::clone(&listing),
        };
        self.in_force.insert(node, taken);
        if let Some(proxy) = self.proxies.get_mut(&node) {
            let shards = proxy.shards.iter_mut();
            shards.for_each(|shard| shard.handle_listing(Arc::clone(&listing)));
            return;
        }
        let (regions, left) = (
            listing.now().candidates().collect::<Vec<_>>(),
            listing.left_by(node),
        );
        self.with_world(node, |world, now| world.handle_listing(listing, now));
        self.with_keeper(node, |keeper, now_us| {
            keeper.list(version, regions, left, now_us);
        });
    }

    /// The nodes that a server is linked with, and which topology each has.
    pub(super) fn announced(&self, node: NodeNumber) -> BTreeMap<NodeNumber, TopologyVersion> {
        let links = self.links.iter();
        let linked = links.filter_map(|link| Some((link, link.end_of(node)?)));
        let linked = linked.filter(|(link, end)| link.is_up(*end));
        let linked = linked.map(|(link, end)| link.node(end.other()));
        linked.map(|node| (node, self.in_force(node).version)).collect()
    }

    /// Regions are where the newest topology wants them.
    pub(super) fn regions_where_they_belong(&self) -> Result<(), String> {
        let now = self.newest.listing.now();
        for region in now.regions() {
            let service = self.store.tables().service(region.number);
            if let Some(service) = service.filter(|its| !now.may_serve(its.node, region.number)) {
                return Err(format!(
                    "H5: region {} is served by {}, whom the topology does not list for it",
                    region.number, service.node
                ));
            }
        }
        Ok(())
    }
}

/// One to three servers, in any order.
fn candidates(servers: u16, dice: &mut Dice) -> Vec<u16> {
    let mut servers: Vec<u16> = (1..=servers).collect();
    let count = 1 + dice.index(servers.len().min(3));
    let chosen = (0..count).map(|_| servers.swap_remove(dice.index(servers.len())));
    chosen.collect()
}
