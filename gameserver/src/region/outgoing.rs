//! What leaves a region, in order: words to proxies and peers, questions to the store, and what its process is to know.
//! Every machine of the region that has something to say is handed this.

use protocol::ids::NodeNumber;
use protocol::message::family::ServerToServer;
use store::StoreRequest;

use super::asked::Asked;
use super::effect::{RegionEffect, StoreTicket};
use super::questions::Questions;

/// Effects that nobody has taken yet, and the questions among them that have no answer.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    effects: Vec<RegionEffect>,
    questions: Questions,
}

impl Outgoing {
    pub(super) fn push(&mut self, effect: RegionEffect) {
        self.effects.push(effect);
    }

    /// Something was refused.
    pub(super) fn count(&mut self, label: &'static str) {
        self.push(RegionEffect::Count(label));
    }

    pub(super) fn tell_server(&mut self, node: NodeNumber, message: impl Into<ServerToServer>) {
        self.push(RegionEffect::ToServer(node, message.into()));
    }

    pub(super) fn ask(&mut self, asked: Asked, request: StoreRequest) {
        let ticket = self.questions.put(asked);
        self.push(RegionEffect::Store(ticket, request));
    }

    /// Asks again a little later what the store could not answer.
    pub(super) fn ask_later(&mut self, asked: Asked, request: StoreRequest, now_ms: u64) {
        self.questions.put_later(asked, request, now_ms);
    }

    /// Takes the questions that are to be asked again now.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Vec<(Asked, StoreRequest)> {
        self.questions.take_due(now_ms)
    }

    /// An answer of the store has come: to which question. `None`: to none that is open.
    pub(super) fn answered(&mut self, ticket: StoreTicket) -> Option<Asked> {
        self.questions.answered(ticket)
    }

    /// Questions without an answer.
    pub(super) fn questions(&self) -> usize {
        self.questions.len()
    }

    /// Leaves nothing but room for as much.
    pub(super) fn take(&mut self) -> Vec<RegionEffect> {
        let next = Vec::with_capacity(self.effects.len());
        std::mem::replace(&mut self.effects, next)
    }
}
