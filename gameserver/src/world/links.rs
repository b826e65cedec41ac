//! The links of a world: lanes of proxies, and two to each game server that is near, one dialed by each side.

use std::collections::{BTreeMap, BTreeSet};

use net::link::{LinkId, LinkSight};
use net::link_core::{DownReason, LinkCore, LinkTime, Received, Sealing};
use protocol::Code;
use protocol::ids::{Incarnation, LiveLane, NodeNumber, ProxyLane};
use protocol::message::family::{ProxyToServer, ServerToProxy, ServerToServer};
use protocol::message::node::Heartbeat;
use protocol::node_handshake::{LinkChoice, newer_link};

use super::credits::Sent;
use crate::proxy_lanes::{ArrivingLane, LaneRefused, ProxyLanes};
use crate::region::Subscriber;

/// A link to a lane of a proxy.
pub type ProxyLinkCore<S> = LinkCore<ProxyToServer, ServerToProxy, S>;
/// A link to a game server.
pub type PeerLinkCore<S> = LinkCore<ServerToServer, ServerToServer, S>;

/// Which of the two links between two game servers: who dialed asks, who accepted serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// We dialed it: our questions go out by it.
    Dialed,
    /// The peer dialed it: our answers go out by it.
    Accepted,
}

/// A game server at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivingPeer {
    /// Which.
    pub node: NodeNumber,
    /// Who dialed.
    pub side: Side,
    /// Which start of the node that dialed.
    pub initiator: Incarnation,
}

/// Who is at the other end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPeer {
    /// A lane of a proxy.
    Proxy(LiveLane),
    /// A game server.
    Server(Side, NodeNumber),
}

impl LinkPeer {
    /// The node.
    #[must_use]
    pub fn node(self) -> NodeNumber {
        match self {
            Self::Proxy(lane) => lane.node(),
            Self::Server(_, node) => node,
        }
    }
}

/// A link, and who is at its other end.
#[derive(Clone, Copy, Debug)]
pub struct LinkReport {
    /// Who.
    pub peer: LinkPeer,
    /// How it is.
    pub sight: LinkSight,
}

pub(super) enum WorldLink<S> {
    Proxy(LiveLane, ProxyLinkCore<S>),
    Peer(ArrivingPeer, PeerLinkCore<S>),
}

/// Does the same to whichever core a link has.
macro_rules! either {
    ($link:expr, $core:ident => $what:expr) => {
        match $link {
            WorldLink::Proxy(_, $core) => $what,
            WorldLink::Peer(_, $core) => $what,
        }
    };
}

/// One message from whoever.
pub(super) enum Said {
    Proxy(LiveLane, Received<ProxyToServer>),
    Peer(NodeNumber, Received<ServerToServer>),
}

impl<S: Sealing> WorldLink<S> {
    pub(super) fn peer(&self) -> LinkPeer {
        match self {
            Self::Proxy(lane, _) => LinkPeer::Proxy(*lane),
            Self::Peer(peer, _) => LinkPeer::Server(peer.side, peer.node),
        }
    }

    pub(super) fn report(&self) -> LinkReport {
        let sight = either!(self, core => LinkSight {
            waiting_bytes: core.waiting_bytes(),
            round_trip_us: core.round_trip_us(),
            drift_ms: core.drift_ms(),
            ahead_ms: core.ahead_ms(),
            counts: core.counts(),
        });
        let peer = self.peer();
        LinkReport { peer, sight }
    }

    fn next(&mut self, now: LinkTime) -> Result<Option<Said>, DownReason> {
        match self {
            Self::Proxy(lane, core) => Ok(core.next(now)?.map(|received| Said::Proxy(*lane, received))),
            Self::Peer(peer, core) => Ok(core.next(now)?.map(|received| Said::Peer(peer.node, received))),
        }
    }
}

/// All links of a world.
pub(super) struct Links<S> {
    links: BTreeMap<LinkId, WorldLink<S>>,
    lanes: ProxyLanes,
    by_lane: BTreeMap<ProxyLane, LinkId>,
    by_server: BTreeMap<(Side, NodeNumber), LinkId>,
}

