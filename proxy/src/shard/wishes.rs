//! What a shard wants to see and to see no more, collected over a round and said in one message per region.

use std::collections::{BTreeMap, BTreeSet};

use protocol::geometry::CellIndex;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use protocol::message::family::ProxyToServer;
use protocol::message::subscription::{Subscribe, Unsubscribe};
use topology::Topology;

/// The wishes of one round.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    wanted: BTreeSet<CellIndex>,
    unwanted: BTreeSet<CellIndex>,
}

impl Wishes {
    /// The cell is needed from now on; again: with a keyframe.
    pub(super) fn watch(&mut self, cell: CellIndex) {
        self.unwanted.remove(&cell);
        self.wanted.insert(cell);
    }

    /// The cell is not needed any more.
    pub(super) fn unwatch(&mut self, cell: CellIndex) {
        self.wanted.remove(&cell);
        self.unwanted.insert(cell);
    }

    /// Takes what is to be said, to whoever serves each region. Cells that nobody serves are asked for when somebody does.
    pub(super) fn take(
        &mut self,
        topology: &Topology,
        serving: impl Fn(RegionNumber) -> Option<(NodeNumber, RegionEpoch)>,
    ) -> Vec<(NodeNumber, ProxyToServer)> {
        let mut said = Vec::new();
        for (region, cells) in by_region(topology, std::mem::take(&mut self.unwanted)) {
            said.extend(serving(region).map(|(node, epoch)| {
                let (region, region_epoch) = (region.0, epoch.0);
                let unsubscribe = Unsubscribe {
                    region,
                    region_epoch,
                    cells,
                };
                (node, unsubscribe.into())
            }));
        }
        for (region, cells) in by_region(topology, std::mem::take(&mut self.wanted)) {
            said.extend(serving(region).map(|(node, epoch)| {
                let (region, region_epoch) = (region.0, epoch.0);
                let subscribe = Subscribe {
                    region,
                    region_epoch,
                    cells,
                };
                (node, subscribe.into())
            }));
        }
        said
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }
}

fn by_region(topology: &Topology, cells: BTreeSet<CellIndex>) -> BTreeMap<RegionNumber, Vec<u32>> {
    let mut by_region: BTreeMap<RegionNumber, Vec<u32>> = BTreeMap::new();
    for cell in cells {
        if let Some(region) = topology.region_of_cell(cell) {
            by_region.entry(region).or_default().push(cell.0);
        }
    }
    by_region
}
