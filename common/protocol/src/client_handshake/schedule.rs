//! The running transcript and the keys drawn from it: the node handshake's schedule under the label `RMC/1`.
//!
//! ```text
//! h0 = SHA256("RMC/1" ‖ cluster_id ‖ authority_pub)   h1 = SHA256(h0 ‖ C1)   h2 = SHA256(h1 ‖ P2.clear)
//! prk_hs = HKDF-Extract(salt = h2, ikm = X25519(eph_c, eph_p));  P2 sealed under Expand(prk_hs, "hs r", 32), C3 under "hs i"
//! h3 = SHA256(h2 ‖ P2.sealed)   h4 = SHA256(h3 ‖ C3.sealed)   prk = HKDF-Extract(salt = prk_hs, ikm = h4)
//! P4 sealed under Expand(prk, "welcome", 32); traffic and datagram keys by Expand(prk, …), see `keys`
//! ```
//! Each of the three sealing keys seals one message: nonce zero, no additional data (the salt covers what came before).

use zeroize::Zeroizing;

use super::error::ClientHandshakeError;
use crate::identity::AuthorityPublic;
use crate::ids::ClusterId;
use crate::keys::{
    DatagramSecret, Direction, KeyAgreement, NotAuthentic, Prk, SealingKey, TrafficSecret, sha256,
};

/// Hash over everything said so far.
#[derive(Clone, Copy)]
pub(super) struct Transcript([u8; 32]);

impl Transcript {
    pub(super) fn start(cluster_id: ClusterId, authority: &AuthorityPublic) -> Self {
        Self(sha256(&[b"RMC/1", &cluster_id.0, &authority.to_bytes()]))
    }

    pub(super) fn with(self, message: &[u8]) -> Self {
        Self(sha256(&[&self.0, message]))
    }

    /// What the proxy signs, at h2.
    pub(super) fn proxy_statement(self, certificate: &[u8], voucher: &[u8]) -> Vec<u8> {
        let papers = sha256(&[certificate, voucher]);
        [b"RMC/1 proxy\0".as_slice(), &self.0, &papers].concat()
    }

    /// What the client signs, at h3.
    pub(super) fn client_statement(self) -> Vec<u8> {
        [b"RMC/1 client\0".as_slice(), &self.0].concat()
    }
}

/// The keys between P2 and C3.
pub(super) struct HandshakeSecret(Prk);

impl HandshakeSecret {
    /// At h2.
    pub(super) fn agree(
        h2: Transcript,
        ours: KeyAgreement,
        theirs: [u8; 32],
    ) -> Result<Self, ClientHandshakeError> {
        let shared = ours.agree(theirs).ok_or(ClientHandshakeError::WorthlessKey)?;
        Ok(Self(Prk::extract(&h2.0, Zeroizing::new(shared).as_slice())))
    }

    pub(super) fn p2(&self) -> SingleUse {
        SingleUse::new(&self.0, "hs r")
    }

    pub(super) fn c3(&self) -> SingleUse {
        SingleUse::new(&self.0, "hs i")
    }

    /// At h4: the key of P4, and everything after.
    pub(super) fn finish(&self, h4: Transcript) -> (SingleUse, EstablishedClient) {
        let prk = Prk::extract(self.0.as_salt(), &h4.0);
        let (client_to_proxy, proxy_to_client) =
            (Direction::InitiatorToResponder, Direction::ResponderToInitiator);
        let established = EstablishedClient {
            client_to_proxy: TrafficSecret::new(&prk, client_to_proxy),
            proxy_to_client: TrafficSecret::new(&prk, proxy_to_client),
            datagrams_to_proxy: DatagramSecret::new(&prk, client_to_proxy),
            datagrams_to_client: DatagramSecret::new(&prk, proxy_to_client),
            transcript: h4.0,
        };
        (SingleUse::new(&prk, "welcome"), established)
    }
}

/// A key that seals, or opens, one message and is gone.
pub(super) struct SingleUse(SealingKey);

impl SingleUse {
    fn new(prk: &Prk, label: &str) -> Self {
        Self(SealingKey::single_use(&Zeroizing::new(prk.expand(label))))
    }

    pub(super) fn seal(self, plain: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let mut sealed = Vec::new();
        self.0.seal_onto([0; 12], &[], plain, &mut sealed)?;
        Ok(sealed)
    }

    pub(super) fn open(self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        self.0.open_vec([0; 12], &[], sealed).map(Zeroizing::new)
    }
}

/// What both sides hold once C3 is sealed and opened; it counts when P4 says welcome.
pub struct EstablishedClient {
    /// Stream, from the client.
    pub client_to_proxy: TrafficSecret,
    /// Stream, to the client.
    pub proxy_to_client: TrafficSecret,
    /// Datagrams, from the client.
    pub datagrams_to_proxy: DatagramSecret,
    /// Datagrams, to the client.
    pub datagrams_to_client: DatagramSecret,
    /// h4: names this one handshake; no secret.
    pub transcript: [u8; 32],
}

impl std::fmt::Debug for EstablishedClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EstablishedClient").finish_non_exhaustive()
    }
}
