//! What shards ask of control: services are confirmed, signatures verified, tickets renewed and topologies judged, and each
//! answer goes back to the shard that asked. Work with keys is done on threads of its own.

use std::net::IpAddr;
use std::sync::Arc;

use net::key_work::key_work;
use net::panics::guest;
use protocol::attach::Attach;
use protocol::ids::{AttachNo, NodeNumber, RegionNumber};
use protocol::message::client;
use protocol::message::subscription::Topology;
use protocol::ticket::Ticket;
use tokio::sync::mpsc;

use super::client_context::{ClientContext, OwnNode};
use super::directory::ShardIndex;
use super::mailbox::{News, Order};
use super::services::Services;
use super::shard_handle::tell_all;
use super::topology_news::TopologyNews;
use crate::shard::{AttachVerdict, ClientId, Question};

/// See the module.
pub(super) struct ControlTask {
    pub(super) context: Arc<ClientContext>,
    pub(super) services: Arc<Services>,
    pub(super) topologies: Arc<TopologyNews>,
    pub(super) news: mpsc::UnboundedReceiver<News>,
}

impl ControlTask {
    /// Runs until no shard can say anything any more.
    pub(super) async fn run(mut self) {
        while let Some(news) = self.news.recv().await {
            match news {
                News::Topology(node, offered) => self.topology(node, offered),
                News::Questions(shard, questions) => {
                    for question in questions {
                        self.question(shard, question);
                    }
                }
            }
        }
    }

    fn question(&self, shard: ShardIndex, question: Question) {
        match question {
            Question::Service(claim) => self.services.announce(shard, claim),
            Question::Holder(region) => self.services.read_holder(shard, region),
            Question::Attach(client, claim) => {
                let (claims, attach) = *claim;
                let verifying = verify(Arc::clone(&self.context), shard, client, claims, attach);
                tokio::spawn(guest("attach", verifying));
            }
            Question::Renewal(client, claims, region, from) => {
                let renewing = renew(Arc::clone(&self.context), (shard, client), *claims, region, from);
                tokio::spawn(guest("renewal", renewing));
            }
            Question::Logout(user, generation) => {
                let auth = Arc::clone(&self.context.auth);
                let ending = async move { auth.end_session(user, generation).await };
                tokio::spawn(guest("logout", ending));
            }
        }
    }

    fn topology(&self, node: NodeNumber, offered: Topology) {
        let (topologies, context) = (Arc::clone(&self.topologies), Arc::clone(&self.context));
        let judging = async move {
            let judge = Arc::clone(&topologies);
            match key_work(move || judge.offer(&offered)).await {
                Ok(Ok(Some(view))) => {
                    tracing::info!(version = %view.version(), "a newer topology is in force");
                    let listing = topologies.topology.listing();
                    tell_all(&context.shards, || Order::Recheck(Arc::clone(&listing)));
                    tokio::task::spawn_blocking(move || topologies.keep());
                }
                Ok(Err(error)) => {
                    context.refusals.count("topology_refused");
                    tracing::warn!(%node, %error, "a topology was refused");
                }
                Ok(Ok(None)) | Err(_) => {}
            }
        };
        tokio::spawn(guest("topology", judging));
    }
}

/// The owner verifies the attach itself; what it would refuse does not get that far.
async fn verify(
    context: Arc<ClientContext>,
    shard: ShardIndex,
    client: ClientId,
    claims: Ticket,
    attach: client::Attach,
) {
    let own = context.own;
    let verdict = key_work(move || verdict(own, &claims, &attach)).await;
    let verdict = verdict.unwrap_or(AttachVerdict::Forged);
    context.tell(shard, Order::Attach(client, verdict));
}

fn verdict(own: OwnNode, claims: &Ticket, attach: &client::Attach) -> AttachVerdict {
    let said = Attach {
        cluster_id: own.cluster_id,
        attach_no: AttachNo(attach.attach_no),
        proxy: own.uuid,
    };
    let signature = <&[u8; 64]>::try_from(&attach.signature[..]).ok();
    match signature.map(|signature| said.verify(claims, signature)) {
        Some(Ok(())) => AttachVerdict::Genuine,
        Some(Err(_)) | None => AttachVerdict::Forged,
    }
}

async fn renew(
    context: Arc<ClientContext>,
    (shard, client): (ShardIndex, ClientId),
    claims: Ticket,
    region: Option<RegionNumber>,
    from: IpAddr,
) {
    // While the store is away for longer than a ticket lives, none is renewed; it is once the store is back.
    if !context.sanctions.is_read() {
        return context.tell(shard, Order::RenewLater(client));
    }
    if let Err(barred) = context.check_sanctions(&claims, from) {
        return context.bar(&claims, &barred);
    }
    let auth = Arc::clone(&context.auth);
    if !auth.extend_session(&claims).await {
        // The session plays on until it ends here, and comes back by no ticket.
        tracing::debug!(user = %claims.user, "the ticket of a login that is over is not renewed");
        return;
    }
    let renewed = key_work(move || auth.renew(claims, region, net::clock::wall_ms())).await;
    // Lost when there is no thread for it: then the next rejoin is refused, and the client logs in again.
    if let Ok((_, ticket)) = renewed {
        let order = Order::Ticket(client, Box::new(ticket), context.other_proxies());
        context.tell(shard, order);
    }
}