impl<S: Sealing> Links<S> {
    pub(super) fn new() -> Self {
        Self {
            links: BTreeMap::new(),
            lanes: ProxyLanes::default(),
            by_lane: BTreeMap::new(),
            by_server: BTreeMap::new(),
        }
    }

    /// A lane comes up. The answer is what ends for it, lanes and their links, to be ended as duplicates; or why it may
    /// not come up.
    pub(super) fn add_proxy(
        &mut self,
        id: LinkId,
        arriving: ArrivingLane,
        core: ProxyLinkCore<S>,
    ) -> Result<Vec<(LiveLane, Option<LinkId>)>, LaneRefused> {
        self.links.insert(id, WorldLink::Proxy(arriving.lane, core));
        let ended = self.lanes.come_up(arriving)?;
        let ended = ended
            .into_iter()
            .map(|lane| (lane, self.by_lane.remove(&lane.at)))
            .collect();
        self.by_lane.insert(arriving.lane.at, id);
        Ok(ended)
    }

    /// A game server's link comes up. The answer is which ends for it: the older one, or itself.
    pub(super) fn add_peer(
        &mut self,
        id: LinkId,
        arriving: ArrivingPeer,
        core: PeerLinkCore<S>,
    ) -> Option<LinkId> {
        let key = (arriving.side, arriving.node);
        let older = self.by_server.get(&key).copied();
        let there = older.and_then(|older| self.links.get(&older));
        let keeps = matches!(there, Some(WorldLink::Peer(there, _))
            if newer_link(there.initiator, arriving.initiator) == LinkChoice::KeepExisting);
        self.links.insert(id, WorldLink::Peer(arriving, core));
        if keeps {
            return Some(id);
        }
        self.by_server.insert(key, id);
        older
    }

    /// Takes a link out of all tables that still lead to it. `true`: nobody is reached by it any more, and the regions
    /// have to hear of it.
    pub(super) fn remove(&mut self, id: LinkId) -> Option<(WorldLink<S>, bool)> {
        let link = self.links.remove(&id)?;
        let is_gone = match &link {
            WorldLink::Proxy(lane, _) => {
                let was_current = self.by_lane.get(&lane.at) == Some(&id);
                was_current && self.by_lane.remove(&lane.at).is_some() && self.lanes.go_down(*lane)
            }
            WorldLink::Peer(peer, _) => {
                let key = (peer.side, peer.node);
                let was_current = self.by_server.get(&key) == Some(&id);
                was_current && self.by_server.remove(&key).is_some() && !self.reaches(peer.node)
            }
        };
        Some((link, is_gone))
    }

    /// The lanes that are up.
    pub(super) fn lanes(&self) -> Vec<ArrivingLane> {
        self.lanes.all().collect()
    }

    /// The game servers that a link leads to.
    pub(super) fn peers(&self) -> BTreeSet<NodeNumber> {
        self.by_server.keys().map(|(_, node)| *node).collect()
    }

    /// Whether any link leads to this game server.
    fn reaches(&self, node: NodeNumber) -> bool {
        [Side::Dialed, Side::Accepted]
            .iter()
            .any(|side| self.by_server.contains_key(&(*side, node)))
    }

    pub(super) fn receive(&mut self, id: LinkId, bytes: &[u8]) {
        if let Some(link) = self.links.get_mut(&id) {
            either!(link, core => core.receive(bytes));
        }
    }

    pub(super) fn has_ended(&self, id: LinkId) -> bool {
        let link = self.links.get(&id);
        link.is_some_and(|link| either!(link, core => core.ended().is_some()))
    }

    /// How long ago who speaks on a link made something, by that process's monotonic clock, microseconds.
    pub(super) fn age_us(&self, id: LinkId, made_us: u64, now: LinkTime) -> u64 {
        let link = self.links.get(&id);
        link.map_or(0, |link| either!(link, core => core.age_us(made_us, now)))
    }

    /// The next message on a link; nothing when it has ended.
    pub(super) fn next(&mut self, id: LinkId, now: LinkTime) -> Option<Said> {
        self.links.get_mut(&id)?.next(now).ok().flatten()
    }

