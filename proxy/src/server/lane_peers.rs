//! Who is at the other end of each lane of a shard, and what was said of topologies there.

use std::collections::BTreeMap;

use net::link::{HandedLink, LinkContext, LinkId, LinkLease, LinkMeters, PeerDirectory, recheck};
use net::link_core::{DownReason, LinkCore, LinkCounts, Sealed};
use protocol::Code;
use protocol::ids::{NodeNumber, TopologyVersion};
use protocol::message::node::Heartbeat;
use protocol::node_handshake::VerifiedPeer;

use super::shard_desk::ShardDesk;
use super::streams::Streams;
use crate::shard::{Moment, ServerLinkCore, TopologyWord};

struct LanePeer {
    peer: VerifiedPeer,
    /// The newest topology that it was asked for.
    asked: TopologyVersion,
    _lease: LinkLease,
}

/// See the module.
#[derive(Default)]
pub(super) struct LanePeers {
    lanes: BTreeMap<LinkId, LanePeer>,
    meters: LinkMeters,
}

impl LanePeers {
    /// Takes a lane over: its core, or nothing when its socket cannot be watched; then it is dialed again.
    pub(super) fn add(
        &mut self,
        link: HandedLink,
        streams: &mut Streams,
        now: Moment,
    ) -> Option<(LinkId, NodeNumber, ServerLinkCore<Sealed>)> {
        let (id, node) = (link.id, link.peer.number);
        streams.add(id.0, link.socket).ok()?;
        tracing::info!(link = %id, peer = %node, lane = %link.lane, "link up");
        self.meters.up(id);
        let peer = LanePeer {
            peer: link.peer,
            asked: TopologyVersion(0),
            _lease: link.lease,
        };
        self.lanes.insert(id, peer);
        Some((id, node, LinkCore::new(link.sealing, link.life, now)))
    }

    /// A lane is over: whoever dialed it dials again.
    pub(super) fn remove(&mut self, id: LinkId, reason: DownReason, context: &LinkContext) {
        if self.lanes.remove(&id).is_some() {
            self.meters.down(id, reason);
            if let DownReason::Broken(label) = reason
                && !matches!(label, "eof" | "io")
            {
                context.stats.count_refused(label);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.lanes.keys().copied().collect()
    }

    pub(super) fn node(&self, id: LinkId) -> Option<NodeNumber> {
        self.lanes.get(&id).map(|lane| lane.peer.number)
    }

    /// Lanes whose peers are no longer who they were, and what they are told.
    pub(super) fn refused(&self, directory: &dyn PeerDirectory) -> Vec<(LinkId, Code)> {
        let refused = |(id, lane): (&LinkId, &LanePeer)| Some((*id, recheck(&lane.peer, directory).err()?));
        self.lanes.iter().filter_map(refused).collect()
    }

    /// Takes a heartbeat. What to ask the peer when its topology is newer.
    pub(super) fn heard(
        &mut self,
        id: LinkId,
        heartbeat: &Heartbeat,
        desk: &ShardDesk,
        now: Moment,
    ) -> Option<TopologyWord> {
        let lane = self.lanes.get_mut(&id)?;
        let loads = &desk.context.loads;
        loads.handle_heartbeat(lane.peer.number, heartbeat, now.mono_us / 1000);
        let theirs = TopologyVersion(heartbeat.topology_version);
        if theirs <= lane.asked {
            return None;
        }
        lane.asked = theirs;
        desk.news.question(theirs).map(TopologyWord::Question)
    }

    /// What has gone over a lane by now.
    pub(super) fn note(&mut self, id: LinkId, counts: &LinkCounts) {
        self.meters.note(id, counts);
    }
}
