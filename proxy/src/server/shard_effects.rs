//! Does what a shard's core wants done outside, a whole sweep at a time: one lock per game server and sweep, one for all
//! changes of subscriptions, one message for all questions to the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::Code;
use protocol::ids::NodeNumber;
use protocol::message::family::ProxyToServer;
use slotmap::{DefaultKey, SecondaryMap};
use tokio::sync::mpsc;

use super::client_queue::ClientQueue;
use super::directory::ShardIndex;
use super::inbox::Arrival;
use super::owner_reads::{OwnerQuestion, Questions};
use super::refusals::{LocalRefusals, Refusals};
use super::server_links::ServerLinks;
use super::subscriptions::{Subscriptions, Wish};
use crate::edge::map::FastMap;
use crate::edge::{Admission, EdgeEffect, SessionHandle};

/// What shards share.
#[derive(Clone)]
pub(super) struct Outside {
    pub(super) links: Arc<ServerLinks>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) questions: mpsc::Sender<Questions>,
    pub(super) refusals: Arc<Refusals>,
}

/// One shard's hands.
pub(super) struct ShardEffects {
    shard: ShardIndex,
    outside: Outside,
    clients: SecondaryMap<DefaultKey, Arc<ClientQueue>>,
    /// Handed to the core, not yet admitted by it.
    arriving: FastMap<[u8; 8], (Arc<ClientQueue>, tokio::sync::oneshot::Sender<SessionHandle>)>,
    to_servers: BTreeMap<NodeNumber, Vec<ProxyToServer>>,
    wishes: Vec<Wish>,
    reads: Vec<OwnerQuestion>,
    refused: LocalRefusals,
}

impl ShardEffects {
    pub(super) fn new(shard: ShardIndex, outside: Outside) -> Self {
        Self {
            shard,
            outside,
            clients: SecondaryMap::new(),
            arriving: FastMap::default(),
            to_servers: BTreeMap::new(),
            wishes: Vec::new(),
            reads: Vec::new(),
            refused: LocalRefusals::default(),
        }
    }

    /// Remembers a client until the core says under which handle it is known; gives what the core needs.
    pub(super) fn arrive(&mut self, arrival: Arrival) -> Box<Admission> {
        let Arrival {
            admission,
            queue,
            admitted,
        } = arrival;
        self.arriving.insert(admission.cid, (queue, admitted));
        admission
    }

    /// The client is gone: nothing can be said to it any more.
    pub(super) fn gone(&mut self, session: SessionHandle) {
        self.clients.remove(session.0);
    }

    /// Does everything, in order for each receiver.
    pub(super) fn execute(&mut self, effects: &mut Vec<EdgeEffect>, now_ms: u64) {
        for effect in effects.drain(..) {
            match effect {
                EdgeEffect::ToServer(node, message) => self.to_servers.entry(node).or_default().push(message),
                EdgeEffect::ToClient(session, message) => {
                    if let Some(queue) = self.clients.get(session.0) {
                        queue.push(&message, now_ms);
                    }
                }
                EdgeEffect::Admitted(_, session, cid) => self.admitted(session, &cid),
                EdgeEffect::CloseClient(session, _, code) => {
                    if let Some(queue) = self.clients.remove(session.0) {
                        queue.close(code);
                    }
                }
                EdgeEffect::Watch(cell) => self.wishes.push(Wish::Watch(cell)),
                EdgeEffect::Unwatch(cell) => self.wishes.push(Wish::Unwatch(cell)),
                EdgeEffect::ReadOwner(user, trusted) => self.reads.push((user, trusted)),
                EdgeEffect::Refused(reason) => self.refused.count(reason),
            }
        }
        self.flush();
    }

    fn admitted(&mut self, session: SessionHandle, cid: &[u8; 8]) {
        if let Some((queue, admitted)) = self.arriving.remove(cid) {
            self.clients.insert(session.0, queue);
            // A peer that is gone already says so by the handle it never got: the core hears of it from here.
            let _ = admitted.send(session);
        }
    }

    fn flush(&mut self) {
        for (node, messages) in &mut self.to_servers {
            if !messages.is_empty() {
                if !self.outside.links.send_all(*node, messages) {
                    self.refused.count("server_not_linked");
                }
                messages.clear();
            }
        }
        if !self.wishes.is_empty() {
            self.outside.subscriptions.handle_wishes(self.shard, &self.wishes);
            self.wishes.clear();
        }
        if !self.reads.is_empty() {
            let questions = (self.shard, std::mem::take(&mut self.reads));
            if self.outside.questions.try_send(questions).is_err() {
                self.refused.count("owner_reads_full");
            }
        }
        for (_, (queue, _)) in self.arriving.drain() {
            // The core kept the newer session of this user.
            queue.close(Code::Superseded);
        }
        self.refused.tell(&self.outside.refusals);
    }
}
