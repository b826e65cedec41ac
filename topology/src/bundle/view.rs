//! The topology in force at a node: who its peers are and what each may do. Answers come from here and from
//! certificates, never from what a peer says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::identity::{NodePublic, Role};
use protocol::ids::{ClusterId, NodeNumber, NodeUuid, RegionNumber, TopologyVersion};

use super::nodes::node_table;
use super::{Bundle, BundleError, NodeRecord};
use crate::Topology;

/// Where a node stands with the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Listed and not revoked.
    Listed(&'a NodeRecord),
    /// Revoked, listed or not.
    Revoked,
    /// Not listed.
    Unknown,
}

/// An opened bundle.
#[derive(Clone, Debug)]
pub struct TopologyView {
    cluster_id: ClusterId,
    version: TopologyVersion,
    not_after_ms: i64,
    topology: Arc<Topology>,
    nodes: BTreeMap<NodeUuid, NodeRecord>,
    by_number: BTreeMap<NodeNumber, NodeUuid>,
    revoked: BTreeSet<NodeUuid>,
    sealed: Arc<[u8]>,
}

impl TopologyView {
    pub(super) fn new(bundle: &Bundle, topology: Topology, sealed: Arc<[u8]>) -> Result<Self, BundleError> {
        let nodes = node_table(&bundle.nodes, &topology)?;
        let numbered = nodes.values().filter(|node| node.number.0 != 0);
        let by_number = numbered.map(|node| (node.number, node.uuid)).collect();
        Ok(Self {
            cluster_id: bundle.cluster_id,
            version: bundle.version,
            not_after_ms: bundle.not_after_ms,
            topology: Arc::new(topology),
            nodes,
            by_number,
            revoked: bundle.revoked.iter().copied().collect(),
            sealed,
        })
    }

    /// The cluster it is for.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        self.cluster_id
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> TopologyVersion {
        self.version
    }

    /// First millisecond at which it counts no more, Unix.
    #[must_use]
    pub fn not_after_ms(&self) -> i64 {
        self.not_after_ms
    }

    /// Who runs what.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The same, for whoever keeps it.
    #[must_use]
    pub fn shared_topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// The bundle's bytes, for peers that ask for them.
    #[must_use]
    pub fn sealed(&self) -> &Arc<[u8]> {
        &self.sealed
    }

    /// Whether this bundle takes the place of one of version `held`.
    #[must_use]
    pub fn supersedes(&self, held: TopologyVersion) -> bool {
        self.version > held
    }

    /// Where a node stands.
    #[must_use]
    pub fn standing(&self, uuid: NodeUuid) -> Standing<'_> {
        if self.is_revoked(uuid) {
            return Standing::Revoked;
        }
        self.nodes.get(&uuid).map_or(Standing::Unknown, Standing::Listed)
    }

    /// Whether the node may do nothing any more.
    #[must_use]
    pub fn is_revoked(&self, uuid: NodeUuid) -> bool {
        self.revoked.contains(&uuid)
    }

    /// The node's first role; none for a revoked or unlisted node.
    #[must_use]
    pub fn role_of(&self, uuid: NodeUuid) -> Option<Role> {
        self.listed(uuid)?.roles.first().copied()
    }

    /// Whether the node has the role; a revoked or unlisted node has none.
    #[must_use]
    pub fn has_role(&self, uuid: NodeUuid, role: Role) -> bool {
        self.listed(uuid).is_some_and(|node| node.roles.contains(&role))
    }

    /// The node's public key; none for a revoked or unlisted node.
    #[must_use]
    pub fn public_key_of(&self, uuid: NodeUuid) -> Option<NodePublic> {
        self.listed(uuid).map(|node| node.public)
    }

    /// The node's number; none for a revoked or unlisted node, nor for an operator.
    #[must_use]
    pub fn number_of(&self, uuid: NodeUuid) -> Option<NodeNumber> {
        self.listed(uuid)
            .map(|node| node.number)
            .filter(|number| number.0 != 0)
    }

    /// The node of this number; none when it is revoked.
    #[must_use]
    pub fn node(&self, number: NodeNumber) -> Option<&NodeRecord> {
        self.listed(*self.by_number.get(&number)?)
    }

    /// Every node that is not revoked, by uuid.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRecord> {
        self.nodes.values().filter(|node| !self.is_revoked(node.uuid))
    }

    /// Whether the node may serve the region: a game server that the file lists for it, not revoked.
    #[must_use]
    pub fn may_serve(&self, uuid: NodeUuid, region: RegionNumber) -> bool {
        let number = self
            .number_of(uuid)
            .filter(|_| self.has_role(uuid, Role::GameServer));
        number.is_some_and(|number| self.topology.may_serve(number, region))
    }

    fn listed(&self, uuid: NodeUuid) -> Option<&NodeRecord> {
        match self.standing(uuid) {
            Standing::Listed(node) => Some(node),
            Standing::Revoked | Standing::Unknown => None,
        }
    }
}
