//! The running hash over everything said, and the keys that grow out of it.
//!
//! ```text
//! h0 = SHA256("S2S/1" ‖ cluster_id ‖ authority)   h1 = SHA256(h0 ‖ M1)   h2 = SHA256(h1 ‖ M2.clear)
//! h3 = SHA256(h2 ‖ M2.sealed)                     h4 = SHA256(h3 ‖ M3.sealed)
//! prk_hs = Extract(h2, X25519(eph_i, eph_r))      prk = Extract(prk_hs, h4)
//! ```

use super::error::HandshakeError;
use super::proof::Signer;
use crate::identity::AuthorityPublic;
use crate::ids::ClusterId;
use crate::keys::{Direction, KeyAgreement, Prk, SealingKey, TrafficSecret, sha256};

/// h0, h1, …
#[derive(Clone, Debug)]
pub(super) struct Transcript([u8; 32]);

impl Transcript {
    /// h0.
    pub(super) fn new(cluster_id: ClusterId, authority: &AuthorityPublic) -> Self {
        Self(sha256(&[b"S2S/1", &cluster_id.0, &authority.to_bytes()]))
    }

    /// From one h to the next.
    pub(super) fn absorb(&mut self, bytes: &[u8]) {
        self.0 = sha256(&[&self.0, bytes]);
    }

    /// The current h.
    pub(super) fn hash(&self) -> &[u8; 32] {
        &self.0
    }
}

/// prk_hs: what the sealed parts of M2 and M3 are sealed under.
pub(super) struct HandshakeSecret(Prk);

impl HandshakeSecret {
    /// At h2.
    pub(super) fn agree(
        h2: &Transcript,
        ours: KeyAgreement,
        theirs: [u8; 32],
    ) -> Result<Self, HandshakeError> {
        let shared = ours.agree(theirs).ok_or(HandshakeError::WeakKey)?;
        Ok(Self(Prk::extract(h2.hash(), &shared)))
    }

    /// Appends a sealed part to `out`; the timestamp of its frame is sealed along.
    pub(super) fn seal(
        &self,
        signer: Signer,
        plain: &[u8],
        timestamp_ms: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), HandshakeError> {
        let sealed = self
            .key(signer)
            .seal_onto([0; 12], &timestamp_ms.to_le_bytes(), plain, out);
        sealed.map_err(|_| HandshakeError::NotAuthentic)
    }

    /// Opens a sealed part that came in a frame with this timestamp.
    pub(super) fn open(
        &self,
        signer: Signer,
        sealed: &[u8],
        timestamp_ms: u64,
    ) -> Result<Vec<u8>, HandshakeError> {
        let opened = self
            .key(signer)
            .open_vec([0; 12], &timestamp_ms.to_le_bytes(), sealed);
        opened.map_err(|_| HandshakeError::NotAuthentic)
    }

    /// The secret of a direction, at h4.
    pub(super) fn traffic(&self, h4: &Transcript, direction: Direction) -> TrafficSecret {
        let prk = Prk::extract(self.0.as_salt(), h4.hash());
        TrafficSecret::new(&prk, direction)
    }

    fn key(&self, signer: Signer) -> SealingKey {
        let label = match signer {
            Signer::Responder => "hs r",
            Signer::Initiator => "hs i",
        };
        SealingKey::single_use(&self.0.expand(label))
    }
}
