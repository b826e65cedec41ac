//! What a finished handshake leaves behind: who the peer is, and the two halves of the stream.

use std::fmt;

use crate::frame::{FrameOpener, FrameSealer, PeerClock};
use crate::identity::{Role, VerifiedCertificate};
use crate::ids::{Incarnation, Lane, Lanes, NodeNumber, NodeUuid, TopologyVersion};
use crate::limits;

/// A peer that has proved its certificate's key, and what the topology says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedPeer {
    /// Who it is.
    pub uuid: NodeUuid,
    /// Its number in the topology.
    pub number: NodeNumber,
    /// Its role in the topology.
    pub role: Role,
    /// How many lanes the one of us two who dialed has in all.
    pub lanes: Lanes,
    /// Which of its process starts this is.
    pub incarnation: Incarnation,
    /// The topology it holds; the side with the lower one asks for the other's.
    pub topology_version: TopologyVersion,
    /// The link must end when this does.
    pub certificate: VerifiedCertificate,
}

/// How a link is run; the responder says, the initiator checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTerms {
    /// Longest payload of a frame, ciphertext and tag, bytes: 4 KiB to [`limits::FRAME_PAYLOAD_AGREED_BYTES_MAX`].
    pub max_frame: u32,
    /// Time between heartbeats, milliseconds, not 0.
    pub heartbeat_ms: u16,
    /// Silence after which the peer is dead, milliseconds, longer than a heartbeat.
    pub dead_ms: u16,
}

impl Default for LinkTerms {
    fn default() -> Self {
        Self {
            max_frame: limits::FRAME_PAYLOAD_BYTES_MAX,
            heartbeat_ms: 500,
            dead_ms: 2_000,
        }
    }
}

impl LinkTerms {
    /// Whether a link can be run so.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let frame = limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX..=limits::FRAME_PAYLOAD_AGREED_BYTES_MAX;
        frame.contains(&self.max_frame) && self.heartbeat_ms > 0 && self.dead_ms > self.heartbeat_ms
    }
}

/// A link to a peer, ready for batches.
pub struct EstablishedNode {
    /// Who is at the other end.
    pub peer: VerifiedPeer,
    /// For what we send.
    pub sealer: FrameSealer,
    /// For what the peer sends.
    pub opener: FrameOpener,
    /// Which of the links between the two.
    pub lane: Lane,
    /// The version agreed on.
    pub version: u8,
    /// How the link is run.
    pub terms: LinkTerms,
    /// The peer's wall clock, to measure its drift by.
    pub clock: PeerClock,
}

impl fmt::Debug for EstablishedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("EstablishedNode");
        out.field("peer", &self.peer.uuid).field("lane", &self.lane);
        out.finish_non_exhaustive()
    }
}
