//! M2, responder to initiator: a clear head, then the responder's identity, sealed.
//!
//! `ver u8 | rsv 3 | eph_r 32 | random_r 32 | SEALED{ cert_r 133 | sig_r 64 | topology_version u64 | incarnation u64 |
//! world 16 | copy u64 | max_frame u32 | heartbeat_ms u16 | dead_ms u16 }`

use super::error::HandshakeError;
use super::established::LinkTerms;
use super::proof::Proof;
use crate::keys::TAG_BYTES;
use crate::wire::Reader;

/// Length of the clear head.
pub(super) const ANSWER_HEAD_BYTES: usize = 68;
/// Length of the sealed part's plaintext.
const ANSWER_SEALED_BYTES: usize = Proof::BYTES + 8;
/// Length of M2.
const ANSWER_BYTES: usize = ANSWER_HEAD_BYTES + ANSWER_SEALED_BYTES + TAG_BYTES;
const _: () = assert!(ANSWER_BYTES == 329);

/// The clear head of M2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AnswerHead {
    /// The version that both will speak.
    pub(super) version: u8,
    pub(super) ephemeral: [u8; 32],
    /// Makes the transcript fresh even if an ephemeral key were not.
    pub(super) random: [u8; 32],
}

impl AnswerHead {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.version, 0, 0, 0];
        out.extend_from_slice(&self.ephemeral);
        out.extend_from_slice(&self.random);
        out
    }

    fn parse(head: &[u8]) -> Result<Self, HandshakeError> {
        let mut reader = Reader::new(head);
        let version = reader.u8()?;
        if reader.array()? != [0; 3] {
            return Err(HandshakeError::Malformed);
        }
        Ok(Self {
            version,
            ephemeral: reader.array()?,
            random: reader.array()?,
        })
    }
}

/// Splits M2 into its head, as parsed and as bytes, and its sealed part.
pub(super) fn split(bytes: &[u8]) -> Result<(AnswerHead, &[u8], &[u8]), HandshakeError> {
    if bytes.len() != ANSWER_BYTES {
        return Err(HandshakeError::Malformed);
    }
    let (head, sealed) = bytes
        .split_at_checked(ANSWER_HEAD_BYTES)
        .ok_or(HandshakeError::Malformed)?;
    Ok((AnswerHead::parse(head)?, head, sealed))
}

/// The plaintext of M2's sealed part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) proof: Proof,
    pub(super) terms: LinkTerms,
}

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.proof.encode();
        out.extend_from_slice(&self.terms.max_frame.to_le_bytes());
        out.extend_from_slice(&self.terms.heartbeat_ms.to_le_bytes());
        out.extend_from_slice(&self.terms.dead_ms.to_le_bytes());
        out
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut reader = Reader::new(bytes);
        let proof = Proof::read(&mut reader)?;
        let terms = LinkTerms {
            max_frame: reader.u32()?,
            heartbeat_ms: reader.u16()?,
            dead_ms: reader.u16()?,
        };
        if !reader.is_empty() {
            return Err(HandshakeError::Malformed);
        }
        Ok(Self { proof, terms })
    }
}
