//! What other regions say, on this server or another: each message is believed as far as the topology and the epochs
//! let its sender speak.

use protocol::ids::{EntityId, NodeNumber, RegionEpoch, RegionNumber, UserId};
use protocol::message::effect::{Effect, Refresh};
use protocol::message::family::ServerToServer;

use super::publication::Subscriber::Server;
use super::state::{Notice, RegionState};

impl RegionState {
    pub(super) fn peer_up(&mut self, node: NodeNumber) {
        self.peers.insert(node);
        self.announce(Server(node));
        self.watch_peer(node);
        // What was given over the border meanwhile may not have been heard of, but only by who could be seen from there.
        // They are read in turn, as always: not all of them at once, and not before those who wait for the store.
        for player in self.players.values_mut() {
            player.was_at_rim |= player.knows_rim;
        }
    }

    pub(super) fn peer_down(&mut self, node: NodeNumber) {
        self.peers.remove(&node);
        self.publication.gone(Server(node));
        self.freeze_ghosts(node);
    }

    pub(super) fn peer_says(&mut self, node: NodeNumber, message: ServerToServer) {
        match message {
            ServerToServer::Serving(message) => self.neighbour_serves(node, &message),
            ServerToServer::Subscribe(message) => self.subscribe(Server(node), &message),
            ServerToServer::Unsubscribe(message) => self.unsubscribe(Server(node), &message),
            ServerToServer::CellUpdates(message) => self.update_ghosts(node, &message),
            ServerToServer::Prepare(message) => self.prepare(node, &message),
            ServerToServer::Prepared(message) => self.prepared(node, &message),
            ServerToServer::Refuse(message) => self.refused(node, &message),
            ServerToServer::Commit(message) => self.commit(node, &message),
            ServerToServer::Done(message) => self.done(node, &message),
            ServerToServer::Effect(message) => self.effect_arrived(node, message),
            ServerToServer::Refresh(message) => self.refresh_arrived(node, &message),
            ServerToServer::Heartbeat(_) | ServerToServer::GetTopology(_) | ServerToServer::Topology(_) => {
                self.count("not_for_a_region");
            }
        }
    }

    fn effect_arrived(&mut self, node: NodeNumber, message: Effect) {
        let refused = if !self
            .config
            .topology
            .may_serve(node, RegionNumber(message.from_region))
        {
            "peer_not_listed"
        } else if RegionEpoch(message.to_region_epoch) != self.config.epoch {
            "effect_stale_epoch"
        } else {
            let (source, target) = (EntityId(message.source_entity), EntityId(message.target_entity));
            if self.entities.key(target).is_some() {
                let body = message.body;
                self.notices.push_back(Notice::Effect { source, target, body });
            }
            return;
        };
        self.count(refused);
    }

    fn refresh_arrived(&mut self, node: NodeNumber, message: &Refresh) {
        if self
            .config
            .topology
            .may_serve(node, RegionNumber(message.from_region))
        {
            self.tell_receiver(UserId(message.user));
        } else {
            self.count("peer_not_listed");
        }
    }
}
