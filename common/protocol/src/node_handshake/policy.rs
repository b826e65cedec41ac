//! What the topology says of a peer. A role never comes from what the peer says of itself.

use super::established::VerifiedPeer;
use crate::Code;
use crate::identity::{NodePublic, Role};
use crate::ids::{Lane, NodeNumber, NodeUuid};

/// What the topology says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerStanding {
    /// Nothing.
    Unknown,
    /// It is revoked.
    Revoked,
    /// It belongs.
    Listed {
        /// Its small number.
        number: NodeNumber,
        /// What it may do.
        role: Role,
        /// The key that its certificate must hold.
        public: NodePublic,
    },
}

/// Asked once the peer has proved its identity.
pub trait PeerPolicy {
    /// What the topology says of this node.
    fn standing(&self, uuid: NodeUuid) -> PeerStanding;

    /// Whether a node of this role may be at the other end: depends on the listener, or on what is dialed for.
    fn admits_role(&self, role: Role) -> bool;

    /// A last word of the responder, for what is no matter of identity: draining, busy, a link that is newer.
    ///
    /// # Errors
    /// The code that the initiator is told.
    fn admit(&self, peer: &VerifiedPeer, lane: Lane) -> Result<(), Code> {
        let _ = (peer, lane);
        Ok(())
    }
}
