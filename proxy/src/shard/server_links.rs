//! A shard's lane to every game server.

use std::collections::BTreeMap;

use net::link::{LinkId, LinkSight};
use net::link_core::{DownReason, LinkCore, LinkTime, Received, Sealing};
use protocol::Code;
use protocol::ids::NodeNumber;
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::message::node::Heartbeat;

/// A lane to a game server.
pub type ServerLinkCore<S> = LinkCore<ServerToProxy, ProxyToServer, S>;

struct ServerLink<S> {
    node: NodeNumber,
    core: ServerLinkCore<S>,
}

/// A link that is out of the tables.
pub(super) struct Ended {
    pub(super) node: NodeNumber,
    pub(super) reason: DownReason,
    pub(super) last_words: Vec<u8>,
    /// Whether the server is not reached by this shard any more.
    pub(super) was_current: bool,
}

/// All lanes of a shard: one to each game server, and older ones that are about to end.
pub(super) struct ServerLinks<S> {
    links: BTreeMap<LinkId, ServerLink<S>>,
    by_node: BTreeMap<NodeNumber, LinkId>,
}

impl<S: Sealing> ServerLinks<S> {
    pub(super) fn new() -> Self {
        Self {
            links: BTreeMap::new(),
            by_node: BTreeMap::new(),
        }
    }

    /// A lane is up. The answer is the older one that ends for it.
    pub(super) fn add(&mut self, id: LinkId, node: NodeNumber, core: ServerLinkCore<S>) -> Option<LinkId> {
        self.links.insert(id, ServerLink { node, core });
        self.by_node.insert(node, id)
    }

    /// Takes a link out.
    pub(super) fn remove(&mut self, id: LinkId, now: LinkTime) -> Option<Ended> {
        let ServerLink { node, core } = self.links.remove(&id)?;
        let was_current = self.by_node.get(&node) == Some(&id);
        if was_current {
            self.by_node.remove(&node);
        }
        Some(Ended {
            node,
            reason: core.ended().unwrap_or(DownReason::Closed(Code::Generic)),
            last_words: core.into_last_words(now),
            was_current,
        })
    }

    pub(super) fn receive(&mut self, id: LinkId, bytes: &[u8]) {
        if let Some(link) = self.links.get_mut(&id) {
            link.core.receive(bytes);
        }
    }

    /// The next message on a link; nothing when it has ended, which [`tick`](Self::tick) tells.
    pub(super) fn next(
        &mut self,
        id: LinkId,
        now: LinkTime,
    ) -> Option<(NodeNumber, Received<ServerToProxy>)> {
        let link = self.links.get_mut(&id)?;
        let received = link.core.next(now).ok().flatten()?;
        Some((link.node, received))
    }

    pub(super) fn node_mut(&mut self, node: NodeNumber) -> Option<&mut ServerLinkCore<S>> {
        let link = self.links.get_mut(self.by_node.get(&node)?)?;
        Some(&mut link.core)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut ServerLinkCore<S>> {
        self.links.get_mut(&id).map(|link| &mut link.core)
    }

    pub(super) fn unsent(&self, id: LinkId) -> &[u8] {
        self.links.get(&id).map_or(&[], |link| link.core.unsent())
    }

    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    /// Lets time pass on all links: those that have ended, and heartbeats that are due.
    pub(super) fn tick(&mut self, now: LinkTime) -> (Vec<LinkId>, Vec<(LinkId, Heartbeat)>) {
        let (mut ended, mut beats) = (Vec::new(), Vec::new());
        for (id, link) in &mut self.links {
            match link.core.tick(now) {
                Err(_) => ended.push(*id),
                Ok(Some(beat)) => beats.push((*id, beat)),
                Ok(None) => {}
            }
        }
        (ended, beats)
    }

    /// When to call [`tick`](Self::tick) again, microseconds; `None` without links.
    pub(super) fn due_us(&self, now: LinkTime) -> Option<u64> {
        let due = |link: &ServerLink<S>| match link.core.ended() {
            Some(_) => now.mono_us,
            None => link.core.due_us(now),
        };
        self.links.values().map(due).min()
    }

    /// Each link at a glance.
    pub(super) fn sights(&self) -> impl Iterator<Item = (LinkId, NodeNumber, LinkSight)> {
        self.links.iter().map(|(id, ServerLink { node, core })| {
            let sight = LinkSight {
                waiting_bytes: core.waiting_bytes(),
                round_trip_us: core.round_trip_us(),
                drift_ms: core.drift_ms(),
                ahead_ms: core.ahead_ms(),
                counts: core.counts(),
            };
            (*id, *node, sight)
        })
    }
}
