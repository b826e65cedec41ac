//! What this shard knows of the game servers: which links are up, and who serves which region at which epoch.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};

use super::route::LinkUp;

/// Links, and the services that the store has confirmed.
#[derive(Debug, Default)]
pub(super) struct Servers {
    up: BTreeSet<NodeNumber>,
    serving: BTreeMap<RegionNumber, (RegionEpoch, NodeNumber)>,
}

impl Servers {
    pub(super) fn set_up(&mut self, node: NodeNumber) {
        self.up.insert(node);
    }

    pub(super) fn set_down(&mut self, node: NodeNumber) {
        self.up.remove(&node);
    }

    pub(super) fn link(&self, node: NodeNumber) -> LinkUp {
        if self.up.contains(&node) {
            LinkUp::Yes
        } else {
            LinkUp::No
        }
    }

    /// The store says who serves a region. Whether that is news.
    pub(super) fn serve(&mut self, node: NodeNumber, region: RegionNumber, epoch: RegionEpoch) -> bool {
        self.serving.insert(region, (epoch, node)) != Some((epoch, node))
    }

    /// Who serves a region, at which epoch, as the store last confirmed.
    pub(super) fn serving(&self, region: RegionNumber) -> Option<(NodeNumber, RegionEpoch)> {
        self.serving.get(&region).map(|(epoch, node)| (*node, *epoch))
    }

    /// Whether this node serves the region at exactly this epoch.
    pub(super) fn serves(&self, node: NodeNumber, region: RegionNumber, epoch: RegionEpoch) -> bool {
        self.serving.get(&region) == Some(&(epoch, node))
    }

    /// The node that serves a region and whose link is up.
    pub(super) fn reachable(&self, region: RegionNumber) -> Option<NodeNumber> {
        self.serving
            .get(&region)
            .map(|(_, node)| *node)
            .filter(|node| self.up.contains(node))
    }

    /// How many regions somebody serves whose link is up.
    pub(super) fn regions_served(&self) -> usize {
        let nodes = self.serving.values().map(|(_, node)| node);
        nodes.filter(|node| self.up.contains(node)).count()
    }

    /// Any reachable server, spread by a number: for a player of whom nothing is known.
    pub(super) fn any(&self, spread: u64) -> Option<NodeNumber> {
        let nodes: BTreeSet<NodeNumber> = self
            .serving
            .keys()
            .filter_map(|region| self.reachable(*region))
            .collect();
        let index = spread.checked_rem(nodes.len() as u64)?;
        nodes.into_iter().nth(index as usize)
    }
}
