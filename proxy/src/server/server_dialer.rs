//! Dials the game servers of the topology in force for every shard: each has a lane of its own to each of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use net::link::{HandedLink, LinkContext, LinkTarget, keep_linked};
use node::addresses::dialed;
use node::dial_plan::Dialed;
use node::topology_in_force::TopologyInForce;
use protocol::identity::Role;
use tokio_util::sync::CancellationToken;

use super::mailbox::Order;
use super::shard_handle::ShardHandle;

/// The game servers that the topology in force lists; who is revoked has no record.
pub(super) fn servers(topology: &TopologyInForce) -> BTreeSet<Dialed> {
    let view = topology.view();
    let servers = view.topology().servers().iter();
    servers
        .filter_map(|server| Some((server.number, view.node(server.number)?.uuid)))
        .collect()
}

/// Keeps a shard's lane to one game server until `stop`.
pub(super) async fn dial(
    context: Arc<LinkContext>,
    topology: Arc<TopologyInForce>,
    shard: ShardHandle,
    (node, uuid): Dialed,
    stop: CancellationToken,
) {
    // Asked before each dial: a newer topology may have moved it.
    let address = move || dialed(&topology.view().topology().server(node)?.proxy);
    let target = LinkTarget {
        address: Arc::new(address),
        responder: uuid,
        role: Role::GameServer,
        lane: shard.index.0,
    };
    let hand_over = |link: HandedLink| shard.mailbox.send(Order::Link(Box::new(link)));
    keep_linked(context, target, hand_over, stop).await;
}
