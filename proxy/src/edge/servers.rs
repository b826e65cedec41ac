//! What this shard knows of the game servers: which links are up, and who serves which region at which epoch.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use topology::Topology;

use super::route::LinkUp;

/// What an announcement was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// Somebody else, or at a higher epoch than known.
    New,
    /// Said before.
    Known,
    /// The topology does not list the node for the region, or the epoch is lower than one already seen.
    Denied,
}

/// Links and serving announcements.
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

    /// Takes an announcement.
    pub(super) fn announce(
        &mut self,
        topology: &Topology,
        node: NodeNumber,
        region: RegionNumber,
        epoch: RegionEpoch,
    ) -> Announced {
        if !topology.may_serve(node, region) {
            return Announced::Denied;
        }
        match self.serving.get(&region) {
            Some((known, _)) if epoch < *known => Announced::Denied,
            Some(known) if *known == (epoch, node) => Announced::Known,
            _ => {
                self.serving.insert(region, (epoch, node));
                Announced::New
            }
        }
    }

    /// Whether this node serves the region at this epoch, as far as announced.
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
