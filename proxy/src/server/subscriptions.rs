//! What this proxy wants to see: the union of the cells its shards watch, asked of whoever serves each region. A link that
//! comes up, or a region that is served anew, is asked for everything again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::geometry::CellIndex;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use protocol::message::family::ProxyToServer;
use protocol::message::subscription::{Subscribe, Unsubscribe};
use topology::Topology;

use super::directory::ShardIndex;
use super::server_links::ServerLinks;

/// A shard's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It needs the cell from now on; again: with a keyframe.
    Watch(CellIndex),
    /// It no longer needs the cell.
    Unwatch(CellIndex),
}

/// What to say to whom.
type Said = Vec<(NodeNumber, ProxyToServer)>;

/// The wishes of all shards, pure.
#[derive(Debug)]
struct Wishes {
    topology: Arc<Topology>,
    watchers: BTreeMap<CellIndex, BTreeSet<ShardIndex>>,
    serving: BTreeMap<RegionNumber, (NodeNumber, RegionEpoch)>,
}

impl Wishes {
    fn handle_wishes(&mut self, shard: ShardIndex, wishes: &[Wish]) -> Said {
        let (mut wanted, mut unwanted) = (BTreeSet::new(), BTreeSet::new());
        for wish in wishes {
            match *wish {
                Wish::Watch(cell) => {
                    self.watchers.entry(cell).or_default().insert(shard);
                    unwanted.remove(&cell);
                    wanted.insert(cell);
                }
                Wish::Unwatch(cell) => {
                    let Some(watchers) = self.watchers.get_mut(&cell) else {
                        continue;
                    };
                    watchers.remove(&shard);
                    if watchers.is_empty() {
                        self.watchers.remove(&cell);
                        wanted.remove(&cell);
                        unwanted.insert(cell);
                    }
                }
            }
        }
        let mut said = self.say(&unwanted, |region, region_epoch, cells| {
            let (region, region_epoch) = (region.0, region_epoch.0);
            Unsubscribe {
                region,
                region_epoch,
                cells,
            }
            .into()
        });
        said.extend(self.say(&wanted, subscribe));
        said
    }

    /// A server serves a region, as the store has confirmed: it is asked for all that is watched there.
    fn handle_serving(&mut self, node: NodeNumber, region: RegionNumber, epoch: RegionEpoch) -> Said {
        self.serving.insert(region, (node, epoch));
        let of_region = |cell: &&CellIndex| self.topology.region_of_cell(**cell) == Some(region);
        let cells: BTreeSet<CellIndex> = self.watchers.keys().filter(of_region).copied().collect();
        self.say(&cells, subscribe)
    }

    /// Nothing can be asked of this node until it announces its regions again.
    fn handle_down(&mut self, node: NodeNumber) {
        self.serving.retain(|_, (serving, _)| *serving != node);
    }

    /// One message per region, to its server; cells that nobody serves are asked for when somebody does.
    fn say(
        &self,
        cells: &BTreeSet<CellIndex>,
        message: impl Fn(RegionNumber, RegionEpoch, Vec<u32>) -> ProxyToServer,
    ) -> Said {
        let mut by_region: BTreeMap<RegionNumber, Vec<u32>> = BTreeMap::new();
        for cell in cells {
            if let Some(region) = self.topology.region_of_cell(*cell) {
                by_region.entry(region).or_default().push(cell.0);
            }
        }
        let said = by_region.into_iter().filter_map(|(region, cells)| {
            let (node, epoch) = *self.serving.get(&region)?;
            Some((node, message(region, epoch, cells)))
        });
        said.collect()
    }
}

fn subscribe(region: RegionNumber, region_epoch: RegionEpoch, cells: Vec<u32>) -> ProxyToServer {
    let (region, region_epoch) = (region.0, region_epoch.0);
    Subscribe {
        region,
        region_epoch,
        cells,
    }
    .into()
}

/// The wishes, shared by shards and links, and the links to say them on.
pub(super) struct Subscriptions {
    // Locked while messages are queued, so that two shards' words about one cell cannot change places.
    wishes: Mutex<Wishes>,
    links: Arc<ServerLinks>,
}

impl Subscriptions {
    pub(super) fn new(topology: Arc<Topology>, links: Arc<ServerLinks>) -> Self {
        let wishes = Wishes {
            topology,
            watchers: BTreeMap::new(),
            serving: BTreeMap::new(),
        };
        Self {
            wishes: Mutex::new(wishes),
            links,
        }
    }

    /// A shard's wishes, in order.
    pub(super) fn handle_wishes(&self, shard: ShardIndex, wishes: &[Wish]) {
        self.with(|known| known.handle_wishes(shard, wishes));
    }

