//! Where a shard's thread turns to with what it cannot do itself: questions and news for control and for the store, once a
//! round; loads and topologies, which are snapshots; and counts.

use std::sync::Arc;

use net::link::LinkContext;
use protocol::ids::{NodeNumber, OwnerEpoch, UserId};
use protocol::message::node::Heartbeat;
use store::StorePort;

use super::directory::ShardIndex;
use super::mailbox::{News, NewsSender};
use super::map::MapBoard;
use super::owner_reads::OwnerReads;
use super::refusals::{LocalRefusals, Refusals};
use super::topology_news::TopologyNews;
use crate::edge::OwnerAnswer;
use crate::shard::{Moment, Question, TopologyWord};

/// See the module.
pub(super) struct ShardDesk {
    index: ShardIndex,
    pub(super) context: Arc<LinkContext>,
    pub(super) news: Arc<TopologyNews>,
    control: NewsSender,
    refusals: Arc<Refusals>,
    /// Where briefs for the map go.
    pub(super) map: Arc<MapBoard>,
    refused: LocalRefusals,
    questions: Vec<Question>,
    owners: OwnerReads,
}

impl ShardDesk {
    pub(super) fn new(
        index: ShardIndex,
        context: Arc<LinkContext>,
        news: Arc<TopologyNews>,
        control: NewsSender,
        (refusals, map): (Arc<Refusals>, Arc<MapBoard>),
        store: StorePort,
    ) -> Self {
        Self {
            index,
            context,
            news,
            control,
            refusals,
            map,
            refused: LocalRefusals::default(),
            questions: Vec::new(),
            owners: OwnerReads::new(store),
        }
    }

    pub(super) fn ask(&mut self, question: Question) {
        self.questions.push(question);
    }

    pub(super) fn read_owner(&mut self, user: UserId, trusted: OwnerEpoch) {
        if let Err(label) = self.owners.ask(user, trusted) {
            self.count(label);
        }
    }

    /// Owners that the store has answered.
    pub(super) fn owners(&mut self) -> impl Iterator<Item = (UserId, OwnerEpoch, OwnerAnswer)> {
        self.owners.take()
    }

    pub(super) fn count(&mut self, label: &'static str) {
        self.refused.count(label);
    }

    /// A heartbeat with what this node says of itself.
    pub(super) fn filled(&self, mut heartbeat: Heartbeat, now: Moment) -> Heartbeat {
        heartbeat.topology_version = self.context.directory.topology_version().0;
        self.context.loads.fill(&mut heartbeat, &[], now.mono_us / 1000);
        heartbeat
    }

    /// What to answer a game server that speaks of topologies.
    pub(super) fn hear_of_topology(
        &self,
        from: Option<NodeNumber>,
        word: TopologyWord,
    ) -> Option<TopologyWord> {
        match word {
            TopologyWord::Question(asked) => self.news.answer(&asked).map(TopologyWord::Bundle),
            TopologyWord::Bundle(offered) => {
                // Signatures are verified elsewhere. Control that is gone needs no topology.
                let _ = self.control.send(News::Topology(from?, offered));
                None
            }
        }
    }

    /// Passes on what the round brought.
    pub(super) fn send(&mut self) {
        if !self.questions.is_empty() {
            let questions = News::Questions(self.index, std::mem::take(&mut self.questions));
            let _ = self.control.send(questions);
        }
        self.owners.send();
        self.refused.tell(&self.refusals);
    }
}
