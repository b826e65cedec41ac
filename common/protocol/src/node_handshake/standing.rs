//! The verdict over a peer that has proved who it is: the same on both sides, and in this order.

use super::established::VerifiedPeer;
use super::policy::{PeerPolicy, PeerStanding};
use super::proof::Proof;
use crate::Code;
use crate::identity::{Clock, VerifiedCertificate};
use crate::ids::Lanes;

/// How far a peer's clock is ahead of ours, milliseconds, when its frame has just come.
pub(super) fn ahead_ms(theirs_ms: u64, ours_ms: u64) -> i64 {
    let ahead = i128::from(theirs_ms).saturating_sub(i128::from(ours_ms));
    i64::try_from(ahead).unwrap_or(i64::MAX)
}

/// Revoked, then expired, then unknown, then of the wrong role: the gravest reason is the one told.
pub(super) fn judge(
    proof: &Proof,
    lanes: Lanes,
    certificate: VerifiedCertificate,
    policy: &dyn PeerPolicy,
    wall_ms: u64,
) -> Result<VerifiedPeer, Code> {
    let uuid = certificate.uuid();
    let standing = policy.standing(uuid);
    if standing == PeerStanding::Revoked {
        return Err(Code::Revoked);
    }
    let in_time = certificate.validity().check(Clock::of_node(wall_ms));
    in_time.map_err(|_| Code::CertExpired)?;
    let PeerStanding::Listed { number, role, public } = standing else {
        return Err(Code::NotInTopology);
    };
    if public != certificate.public() {
        return Err(Code::NotInTopology);
    }
    if !policy.admits_role(role) {
        return Err(Code::RoleDenied);
    }
    Ok(VerifiedPeer {
        uuid,
        number,
        role,
        lanes,
        incarnation: proof.incarnation,
        topology_version: proof.topology_version,
        certificate,
    })
}
