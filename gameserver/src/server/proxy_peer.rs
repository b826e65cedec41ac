//! One accepted link of a proxy: verifies joins, sorts what a frame brings by region, and passes it on without waiting.

use std::sync::Arc;
use std::vec::Drain;

use net::link::{DownReason, LinkHandler, LinkId, LinkSender, LinkUp};
use node::clock::wall_ms;
use protocol::Code;
use protocol::identity::{Clock, Role};
use protocol::ids::{AttachNo, Lane, LiveLane, ProxyLane, RegionNumber};
use protocol::message::checked::SessionIdentity;
use protocol::message::family::{BatchMessage as _, ProxyToServer, ServerToProxy};
use protocol::message::node::Heartbeat;
use protocol::message::player::{Join, JoinRefused};
use protocol::ticket::RawTicket;

use super::sorting::Sorted;
use super::switchboard::Switchboard;
use super::topology_gossip::TopologyGossip;
use crate::dispatch::Addressee;
use crate::join_check::{VerifiedJoin, verify};
use crate::proxy_lanes::ArrivingLane;
use crate::region::RegionInput;

/// Cloned for each link.
#[derive(Clone)]
pub(super) struct ProxyPeer {
    board: Arc<Switchboard>,
    gossip: Arc<TopologyGossip>,
    link: Option<ProxyLink>,
}

/// A link that is up.
#[derive(Clone)]
struct ProxyLink {
    lane: LiveLane,
    sender: LinkSender<ServerToProxy>,
}

/// A message that has passed the shell, with its bytes.
enum Passed {
    Join(VerifiedJoin, RegionNumber),
    Message(ProxyToServer, usize),
}

/// What a verified join takes while it waits, about.
const JOIN_BYTES: usize = 256;

impl ProxyPeer {
    pub(super) fn new(board: Arc<Switchboard>, gossip: Arc<TopologyGossip>) -> Self {
        Self {
            board,
            gossip,
            link: None,
        }
    }

    /// What the shell answers itself ends here.
    fn pass(&self, sender: &LinkSender<ServerToProxy>, message: ProxyToServer) -> Option<Passed> {
        match message {
            ProxyToServer::Join(join) => self.verify(sender, &join),
            ProxyToServer::GetTopology(asked) => {
                if let Some(bundle) = self.gossip.answer(&asked) {
                    self.send(&bundle.into());
                }
                None
            }
            ProxyToServer::Topology(offered) => {
                if self.gossip.handle(&offered).is_err() {
                    self.board.count("topology");
                }
                None
            }
            message => {
                let bytes = message.encoded_len();
                Some(Passed::Message(message, bytes))
            }
        }
    }

    fn verify(&self, sender: &LinkSender<ServerToProxy>, join: &Join) -> Option<Passed> {
        let view = self.gossip.in_force.view();
        let issuer_key = |issuer| {
            let may = view.has_role(issuer, Role::Auth);
            view.public_key_of(issuer).filter(|_| may)
        };
        let clock = Clock::of_node(wall_ms());
        match verify(join, sender.peer().uuid, view.cluster_id(), issuer_key, clock) {
            Ok((join, hint)) => Some(Passed::Join(join, hint)),
            Err(error) => {
                tracing::debug!(user = join.user, proxy = %sender.peer().number, %error, "join refused");
                self.board.count(error.label());
                self.send(&refusal(join, error.code()).into());
                None
            }
        }
    }

    /// A link that is down has no use for it.
    fn send(&self, message: &ServerToProxy) {
        if let Some(link) = &self.link {
            let _ = link.sender.try_send(message);
        }
    }

    fn sort(&self, from: LiveLane, passed: Vec<Passed>) -> Sorted {
        let mut sorted = Sorted::default();
        let directory = self.board.directory();
        for one in passed {
            match one {
                Passed::Join(join, hint) => match directory.join(join.user, hint) {
                    Some(region) => sorted.push(region, RegionInput::Join(from, join), JOIN_BYTES),
                    None => self.board.count("no_region_here"),
                },
                Passed::Message(message, bytes) => match directory.proxy_message(&message) {
                    Addressee::Region(region) => {
                        sorted.push(region, RegionInput::FromProxy(from, message), bytes);
                    }
                    Addressee::Every | Addressee::Shell | Addressee::Nobody => {
                        self.board.count("region_not_here");
                    }
                },
            }
        }
        sorted
    }
}

impl LinkHandler for ProxyPeer {
    type In = ProxyToServer;
    type Out = ServerToProxy;

    fn handle_up(&mut self, up: LinkUp<ServerToProxy>) {
        let lane = LiveLane {
            at: ProxyLane {
                node: up.peer.number,
                lane: up.lane,
            },
            incarnation: up.peer.incarnation,
        };
        let lanes = up.peer.lanes;
        self.link = Some(ProxyLink {
            lane,
            sender: up.sender.clone(),
        });
        self.board.proxy_up(ArrivingLane { lane, lanes }, &up.sender);
    }

    fn handle_batch(&mut self, _link: LinkId, batch: Drain<'_, ProxyToServer>) {
        let Some(ProxyLink { lane, sender }) = self.link.clone() else {
            return;
        };
        let passed = batch.filter_map(|message| self.pass(&sender, message)).collect();
        let sorted = self.sort(lane, passed);
        if self.board.post(sorted).is_err() {
            self.board.count("inbox_full");
            sender.close(Code::SlowConsumer);
        }
    }

    fn handle_heartbeat(&mut self, _link: LinkId, heartbeat: &Heartbeat) {
        // Each of its lanes says so: the first one is asked.
        let is_first = self
            .link
            .as_ref()
            .is_some_and(|link| link.lane.at.lane == Lane::FIRST);
        if is_first && let Some(question) = self.gossip.question(heartbeat) {
            self.send(&question.into());
        }
    }

    fn handle_down(&mut self, link: LinkId, _reason: DownReason) {
        if let Some(ended) = self.link.take() {
            self.board.proxy_down(ended.lane, link);
        }
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
