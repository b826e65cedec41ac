//! What a shard wants to see and to see no more, collected over a round and said in one message per region, or as few as
//! hold all of it.

use std::collections::{BTreeMap, BTreeSet};

use protocol::geometry::CellIndex;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use protocol::limits::SUBSCRIPTION_CELLS_MAX;
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

/// The cells of each region, no more at once than one message names.
fn by_region(topology: &Topology, cells: BTreeSet<CellIndex>) -> Vec<(RegionNumber, Vec<u32>)> {
    let mut by_region: BTreeMap<RegionNumber, Vec<u32>> = BTreeMap::new();
    for cell in cells {
        if let Some(region) = topology.region_of_cell(cell) {
            by_region.entry(region).or_default().push(cell.0);
        }
    }
    let messages = by_region.iter().flat_map(|(region, cells)| {
        let parts = cells.chunks(SUBSCRIPTION_CELLS_MAX);
        parts.map(move |part| (*region, part.to_vec()))
    });
    messages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::tests::TOPOLOGY;

    /// Both regions are served, by the node of their number; what is said, and about which cells.
    fn take(wishes: &mut Wishes) -> Vec<(NodeNumber, &'static str, Vec<u32>)> {
        take_in(TOPOLOGY, wishes)
    }

    fn take_in(topology: &str, wishes: &mut Wishes) -> Vec<(NodeNumber, &'static str, Vec<u32>)> {
        let topology = topology::parse("test.toml", topology)
            .map_err(|_| "topology")
            .unwrap();
        let serving = |region: RegionNumber| Some((NodeNumber(region.0 as u16), RegionEpoch(1)));
        let said = wishes.take(&topology, serving).into_iter();
        let said = said.map(|(node, message)| match message {
            ProxyToServer::Subscribe(wanted) => (node, "wanted", wanted.cells),
            ProxyToServer::Unsubscribe(unwanted) => (node, "unwanted", unwanted.cells),
            other => panic!("{other:?}"),
        });
        said.collect()
    }

    #[test]
    fn the_last_word_about_a_cell_counts_and_each_is_said_once() {
        let (west, east) = (NodeNumber(1), NodeNumber(2));
        let mut wishes = Wishes::default();
        for cell in [9, 4, 1] {
            wishes.watch(CellIndex(cell));
        }
        wishes.unwatch(CellIndex(1));
        wishes.unwatch(CellIndex(2));
        wishes.unwatch(CellIndex(8));
        wishes.watch(CellIndex(8));
        let said = take(&mut wishes);
        assert_eq!(
            said,
            [
                (west, "unwanted", vec![1, 2]),
                (west, "wanted", vec![8, 9]),
                (east, "wanted", vec![4])
            ]
        );
        assert!(wishes.is_empty() && take(&mut wishes).is_empty());
    }

    #[test]
    fn more_cells_of_a_region_than_one_message_names_go_in_several() {
        // 256 × 256 cells, half of them in the west.
        let large = TOPOLOGY.replace("size = [256, 128]", "size = [8192, 8192]");
        let mut wishes = Wishes::default();
        let west = (0..256 * 256).filter(|cell| cell % 256 < 128);
        let west: Vec<u32> = west.collect();
        for cell in &west {
            wishes.watch(CellIndex(*cell));
        }
        let said = take_in(&large, &mut wishes);
        assert_eq!(said.len(), 2);
        assert!(said.iter().all(|(node, what, cells)| {
            (*node, *what) == (NodeNumber(1), "wanted") && cells.len() <= SUBSCRIPTION_CELLS_MAX
        }));
        assert_eq!(
            said.into_iter().flat_map(|(.., cells)| cells).collect::<Vec<_>>(),
            west
        );
    }
}
