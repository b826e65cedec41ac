//! What the world thread leaves to control: signatures of joins, topologies that peers offer, and news that end the node.

use std::sync::Arc;

use net::clock::wall_ms;
use net::key_work::key_work;
use net::link::LinkId;
use node::sanction_board::SanctionBoard;
use protocol::identity::{Clock, Role};
use protocol::ids::{Incarnation, NodeUuid, RegionEpoch, RegionNumber};
use protocol::message::player::Join;
use protocol::message::subscription::Topology;
use tokio::sync::mpsc;

use super::topology_gossip::TopologyGossip;
use super::world_mailbox::{Mailbox, News, Order, Unsaved, Verdict};
use crate::join_check::{JoinError, verify};

/// News that may wait.
pub(super) const NEWS_MAX: usize = 4_096;

/// Why control's work is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ControlEnd {
    /// Another process serves this region now.
    Superseded(RegionNumber, RegionEpoch),
    /// Another process of this node has started later.
    Foreign(Incarnation),
    /// Everything is written down; or the time for it is over, and this is not.
    WrittenDown(Unsaved),
}

/// Hears the thread.
pub(super) struct ControlTask {
    pub(super) news: mpsc::Receiver<News>,
    pub(super) mailbox: Mailbox,
    pub(super) gossip: Arc<TopologyGossip>,
    pub(super) sanctions: Arc<SanctionBoard>,
}

impl ControlTask {
    pub(super) fn new(
        news: mpsc::Receiver<News>,
        mailbox: Mailbox,
        gossip: Arc<TopologyGossip>,
        sanctions: Arc<SanctionBoard>,
    ) -> Self {
        Self {
            news,
            mailbox,
            gossip,
            sanctions,
        }
    }

    /// Works until something ends the node; dropping it loses nothing. `None`: the thread is gone.
    pub(super) async fn next_end(&mut self) -> Option<ControlEnd> {
        loop {
            match self.news.recv().await? {
                News::Join(link, proxy, join) => self.verify(link, proxy, join),
                News::Topology(offered) => self.take_topology(&offered),
                News::Superseded(region, epoch) => return Some(ControlEnd::Superseded(region, epoch)),
                News::Foreign(newest) => return Some(ControlEnd::Foreign(newest)),
                News::WrittenDown(unsaved) => return Some(ControlEnd::WrittenDown(unsaved)),
            }
        }
    }

    fn verify(&self, link: LinkId, proxy: NodeUuid, join: Join) {
        let (gossip, mailbox) = (Arc::clone(&self.gossip), self.mailbox.clone());
        let sanctions = Arc::clone(&self.sanctions);
        tokio::spawn(async move {
            let judged = key_work(move || {
                let view = gossip.in_force.view();
                let issuer_key = |issuer| {
                    let may = view.has_role(issuer, Role::Auth);
                    view.public_key_of(issuer).filter(|_| may)
                };
                let clock = Clock::of_node(wall_ms());
                let said = verify(&join, proxy, view.cluster_id(), issuer_key, clock);
                // A proxy that was taken over may not care.
                let said = said.and_then(|(join, hint)| {
                    let goes_on = sanctions.check_generation(join.user, join.session_generation);
                    goes_on.map_err(|barred| JoinError::Ended(barred.code()))?;
                    Ok((join, hint))
                });
                mailbox.send(Order::Verified(Box::new(Verdict { link, join, said })));
            });
            // Without a verdict the proxy asks again.
            let _ = judged.await;
        });
    }

    fn take_topology(&self, offered: &Topology) {
        match self.gossip.handle(offered) {
            Ok(()) => self.mailbox.send(Order::Recheck(self.gossip.in_force.listing())),
            Err(error) => {
                self.mailbox.send(Order::Refused("topology"));
                tracing::warn!(%error, "a topology was refused");
            }
        }
    }
}
