//! What the world thread tells of itself, several times a second, for whoever asks: a snapshot, so that asking costs no
//! tick.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use net::link::LinkId;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber, TopologyVersion};

use crate::world::{LinkPeer, LinkReport, RegionReport};

/// A world at a glance.
#[derive(Clone, Debug, Default)]
pub(super) struct WorldReport {
    pub(super) regions: Vec<RegionReport>,
    pub(super) links: Vec<(LinkId, LinkReport)>,
    /// Which topology each node that is linked has announced; 0 when one of its links has not heard yet.
    pub(super) announced: BTreeMap<NodeNumber, TopologyVersion>,
    /// Users known.
    pub(super) users: usize,
    /// What was refused, by reason.
    pub(super) refused: BTreeMap<&'static str, u64>,
}

impl WorldReport {
    /// The regions that are served, and by which epoch.
    pub(super) fn served(&self) -> BTreeMap<RegionNumber, RegionEpoch> {
        let regions = self.regions.iter().map(|region| &region.status);
        let served = regions.map(|status| (RegionNumber(status.region), RegionEpoch(status.region_epoch)));
        served.collect()
    }

    /// Game servers that are linked.
    pub(super) fn servers(&self) -> BTreeSet<NodeNumber> {
        let peers = self.links.iter().filter_map(|(_, link)| match link.peer {
            LinkPeer::Server(_, node) => Some(node),
            LinkPeer::Proxy(_) => None,
        });
        peers.collect()
    }

    /// Users simulated.
    pub(super) fn players(&self) -> usize {
        self.regions.iter().map(|region| region.status.players).sum()
    }
}

/// Where the newest report is.
pub(super) type WorldReports = Arc<ArcSwap<WorldReport>>;
