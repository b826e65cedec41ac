//! Where what arrives goes: users' messages to the region that has them, cells and handovers to the region they name,
//! the rest to control.

use std::sync::Arc;

use net::link::LinkId;
use net::link_core::{Received, Sealing};
use protocol::Code;
use protocol::ids::{AttachNo, LiveLane, NodeNumber, RegionNumber};
use protocol::message::checked::SessionIdentity;
use protocol::message::family::{ProxyToServer, ServerToServer};
use protocol::message::player::{Join, JoinRefused};
use protocol::ticket::RawTicket;

use super::effect::{TopologyWord, WorldEffect};
use super::links::{LinkPeer, Said};
use super::{Moment, World};
use crate::dispatch::Addressee;
use crate::join_check::{JoinError, VerifiedJoin};
use crate::region::RegionInput;

/// How old an effect from another process may be: it is on what its maker saw, microseconds.
const EFFECT_AGE_US_MAX: u64 = 1_000_000;

impl<S: Sealing> World<S> {
    pub(super) fn hear(&mut self, id: LinkId, said: Said, now: Moment) {
        match said {
            Said::Proxy(lane, Received::Message(message)) => self.proxy_says(id, lane, message, now),
            Said::Peer(node, Received::Message(message)) => self.peer_says(id, node, message, now),
            Said::Proxy(_, Received::Heartbeat(heartbeat))
            | Said::Peer(_, Received::Heartbeat(heartbeat)) => {
                self.effects.push(WorldEffect::Heard(id, heartbeat));
            }
        }
    }

    fn proxy_says(&mut self, id: LinkId, lane: LiveLane, message: ProxyToServer, now: Moment) {
        let addressee = self.directory.proxy_message(&message);
        match message {
            ProxyToServer::Join(join) => self.effects.push(WorldEffect::Verify(id, join)),
            ProxyToServer::GetTopology(asked) => self.speaks_of_topology(id, TopologyWord::Question(asked)),
            ProxyToServer::Topology(offered) => self.speaks_of_topology(id, TopologyWord::Bundle(offered)),
            ProxyToServer::WatchMap(wish) => self.watch_map(lane.at, &wish, now),
            message => match addressee {
                Addressee::Region(region) => self.tell(region, RegionInput::FromProxy(lane, message), now),
                Addressee::Bordering(_) | Addressee::World | Addressee::Nobody => {
                    self.count("region_not_here");
                }
            },
        }
    }

    fn peer_says(&mut self, id: LinkId, node: NodeNumber, message: ServerToServer, now: Moment) {
        match message {
            ServerToServer::GetTopology(asked) => self.speaks_of_topology(id, TopologyWord::Question(asked)),
            ServerToServer::Topology(offered) => self.speaks_of_topology(id, TopologyWord::Bundle(offered)),
            ServerToServer::Effect(effect)
                if self.links.age_us(id, effect.made_us, now) > EFFECT_AGE_US_MAX =>
            {
                self.count("effect_late");
            }
            message => {
                if !self.deliver(node, message, now) {
                    self.count("border_not_here");
                }
            }
        }
    }

    /// A message between regions, from a peer or from another region of this process. What a region publishes, and who
    /// serves it, concerns those that border it: nobody else meets its players or sees its cells. Whether it concerns anybody here.
    pub(super) fn deliver(&mut self, node: NodeNumber, message: ServerToServer, now: Moment) -> bool {
        match self.directory.peer_message(&message) {
            Addressee::Region(region) => {
                self.tell(region, RegionInput::FromPeer(node, message), now);
                true
            }
            Addressee::Bordering(of) => {
                // Who else says that it serves a region is heard by that region itself: one of the two is over.
                let itself = matches!(message, ServerToServer::Serving(_)).then_some(of);
                let topology = Arc::clone(&self.topology);
                let concerned = itself.into_iter().chain(topology.neighbours(of).iter().copied());
                let mut is_told = false;
                for region in concerned {
                    if self.directory.serves(region) {
                        self.tell(region, RegionInput::FromPeer(node, message.clone()), now);
                        is_told = true;
                    }
                }
                is_told
            }
            Addressee::World | Addressee::Nobody => {
                self.count("region_not_here");
                true
            }
        }
    }

    fn speaks_of_topology(&mut self, id: LinkId, word: TopologyWord) {
        self.effects.push(WorldEffect::Topology(id, word));
    }

    /// What the signatures of a join say. The verdict on a link that is gone is dropped: the proxy joins anew.
    pub fn join_verified(
        &mut self,
        id: LinkId,
        join: &Join,
        verdict: Result<(VerifiedJoin, RegionNumber), JoinError>,
        now: Moment,
    ) {
        let Some(LinkPeer::Proxy(lane)) = self.links.peer(id) else {
            return;
        };
        let refused = match verdict {
            Ok((verified, hint)) => match self.directory.join(verified.user, hint) {
                Some(region) => {
                    self.tell(region, RegionInput::Join(lane, verified), now);
                    None
                }
                // Others serve what this process served, or stands by for.
                None => Some(("no_region_here", Code::WorldRecovering)),
            },
            Err(error) => Some((error.label(), error.code())),
        };
        if let Some((label, code)) = refused {
            self.count(label);
            if let Some(core) = self.links.lane_mut(lane.at) {
                core.push(&refusal(join, code).into());
            }
        }
        self.settle(now);
    }
}

/// The answer to a join that was refused here. It names the session as the proxy did: by the ticket's claims.
fn refusal(join: &Join, code: Code) -> JoinRefused {
    let claims = RawTicket::parse(&join.ticket).ok();
    let session = claims.map(|ticket| SessionIdentity {
        id: ticket.claims().session,
        generation: ticket.claims().session_generation,
        attach_no: AttachNo(join.attach_no),
    });
    JoinRefused {
        user: join.user,
        session: session.map(Into::into),
        code: u32::from(code.number()),
        retry_ms: 0,
    }
}
