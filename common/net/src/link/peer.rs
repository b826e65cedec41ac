//! Who is at the other end, and who decides whether it may be.

use std::fmt;

use protocol::Code;
use protocol::identity::Role;
use protocol::ids::{NodeUuid, TopologyVersion};
use protocol::node_handshake::{PeerPolicy, PeerStanding, VerifiedPeer};

/// One connection that came up; never used again within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The topology in force, as links see it. Asked at each handshake, and for live links when another one comes into force.
pub trait PeerDirectory: Send + Sync {
    /// What the topology says of this node.
    fn standing(&self, uuid: NodeUuid) -> PeerStanding;

    /// What people call this node.
    fn name(&self, uuid: NodeUuid) -> String {
        uuid.to_string()
    }

    /// Its version.
    fn topology_version(&self) -> TopologyVersion;

    /// How many nodes it lists: as many may come at once, all of them from one address. 0 where nobody counts.
    fn nodes_listed(&self) -> usize {
        0
    }
}

/// The directory, and the roles that one listener serves or one dial expects.
pub(super) struct RolePolicy<'a> {
    pub(super) directory: &'a dyn PeerDirectory,
    pub(super) roles: &'a [Role],
}

impl PeerPolicy for RolePolicy<'_> {
    fn standing(&self, uuid: NodeUuid) -> PeerStanding {
        self.directory.standing(uuid)
    }

    fn admits_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// Whether a peer that was let in once still is who it was: asked of every link when the topology has changed.
///
/// # Errors
/// What the peer is told.
pub fn recheck(peer: &VerifiedPeer, directory: &dyn PeerDirectory) -> Result<(), Code> {
    match directory.standing(peer.uuid) {
        PeerStanding::Revoked => Err(Code::Revoked),
        PeerStanding::Unknown => Err(Code::NotInTopology),
        PeerStanding::Listed { number, role, public } => {
            if role != peer.role {
                Err(Code::RoleDenied)
            } else if number != peer.number || public != peer.certificate.public() {
                Err(Code::NotInTopology)
            } else {
                Ok(())
            }
        }
    }
}
