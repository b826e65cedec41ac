//! Who may serve which region while one topology follows another: whoever was listed before has its regions until it has given
//! them to those who are listed now.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ids::{NodeNumber, RegionNumber};

use super::{Difference, Region, Topology};

/// The topology in force, and the one before it if both are of one ground.
///
/// The former one counts until the next one comes: that somebody may speak of a region makes nobody its server, the store does, and a
/// node that is listed no more gets no region there.
#[derive(Clone, Debug)]
pub struct Listing {
    now: Arc<Topology>,
    former: Option<Arc<Topology>>,
}

impl Listing {
    /// Of a topology that nothing came before.
    #[must_use]
    pub fn new(now: Arc<Topology>) -> Self {
        Self { now, former: None }
    }

    /// What is listed when `next` comes into force; `None` when it has another world or other regions: no running process takes that up.
    #[must_use]
    pub fn followed_by(&self, next: Arc<Topology>) -> Option<Self> {
        Difference::between(&self.now, &next)
            .ground
            .is_empty()
            .then(|| Self {
                now: next,
                former: Some(Arc::clone(&self.now)),
            })
    }

    /// The topology that regions go by.
    #[must_use]
    pub fn now(&self) -> &Arc<Topology> {
        &self.now
    }

    /// The one before, if any.
    #[must_use]
    pub fn former(&self) -> Option<&Arc<Topology>> {
        self.former.as_ref()
    }

    /// Whether a node may speak for a region: it is to serve it, or may not have given it away yet.
    #[must_use]
    pub fn may_serve(&self, node: NodeNumber, region: RegionNumber) -> bool {
        self.listing(node, region).is_some()
    }

    /// The regions for which a node was listed and is no more.
    #[must_use]
    pub fn left_by(&self, node: NodeNumber) -> BTreeSet<RegionNumber> {
        let regions = self.now.regions().iter().map(|region| region.number);
        regions
            .filter(|region| self.may_serve(node, *region) && !self.now.may_serve(node, *region))
            .collect()
    }

    /// The newer of the topologies that list a node for a region.
    #[must_use]
    pub fn listing(&self, node: NodeNumber, region: RegionNumber) -> Option<&Arc<Topology>> {
        self.both().find(|topology| topology.may_serve(node, region))
    }

    /// The servers that `server` has to be linked with, ascending: those around its regions by either topology, and those that regions
    /// which are its no more go to.
    #[must_use]
    pub fn peers_of(&self, server: NodeNumber) -> Vec<NodeNumber> {
        let mut peers: BTreeSet<_> = self
            .both()
            .flat_map(|topology| topology.peers_of(server))
            .collect();
        let left = self.left_by(server).into_iter();
        let left = left.filter_map(|region| self.now.region(region));
        peers.extend(left.flat_map(Region::candidates));
        // Whom the newer one does not have is dialed nowhere.
        peers.retain(|peer| *peer != server && self.now.server(*peer).is_some());
        peers.into_iter().collect()
    }

    fn both(&self) -> impl Iterator<Item = &Arc<Topology>> {
        std::iter::once(&self.now).chain(&self.former)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    /// A row of regions, cells of this size, each with its candidates.
    fn row(cell: u32, regions: &[&[u16]]) -> Arc<Topology> {
        let mut text = format!(
            "[world]\nname = \"w\"\nsize = [{}, 64]\ncell_size = {cell}\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n\
            [[proxy]]\nname = \"p\"\nnumber = 101\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n",
            64 * regions.len()
        );
        let used: BTreeSet<u16> = regions.iter().copied().flatten().copied().collect();
        for number in used {
            text += &format!(
                "[[server]]\nname = \"s{number}\"\nnumber = {number}\npeer = \"127.0.0.1:0\"\nproxy = \"127.0.0.1:0\"\n"
            );
        }
        for (index, candidates) in regions.iter().enumerate() {
            let standbys: Vec<_> = candidates[1..]
                .iter()
                .map(|number| format!("s{number}"))
                .collect();
            text += &format!(
                "[[region]]\nname = \"r{index}\"\nnumber = {}\nmin = [{}, 0]\nmax = [{}, 64]\nserver = \"s{}\"\nstandby = {standbys:?}\n",
                index + 1,
                64 * index,
                64 * (index + 1),
                candidates[0]
            );
        }
        Arc::new(parse("t", &text).unwrap_or_else(|mistakes| panic!("{mistakes}")))
    }

    fn peers(listing: &Listing, node: u16) -> Vec<u16> {
        let peers = listing.peers_of(NodeNumber(node)).into_iter();
        peers.map(|peer| peer.0).collect()
    }

    #[test]
    fn who_was_listed_may_speak_until_the_topology_after_the_next() {
        let first = Listing::new(row(32, &[&[1, 5], &[2], &[3], &[3], &[2], &[4]]));
        let listed = |listing: &Listing| {
            let numbers = (1..=5).filter(|node| listing.may_serve(NodeNumber(*node), RegionNumber(1)));
            numbers.collect::<Vec<u16>>()
        };
        assert_eq!((listed(&first), peers(&first, 1)), (vec![1, 5], vec![2]));
        // Region 1 goes to the other end of the row.
        let next = row(32, &[&[4], &[2], &[3], &[3, 1], &[2], &[4]]);
        let next = first.followed_by(next).unwrap();
        assert_eq!(listed(&next), [1, 4, 5]);
        assert_eq!(peers(&next, 1), [2, 3, 4], "whom it is to give the region, too");
        assert_eq!(peers(&next, 2), [1, 3, 4], "those who may still serve it, too");
        let by = |node| next.listing(NodeNumber(node), RegionNumber(1));
        assert_eq!((by(1), by(4), by(3)), (next.former(), Some(next.now()), None));
        let after = row(32, &[&[4], &[2], &[3], &[3], &[2], &[4]]);
        let after = next.followed_by(after).unwrap();
        assert_eq!((listed(&after), peers(&after, 2)), (vec![4], vec![3, 4]));
    }

    #[test]
    fn nothing_follows_that_has_another_ground() {
        let first = Listing::new(row(32, &[&[1], &[2]]));
        assert!(first.followed_by(row(16, &[&[1], &[2]])).is_none());
        assert!(first.followed_by(row(32, &[&[1], &[2], &[3]])).is_none());
        assert!(first.followed_by(row(32, &[&[2], &[1]])).is_some());
    }
}
