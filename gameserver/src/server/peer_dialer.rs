//! Which game servers this one dials, and where.

use std::collections::BTreeSet;
use std::sync::Arc;

use net::link::LinkTarget;
use node::addresses::dialed;
use node::dial_plan::Dialed;
use node::topology_in_force::TopologyInForce;
use protocol::identity::Role;
use protocol::ids::{Lane, NodeNumber};

/// The neighbours that are listed, and those of these servers; who is revoked has no record.
pub(super) fn servers(
    in_force: &TopologyInForce,
    own: NodeNumber,
    far: &BTreeSet<NodeNumber>,
) -> BTreeSet<Dialed> {
    let view = in_force.view();
    let peers = in_force.listing().peers_of(own).into_iter();
    let is_listed = |node: &NodeNumber| *node != own && view.topology().server(*node).is_some();
    peers
        .chain(far.iter().copied().filter(is_listed))
        .filter_map(|number| Some((number, view.node(number)?.uuid)))
        .collect()
}

/// A server to dial.
pub(super) fn target(in_force: &Arc<TopologyInForce>, (node, responder): Dialed) -> LinkTarget {
    let in_force = Arc::clone(in_force);
    // Asked before each dial: a newer topology may have moved it.
    let address = move || dialed(&in_force.view().topology().server(node)?.peer);
    LinkTarget {
        address: Arc::new(address),
        responder,
        role: Role::GameServer,
        lane: Lane::FIRST,
    }
}
