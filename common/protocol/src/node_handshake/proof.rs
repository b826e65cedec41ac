//! What each side says of itself, sealed: the whole of M3, and the beginning of M2's sealed part.
//!
//! `cert 133 | sig 64 | topology_version u64 | incarnation u64 | world 16 | copy u64`

use super::error::HandshakeError;
use super::local::{LocalNode, any_time};
use super::store::StoreIdentity;
use crate::identity::{CERTIFICATE_BYTES, VerifiedCertificate, WireCertificate};
use crate::ids::{Incarnation, TopologyVersion};
use crate::keys::sha256;
use crate::wire::Reader;

/// Which side a signature speaks for: one can never stand where the other belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    Responder,
    Initiator,
}

impl Signer {
    const fn context(self) -> &'static [u8] {
        match self {
            Self::Responder => b"S2S/1 responder\0",
            Self::Initiator => b"S2S/1 initiator\0",
        }
    }

    fn message(self, transcript: &[u8; 32], certificate: &WireCertificate) -> Vec<u8> {
        let certificate = sha256(&[&certificate.encode()]);
        [self.context(), transcript, &certificate].concat()
    }
}

/// A claim to an identity, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) certificate: WireCertificate,
    pub(super) signature: [u8; 64],
    pub(super) topology_version: TopologyVersion,
    pub(super) incarnation: Incarnation,
    pub(super) store: StoreIdentity,
}

impl Proof {
    /// Length of the plaintext.
    pub(super) const BYTES: usize = CERTIFICATE_BYTES + 64 + 8 + 8 + StoreIdentity::BYTES;

    /// Our own claim over everything said so far.
    pub(super) fn sign(local: &LocalNode, signer: Signer, transcript: &[u8; 32]) -> Self {
        Self {
            certificate: local.certificate,
            signature: local.key.sign(&signer.message(transcript, &local.certificate)),
            topology_version: local.topology_version,
            incarnation: local.incarnation,
            store: local.store,
        }
    }

    /// Checks that the authority vouches for the certificate and that the peer holds its key. Not whether it has
    /// expired: that is said to a peer that has proved who it is.
    pub(super) fn verify(
        &self,
        local: &LocalNode,
        signer: Signer,
        transcript: &[u8; 32],
    ) -> Result<VerifiedCertificate, HandshakeError> {
        let verified = self
            .certificate
            .verify(&local.authorities, local.cluster_id, any_time())?;
        let message = signer.message(transcript, &self.certificate);
        let signed = verified.public().verify(&message, &self.signature);
        signed.map_err(|_| HandshakeError::Signature)?;
        if verified.uuid() == local.uuid() {
            return Err(HandshakeError::OwnIdentity);
        }
        Ok(verified)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend_from_slice(&self.certificate.encode());
        out.extend_from_slice(&self.signature);
        out.extend_from_slice(&self.topology_version.0.to_le_bytes());
        out.extend_from_slice(&self.incarnation.0.to_le_bytes());
        self.store.encode(&mut out);
        out
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, HandshakeError> {
        Ok(Self {
            certificate: WireCertificate::parse(reader.bytes(CERTIFICATE_BYTES)?)?,
            signature: reader.array()?,
            topology_version: TopologyVersion(reader.u64()?),
            incarnation: Incarnation(reader.u64()?),
            store: StoreIdentity::read(reader)?,
        })
    }

    /// The whole plaintext of M3.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut reader = Reader::new(bytes);
        let proof = Self::read(&mut reader)?;
        reader
            .is_empty()
            .then_some(proof)
            .ok_or(HandshakeError::Malformed)
    }
}
