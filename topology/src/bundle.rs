//! The topology as nodes receive it: the operator's file with versions, nodes and revocations, signed by the authority.
//!
//! ```text
//! "RMTB" | ver u8 | cluster_id 16 | version u64 | not_after i64 ms | length u32 | TOML
//!        | node count u16, each: number u16 | role u8 | uuid 16 | public key 32
//!        | revocation count u16, each: uuid 16 | Ed25519 64 over "RMTB/1\0" ‖ all bytes before
//! ```

mod nodes;
mod open;
mod view;

use protocol::identity::AuthorityKey;
use protocol::ids::{ClusterId, NodeNumber, NodeUuid, TopologyVersion};
use protocol::limits::TOPOLOGY_BUNDLE_BYTES_MAX;
use protocol::wire::Truncated;

use crate::limits::{BUNDLE_NODES_MAX, BUNDLE_REVOCATIONS_MAX, FILE_BYTES_MAX};
use crate::{Mistakes, Topology, parse};

pub use nodes::{NodeEntry, NodeRecord};
pub use view::{Standing, TopologyView};

const MAGIC: [u8; 4] = *b"RMTB";
const VERSION: u8 = 1;
const CONTEXT: &[u8] = b"RMTB/1\0";
const SIGNATURE_BYTES: usize = 64;

// Whatever the limits of its parts allow must fit the whole.
const _: () = assert!(
    FILE_BYTES_MAX + 51 * BUNDLE_NODES_MAX + 16 * BUNDLE_REVOCATIONS_MAX + 200 <= TOPOLOGY_BUNDLE_BYTES_MAX
);

/// A bundle before it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The cluster it is for.
    pub cluster_id: ClusterId,
    /// Higher than any before.
    pub version: TopologyVersion,
    /// First millisecond at which it counts no more, Unix.
    pub not_after_ms: i64,
    /// The topology file.
    pub toml: String,
    /// Who the nodes are; every server and proxy of the file, and operators.
    pub nodes: Vec<NodeEntry>,
    /// Nodes that may do nothing any more.
    pub revoked: Vec<NodeUuid>,
}

/// Why bytes are no bundle to act by, or why a bundle cannot be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Longer than a bundle may be, or with more nodes or revocations.
    #[error("the bundle is larger than its limits")]
    TooLarge,
    /// Not in the layout of a bundle.
    #[error("the bytes are not a topology bundle")]
    Malformed,
    /// No trusted authority signed it.
    #[error("the bundle is not signed by the authority")]
    NotSigned,
    /// Signed for another cluster.
    #[error("the bundle is for another cluster")]
    WrongCluster,
    /// Its time is over.
    #[error("the bundle has expired")]
    Expired,
    /// Not newer than the one in force.
    #[error("the bundle has version {offered}, and {held} is in force")]
    NotNewer {
        /// In force.
        held: TopologyVersion,
        /// Refused.
        offered: TopologyVersion,
    },
    /// The node table contradicts itself or the file.
    #[error("node {uuid}: {why}")]
    Node {
        /// Which node.
        uuid: NodeUuid,
        /// The contradiction.
        why: &'static str,
    },
    /// The file names a node that the table does not.
    #[error("node number {0} of the topology file is not in the node table")]
    NodeMissing(NodeNumber),
    /// The file in it has mistakes.
    #[error("the topology file in the bundle is not valid:\n{0}")]
    Topology(Box<Mistakes>),
}

impl BundleError {
    /// A short name for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::NotSigned => "not_signed",
            Self::WrongCluster => "wrong_cluster",
            Self::Expired => "expired",
            Self::NotNewer { .. } => "not_newer",
            Self::Node { .. } => "node",
            Self::NodeMissing(_) => "node_missing",
            Self::Topology(_) => "topology",
        }
    }
}

impl From<Truncated> for BundleError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}

impl Bundle {
    /// Signs the bundle, if nodes would accept it.
    ///
    /// # Errors
    /// `TooLarge`, `Topology`, `Node` or `NodeMissing`: what every node would refuse is not signed.
    pub fn seal(&self, authority: &AuthorityKey) -> Result<Vec<u8>, BundleError> {
        let large = self.toml.len() > FILE_BYTES_MAX
            || self.nodes.len() > BUNDLE_NODES_MAX
            || self.revoked.len() > BUNDLE_REVOCATIONS_MAX;
        if large {
            return Err(BundleError::TooLarge);
        }
        nodes::node_table(&self.nodes, &self.topology()?)?;
        let mut bytes = self.encode();
        let signature = authority.sign(&signed_bytes(&bytes));
        bytes.extend(signature);
        Ok(bytes)
    }

    /// The topology the file describes.
    fn topology(&self) -> Result<Topology, BundleError> {
        parse("topology", &self.toml).map_err(|mistakes| BundleError::Topology(Box::new(mistakes)))
    }

    /// Everything but the signature.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.toml.len() + 256 + 51 * self.nodes.len());
        bytes.extend(MAGIC);
        bytes.push(VERSION);
        bytes.extend(self.cluster_id.0);
        bytes.extend(self.version.0.to_le_bytes());
        bytes.extend(self.not_after_ms.to_le_bytes());
        bytes.extend((self.toml.len() as u32).to_le_bytes());
        bytes.extend(self.toml.as_bytes());
        bytes.extend((self.nodes.len() as u16).to_le_bytes());
        for node in &self.nodes {
            bytes.extend(node.number.0.to_le_bytes());
            bytes.push(node.role.number());
            bytes.extend(node.uuid.0);
            bytes.extend(node.public.to_bytes());
        }
        bytes.extend((self.revoked.len() as u16).to_le_bytes());
        for uuid in &self.revoked {
            bytes.extend(uuid.0);
        }
        bytes
    }
}

fn signed_bytes(unsigned: &[u8]) -> Vec<u8> {
    [CONTEXT, unsigned].concat()
}