    pub(super) fn lane_mut(&mut self, lane: ProxyLane) -> Option<&mut ProxyLinkCore<S>> {
        match self.links.get_mut(self.by_lane.get(&lane)?)? {
            WorldLink::Proxy(_, core) => Some(core),
            WorldLink::Peer(..) => None,
        }
    }

    pub(super) fn lane(&self, lane: ProxyLane) -> Option<&ProxyLinkCore<S>> {
        match self.links.get(self.by_lane.get(&lane)?)? {
            WorldLink::Proxy(_, core) => Some(core),
            WorldLink::Peer(..) => None,
        }
    }

    pub(super) fn server_mut(&mut self, side: Side, node: NodeNumber) -> Option<&mut PeerLinkCore<S>> {
        match self.links.get_mut(self.by_server.get(&(side, node))?)? {
            WorldLink::Peer(_, core) => Some(core),
            WorldLink::Proxy(..) => None,
        }
    }

    /// What was said to a subscriber; `None` when it has no link.
    pub(super) fn said(&self, subscriber: Subscriber) -> Option<Sent> {
        let id = match subscriber {
            Subscriber::Lane(lane) => self.by_lane.get(&lane),
            // Cells go out by the link that the peer dialed.
            Subscriber::Server(node) => self.by_server.get(&(Side::Accepted, node)),
        };
        let link = self.links.get(id?)?;
        Some(either!(link, core => Sent {
            bytes: core.said_bytes(),
            is_drained: core.is_drained(),
        }))
    }

    pub(super) fn peer(&self, id: LinkId) -> Option<LinkPeer> {
        self.links.get(&id).map(WorldLink::peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &WorldLink<S>)> {
        self.links.iter().map(|(id, link)| (*id, link))
    }

    /// Lets time pass on all links: those that have ended, and heartbeats that are due.
    pub(super) fn tick(&mut self, now: LinkTime) -> (Vec<LinkId>, Vec<(LinkId, Heartbeat)>) {
        let (mut ended, mut beats) = (Vec::new(), Vec::new());
        for (id, link) in &mut self.links {
            match either!(link, core => core.tick(now)) {
                Err(_) => ended.push(*id),
                Ok(Some(beat)) => beats.push((*id, beat)),
                Ok(None) => {}
            }
        }
        (ended, beats)
    }

    pub(super) fn due_us(&self, now: LinkTime) -> Option<u64> {
        let due = |link: &WorldLink<S>| either!(link, core => core.due_us(now));
        self.links.values().map(due).min()
    }

    pub(super) fn flush(&mut self, id: LinkId, now: LinkTime) {
        if let Some(link) = self.links.get_mut(&id) {
            either!(link, core => core.flush(now));
        }
    }

    /// Says something that has one shape on all links.
    pub(super) fn say(&mut self, id: LinkId, message: impl Into<ServerToProxy> + Into<ServerToServer>) {
        match self.links.get_mut(&id) {
            Some(WorldLink::Proxy(_, core)) => core.push(&message.into()),
            Some(WorldLink::Peer(_, core)) => core.push(&message.into()),
            None => {}
        }
    }

    pub(super) fn broke(&mut self, id: LinkId, label: &'static str) {
        if let Some(link) = self.links.get_mut(&id) {
            either!(link, core => core.broke(label));
        }
    }

    pub(super) fn close(&mut self, id: LinkId, code: Code, now: LinkTime) {
        if let Some(link) = self.links.get_mut(&id) {
            either!(link, core => core.close(code, now));
        }
    }

    pub(super) fn unsent(&self, id: LinkId) -> &[u8] {
        let link = self.links.get(&id);
        link.map_or(&[], |link| either!(link, core => core.unsent()))
    }

    pub(super) fn wrote(&mut self, id: LinkId, bytes: usize) {
        if let Some(link) = self.links.get_mut(&id) {
            either!(link, core => core.wrote(bytes));
        }
    }
}

/// What a link that is out of the tables still has to say.
pub(super) fn last_words<S: Sealing>(link: WorldLink<S>, now: LinkTime) -> (DownReason, Vec<u8>) {
    let reason = either!(&link, core => core.ended());
    let reason = reason.unwrap_or(DownReason::Closed(Code::Generic));
    (reason, either!(link, core => core.into_last_words(now)))
}
