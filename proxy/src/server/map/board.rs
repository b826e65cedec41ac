//! What game servers have told of their regions: the newest word of each, written by the shard that hears it, read by the map.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use protocol::ids::{NodeNumber, RegionNumber};
use protocol::message::checked::CheckedBrief;

/// A brief, by whom, and when it came.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) node: NodeNumber,
    pub(super) brief: CheckedBrief,
    /// Milliseconds of this process's monotonic clock.
    pub(super) at_ms: u64,
}

/// See the module. Never longer than the topology has regions, for whoever is not believed of a region is not heard.
#[derive(Debug, Default)]
pub(in crate::server) struct MapBoard(Mutex<BTreeMap<RegionNumber, Told>>);

impl MapBoard {
    /// A game server tells of a region.
    pub(in crate::server) fn hear(&self, node: NodeNumber, brief: CheckedBrief, at_ms: u64) {
        let (region, told) = (brief.region, Told { node, brief, at_ms });
        self.with(|board| board.insert(region, told));
    }

    /// What was told before is old by now.
    pub(super) fn begin(&self) {
        self.with(BTreeMap::clear);
    }

    /// The newest word of each region.
    pub(super) fn told(&self) -> BTreeMap<RegionNumber, Told> {
        self.with(|board| board.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<RegionNumber, Told>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
