//! M1, initiator to responder, clear.
//!
//! `ver u8 | min_ver u8 | flags u16 | cluster_id 16 | responder_uuid 16 | eph_i 32 | random_i 32 | topology_version u64`

use super::error::HandshakeError;
use super::lane::LaneOfMany;
use crate::ids::{ClusterId, NodeUuid, TopologyVersion};
use crate::wire::Reader;

/// Length of M1.
pub(super) const HELLO_BYTES: usize = 108;

/// M1, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    /// Highest version the initiator speaks.
    pub(super) version: u8,
    /// Lowest version the initiator speaks.
    pub(super) version_min: u8,
    pub(super) place: LaneOfMany,
    pub(super) cluster_id: ClusterId,
    pub(super) responder: NodeUuid,
    pub(super) ephemeral: [u8; 32],
    /// Makes the transcript fresh even if an ephemeral key were not.
    pub(super) random: [u8; 32],
    pub(super) topology_version: TopologyVersion,
}

impl Hello {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HELLO_BYTES);
        out.extend_from_slice(&[self.version, self.version_min]);
        out.extend_from_slice(&self.place.to_flags().to_le_bytes());
        out.extend_from_slice(&self.cluster_id.0);
        out.extend_from_slice(&self.responder.0);
        out.extend_from_slice(&self.ephemeral);
        out.extend_from_slice(&self.random);
        out.extend_from_slice(&self.topology_version.0.to_le_bytes());
        out
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, HandshakeError> {
        if bytes.len() != HELLO_BYTES {
            return Err(HandshakeError::Malformed);
        }
        let mut reader = Reader::new(bytes);
        Ok(Self {
            version: reader.u8()?,
            version_min: reader.u8()?,
            place: LaneOfMany::from_flags(reader.u16()?).ok_or(HandshakeError::Malformed)?,
            cluster_id: ClusterId(reader.array()?),
            responder: NodeUuid(reader.array()?),
            ephemeral: reader.array()?,
            random: reader.array()?,
            topology_version: TopologyVersion(reader.u64()?),
        })
    }
}
