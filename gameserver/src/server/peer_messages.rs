//! One link between game servers, whichever side dialed it: sorts what a frame brings by region and passes it on
//! without waiting. What a peer may say is judged by the regions.

use std::sync::Arc;
use std::vec::Drain;

use net::link::{DownReason, LinkHandler, LinkId, LinkSender, LinkUp};
use protocol::Code;
use protocol::ids::NodeNumber;
use protocol::message::family::{BatchMessage as _, ServerToServer};
use protocol::message::node::Heartbeat;

use super::link_table::Side;
use super::sorting::Sorted;
use super::switchboard::Switchboard;
use super::topology_gossip::TopologyGossip;
use crate::dispatch::Addressee;
use crate::region::RegionInput;

/// Cloned for each accepted link; one for each dialed one.
#[derive(Clone)]
pub(super) struct PeerMessages {
    board: Arc<Switchboard>,
    gossip: Arc<TopologyGossip>,
    side: Side,
    sender: Option<LinkSender<ServerToServer>>,
}

impl PeerMessages {
    pub(super) fn new(board: Arc<Switchboard>, gossip: Arc<TopologyGossip>, side: Side) -> Self {
        Self {
            board,
            gossip,
            side,
            sender: None,
        }
    }

    /// What the shell answers itself ends here.
    fn pass(&self, message: ServerToServer) -> Option<ServerToServer> {
        match message {
            ServerToServer::GetTopology(asked) => {
                if let Some(bundle) = self.gossip.answer(&asked) {
                    self.send(&bundle.into());
                }
                None
            }
            ServerToServer::Topology(offered) => {
                if self.gossip.handle(&offered).is_err() {
                    self.board.count("topology");
                }
                None
            }
            message => Some(message),
        }
    }

    /// A link that is down has no use for it.
    fn send(&self, message: &ServerToServer) {
        if let Some(sender) = &self.sender {
            let _ = sender.try_send(message);
        }
    }

    fn sort(&self, from: NodeNumber, messages: Vec<ServerToServer>) -> Sorted {
        let mut sorted = Sorted::default();
        let directory = self.board.directory();
        for message in messages {
            let bytes = message.encoded_len();
            match directory.peer_message(&message) {
                Addressee::Region(region) => sorted.push(region, RegionInput::FromPeer(from, message), bytes),
                Addressee::Every => {
                    for region in directory.regions() {
                        sorted.push(region, RegionInput::FromPeer(from, message.clone()), bytes);
                    }
                }
                Addressee::Shell | Addressee::Nobody => self.board.count("region_not_here"),
            }
        }
        sorted
    }
}

impl LinkHandler for PeerMessages {
    type In = ServerToServer;
    type Out = ServerToServer;

    fn handle_up(&mut self, up: LinkUp<ServerToServer>) {
        self.sender = Some(up.sender.clone());
        self.board.server_up(self.side, up.sender);
    }

    fn handle_batch(&mut self, _link: LinkId, batch: Drain<'_, ServerToServer>) {
        let Some(sender) = self.sender.clone() else { return };
        let messages = batch.filter_map(|message| self.pass(message)).collect();
        let sorted = self.sort(sender.peer().number, messages);
        if self.board.post(sorted).is_err() {
            self.board.count("inbox_full");
            sender.close(Code::SlowConsumer);
        }
    }

    fn handle_heartbeat(&mut self, _link: LinkId, heartbeat: &Heartbeat) {
        if let Some(question) = self.gossip.question(heartbeat) {
            self.send(&question.into());
        }
    }

    fn handle_down(&mut self, link: LinkId, _reason: DownReason) {
        if let Some(sender) = self.sender.take() {
            self.board.server_down(self.side, sender.peer().number, link);
        }
    }
}
