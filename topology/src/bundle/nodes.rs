//! The node table of a bundle: entries as signed, and records per node once they contradict neither each other nor
//! the topology file.

use std::collections::BTreeMap;

use protocol::identity::{NodePublic, Role};
use protocol::ids::{NodeNumber, NodeUuid};

use super::BundleError;
use crate::Topology;

/// One role of one node. A node with two roles, such as a proxy that also logs users in, has two entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// The number the topology file gives the node; 0 for operators, which have none.
    pub number: NodeNumber,
    /// What it may do.
    pub role: Role,
    /// Which node, as in its certificate.
    pub uuid: NodeUuid,
    /// Its public key, as in its certificate.
    pub public: NodePublic,
}

/// A node as the bundle lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its number; 0 for operators, which have none.
    pub number: NodeNumber,
    /// Which node.
    pub uuid: NodeUuid,
    /// Its public key.
    pub public: NodePublic,
    /// What it may do, in the order of the bundle; at least one.
    pub roles: Vec<Role>,
}

/// The nodes by uuid, if the entries contradict neither each other nor the file.
pub(super) fn node_table(
    entries: &[NodeEntry],
    topology: &Topology,
) -> Result<BTreeMap<NodeUuid, NodeRecord>, BundleError> {
    let mut nodes: BTreeMap<NodeUuid, NodeRecord> = BTreeMap::new();
    let mut owners: BTreeMap<NodeNumber, NodeUuid> = BTreeMap::new();
    for entry in entries {
        let refused = |why| BundleError::Node {
            uuid: entry.uuid,
            why,
        };
        if !fits(entry, topology) {
            return Err(refused("its number and role do not fit the topology file"));
        }
        if entry.number.0 != 0 && *owners.entry(entry.number).or_insert(entry.uuid) != entry.uuid {
            return Err(refused("another node has its number"));
        }
        let node = nodes.entry(entry.uuid).or_insert_with(|| NodeRecord {
            number: entry.number,
            uuid: entry.uuid,
            public: entry.public,
            roles: Vec::new(),
        });
        if node.number != entry.number || node.public != entry.public {
            return Err(refused("its entries differ in number or key"));
        }
        if node.roles.contains(&entry.role) {
            return Err(refused("one of its roles is listed twice"));
        }
        node.roles.push(entry.role);
    }
    let servers = topology.servers().iter().map(|server| server.number);
    let auths = topology.auths().iter().map(|auth| auth.number);
    let mut wanted = servers
        .chain(topology.proxies().iter().map(|proxy| proxy.number))
        .chain(auths);
    let missing = wanted.find(|number| !owners.contains_key(number));
    missing.map_or(Ok(nodes), |number| Err(BundleError::NodeMissing(number)))
}

/// Whether the file has the node in this role; a proxy signs tickets too, and operators are not in the file.
fn fits(entry: &NodeEntry, topology: &Topology) -> bool {
    match entry.role {
        Role::GameServer => topology.server(entry.number).is_some(),
        Role::Proxy => topology.proxy(entry.number).is_some(),
        Role::Auth => topology.proxy(entry.number).is_some() || topology.auth(entry.number).is_some(),
        Role::Operator => entry.number.0 == 0,
    }
}