    /// A server serves a region, as the store has confirmed, or its link is new.
    pub(super) fn handle_serving(&self, node: NodeNumber, region: RegionNumber, epoch: RegionEpoch) {
        self.with(|known| known.handle_serving(node, region, epoch));
    }

    /// A link is down.
    pub(super) fn handle_down(&self, node: NodeNumber) {
        self.with(|known| {
            known.handle_down(node);
            Vec::new()
        });
    }

    /// Cells watched by any shard.
    pub(super) fn watched(&self) -> usize {
        self.wishes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .watchers
            .len()
    }

    fn with(&self, act: impl FnOnce(&mut Wishes) -> Said) {
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        for (node, message) in act(&mut wishes) {
            // A link that is down says so itself, and everything is asked for again when it is back.
            let _ = self.links.send_all(node, &[message]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeNumber = NodeNumber(1);
    const B: NodeNumber = NodeNumber(2);
    const ONE: ShardIndex = ShardIndex(0);
    const TWO: ShardIndex = ShardIndex(1);

    fn wishes() -> Wishes {
        let text = "[world]\nname = \"w\"\nsize = [128, 64]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n[[proxy]]\nname = \"p\"\nnumber = 101\ntcp = \"127.0.0.1:5\"\nudp = \"127.0.0.1:5\"\nhttp = \"127.0.0.1:6\"\n[[server]]\nname = \"a\"\nnumber = 1\npeer = \"127.0.0.1:1\"\nproxy = \"127.0.0.1:2\"\n[[server]]\nname = \"b\"\nnumber = 2\npeer = \"127.0.0.1:3\"\nproxy = \"127.0.0.1:4\"\n[grid]\ncolumns = 2\nrows = 1\nservers = [\"a\", \"b\"]\n";
        let topology = topology::parse("t", text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        Wishes {
            topology: Arc::new(topology),
            watchers: BTreeMap::new(),
            serving: BTreeMap::new(),
        }
    }

    fn watch(cells: &[u32]) -> Vec<Wish> {
        cells.iter().map(|cell| Wish::Watch(CellIndex(*cell))).collect()
    }

    fn asked(node: NodeNumber, region: u32, epoch: u64, cells: &[u32]) -> (NodeNumber, ProxyToServer) {
        (
            node,
            subscribe(RegionNumber(region), RegionEpoch(epoch), cells.to_vec()),
        )
    }

    #[test]
    fn what_was_wished_before_anybody_served_it_is_asked_for_when_somebody_does() {
        let mut wishes = wishes();
        assert_eq!(wishes.handle_wishes(ONE, &watch(&[0, 1, 2])), []);
        let said = wishes.handle_serving(A, RegionNumber(1), RegionEpoch(3));
        assert_eq!(said, [asked(A, 1, 3, &[0, 1])]);
        let said = wishes.handle_serving(B, RegionNumber(2), RegionEpoch(1));
        assert_eq!(said, [asked(B, 2, 1, &[2])]);
        let said = wishes.handle_serving(B, RegionNumber(1), RegionEpoch(4));
        assert_eq!(
            said,
            [asked(B, 1, 4, &[0, 1])],
            "another server took the region over"
        );
        wishes.handle_down(B);
        assert_eq!(wishes.handle_wishes(TWO, &watch(&[0])), []);
    }

    #[test]
    fn a_cell_is_given_up_when_the_last_shard_gives_it_up() {
        let mut wishes = wishes();
        wishes.handle_serving(A, RegionNumber(1), RegionEpoch(3));
        assert_eq!(wishes.handle_wishes(ONE, &watch(&[0])), [asked(A, 1, 3, &[0])]);
        let again = wishes.handle_wishes(TWO, &watch(&[0]));
        assert_eq!(
            again,
            [asked(A, 1, 3, &[0])],
            "the other shard needs a keyframe too"
        );
        let unwatch = [Wish::Unwatch(CellIndex(0))];
        assert_eq!(wishes.handle_wishes(ONE, &unwatch), []);
        let gone = Unsubscribe {
            region: 1,
            region_epoch: 3,
            cells: vec![0],
        };
        assert_eq!(wishes.handle_wishes(TWO, &unwatch), [(A, gone.into())]);
        assert_eq!(wishes.handle_wishes(TWO, &unwatch), [], "nobody watched it");
        let both = [
            Wish::Watch(CellIndex(1)),
            Wish::Unwatch(CellIndex(1)),
            Wish::Watch(CellIndex(1)),
        ];
        assert_eq!(wishes.handle_wishes(ONE, &both), [asked(A, 1, 3, &[1])]);
    }
}
