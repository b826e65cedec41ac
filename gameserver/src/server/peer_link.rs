//! Dials a neighbour, for ever: who dials asks, so this is the link that our subscriptions and handovers go by.

use std::net::SocketAddr;
use std::sync::Arc;

use net::link::{LinkContext, LinkTarget, dial_link};
use node::topology_in_force::TopologyInForce;
use protocol::identity::Role;
use protocol::ids::NodeNumber;
use protocol::node_handshake::Lane;
use tokio_util::sync::CancellationToken;

use super::peer_messages::PeerMessages;

/// Keeps a link to the game server `node` until `stop`.
pub(super) async fn dial(
    context: Arc<LinkContext>,
    topology: Arc<TopologyInForce>,
    node: NodeNumber,
    handler: PeerMessages,
    stop: CancellationToken,
) {
    let Some(responder) = topology.view().node(node).map(|record| record.uuid) else {
        return tracing::warn!(%node, "a neighbour is revoked and is not dialed");
    };
    let target = LinkTarget {
        address: Arc::new(move || address(&topology, node)),
        responder,
        role: Role::GameServer,
        lane: Lane::default(),
    };
    dial_link(context, target, handler, stop).await;
}

/// Where the topology says that it listens; port 0 says nothing.
fn address(topology: &TopologyInForce, node: NodeNumber) -> Option<SocketAddr> {
    let view = topology.view();
    let address = view.topology().server(node)?.peer;
    (address.port() != 0).then_some(address)
}
