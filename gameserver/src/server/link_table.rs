//! Which link leads to which node. Region tasks read a snapshot; links change it one at a time, and regions hear of
//! each change in the same order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use net::link::{LinkId, LinkSender};
use protocol::ids::{LiveLane, NodeNumber, ProxyLane};
use protocol::message::family::{ServerToProxy, ServerToServer};

use crate::proxy_lanes::{ArrivingLane, LaneRefused, ProxyLanes};

/// Which of the two links between two game servers: who dialed asks, who accepted serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// We dialed it: our questions go out by it.
    Dialed,
    /// The peer dialed it: our answers go out by it.
    Accepted,
}

/// The links that are up, by the node at their other end.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    pub(super) proxies: BTreeMap<ProxyLane, LinkSender<ServerToProxy>>,
    /// Which of those belong to which start of their proxy.
    pub(super) lanes: ProxyLanes,
    pub(super) servers: BTreeMap<(Side, NodeNumber), LinkSender<ServerToServer>>,
}

impl Links {
    /// Whether any link leads to this game server.
    pub(super) fn reaches(&self, node: NodeNumber) -> bool {
        [Side::Dialed, Side::Accepted]
            .iter()
            .any(|side| self.servers.contains_key(&(*side, node)))
    }

    /// Puts a proxy's link in. The answer is what ends for it: the lanes, and their links that are to be closed.
    pub(super) fn insert_proxy(
        &mut self,
        arriving: ArrivingLane,
        sender: LinkSender<ServerToProxy>,
    ) -> Result<EndedLanes, LaneRefused> {
        let ended = self.lanes.come_up(arriving)?;
        let links = ended.iter().filter_map(|lane| self.proxies.remove(&lane.at));
        let links = links.collect();
        self.proxies.insert(arriving.lane.at, sender);
        Ok(EndedLanes { lanes: ended, links })
    }

    /// Takes a proxy's link away unless a newer one is in its place. Says whether it was there.
    pub(super) fn remove_proxy(&mut self, lane: LiveLane, link: LinkId) -> bool {
        let current = self
            .proxies
            .get(&lane.at)
            .is_some_and(|sender| sender.link() == link);
        current && self.proxies.remove(&lane.at).is_some() && self.lanes.go_down(lane)
    }

    /// Takes a game server's link away unless a newer one is in its place. Says whether it was there.
    pub(super) fn remove_server(&mut self, side: Side, node: NodeNumber, link: LinkId) -> bool {
        let key = (side, node);
        let current = self.servers.get(&key).is_some_and(|sender| sender.link() == link);
        current && self.servers.remove(&key).is_some()
    }
}

/// What has ended because a lane came up.
#[derive(Debug)]
pub(super) struct EndedLanes {
    pub(super) lanes: Vec<LiveLane>,
    pub(super) links: Vec<LinkSender<ServerToProxy>>,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct LinkTable {
    links: ArcSwap<Links>,
    changing: Mutex<()>,
}

impl LinkTable {
    /// The links as they are now.
    pub(super) fn load(&self) -> Guard<Arc<Links>> {
        self.links.load()
    }

    /// Changes the table, and then tells of it, before anybody else changes it.
    pub(super) fn change<T>(&self, act: impl FnOnce(&mut Links) -> T, tell: impl FnOnce(T, &Links)) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut links = Links::clone(&self.links.load());
        let result = act(&mut links);
        let links = Arc::new(links);
        self.links.store(Arc::clone(&links));
        tell(result, &links);
    }
}
