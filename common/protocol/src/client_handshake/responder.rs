//! The proxy's side of the handshake: C1 in, P2 out, C3 in, and, after however long the login takes, P4 out.

use super::error::ClientHandshakeError;
use super::hello::{ClientHello, Moving, ProxyHello, Versions};
use super::login::{C3_STEPS, LoginRequest};
use super::schedule::{EstablishedClient, HandshakeSecret, SingleUse, Transcript};
use super::welcome::{Refusal, Welcome};
use crate::entropy::{self, Entropy};
use crate::identity::{AuthorityPublic, NodeKey, RoleVoucher, WireCertificate};
use crate::ids::ClusterId;
use crate::keys::KeyAgreement;

/// What a proxy proves itself with. While authority keys are rotated it has one of these per key.
#[derive(Clone, Debug)]
pub struct ProxyIdentity {
    /// The cluster it serves.
    pub cluster_id: ClusterId,
    /// The authority key whose hello key fitted the client's frame, so that both have the same transcript.
    pub authority: AuthorityPublic,
    /// Its certificate.
    pub certificate: WireCertificate,
    /// The authority's word that it is a proxy.
    pub voucher: RoleVoucher,
    /// The key of the certificate.
    pub key: NodeKey,
    /// The versions it speaks.
    pub versions: Versions,
}

/// A proxy that has sent P2.
pub struct ProxyResponder {
    secret: HandshakeSecret,
    h3: Transcript,
    version: u8,
    moving: Moving,
}

impl ProxyResponder {
    /// Reads C1 and makes P2. `now_ms` is the proxy's wall clock, Unix milliseconds.
    ///
    /// # Errors
    /// `Malformed`, `Version`, `WrongCluster`, `WorthlessKey`. After `Version` send `hello_refusal`; else close in silence.
    pub fn receive_c1(
        identity: &ProxyIdentity,
        c1: &[u8],
        now_ms: u64,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Vec<u8>), ClientHandshakeError> {
        let client = ClientHello::parse(c1)?;
        if client.cluster_id != identity.cluster_id {
            return Err(ClientHandshakeError::WrongCluster);
        }
        let version = identity.versions.common(client.versions);
        let version = version.ok_or(ClientHandshakeError::Version)?;
        let agreement = KeyAgreement::new(entropy);
        let hello = ProxyHello {
            version,
            ephemeral: agreement.public(),
            random: entropy::array(entropy),
        };
        let mut p2 = hello.encode();
        let h2 = Transcript::start(identity.cluster_id, &identity.authority)
            .with(c1)
            .with(&p2);
        let secret = HandshakeSecret::agree(h2, agreement, client.ephemeral)?;
        let sealed = secret.p2().seal(&papers(identity, h2, now_ms))?;
        p2.extend_from_slice(&sealed);
        let proxy = Self {
            secret,
            h3: h2.with(&sealed),
            version,
            moving: client.moving,
        };
        Ok((proxy, p2))
    }

    /// The version both will speak.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Whether the client goes to another proxy if it is refused with `ELSEWHERE`.
    #[must_use]
    pub fn moving(&self) -> Moving {
        self.moving
    }

    /// Opens C3: what the client wants, and what its answer is sealed with. Checking the credentials may take its time.
    ///
    /// # Errors
    /// `NotAuthentic`, `Malformed` or `ClientSignature`: close in silence.
    pub fn open_c3(self, c3: &[u8]) -> Result<(LoginRequest, PendingLogin), ClientHandshakeError> {
        if !C3_STEPS.contains(&c3.len()) {
            return Err(ClientHandshakeError::Malformed("C3"));
        }
        let (request, signature) = LoginRequest::parse(&self.secret.c3().open(c3)?)?;
        let signed = request.client.verify(&self.h3.client_statement(), &signature);
        signed.map_err(|_| ClientHandshakeError::ClientSignature)?;
        let (welcome_key, established) = self.secret.finish(self.h3.with(c3));
        let pending = PendingLogin {
            welcome_key,
            established,
        };
        Ok((request, pending))
    }
}

/// What is sealed in P2.
fn papers(identity: &ProxyIdentity, h2: Transcript, now_ms: u64) -> Vec<u8> {
    let (certificate, voucher) = (identity.certificate.encode(), identity.voucher.encode());
    let signature = identity.key.sign(&h2.proxy_statement(&certificate, &voucher));
    let parts: [&[u8]; 4] = [&certificate, &voucher, &signature, &now_ms.to_le_bytes()];
    parts.concat()
}

/// A proxy that owes the client an answer.
pub struct PendingLogin {
    welcome_key: SingleUse,
    established: EstablishedClient,
}

impl PendingLogin {
    /// Lets the client in: P4, and the keys of everything after.
    ///
    /// # Errors
    /// Never for a welcome of this size; sealing has an error of its own.
    pub fn accept(self, welcome: &Welcome) -> Result<(Vec<u8>, EstablishedClient), ClientHandshakeError> {
        let p4 = self.welcome_key.seal(&welcome.encode())?;
        Ok((p4, self.established))
    }

    /// Turns the client away: P4, after which the proxy closes.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn refuse(self, refusal: &Refusal) -> Result<Vec<u8>, ClientHandshakeError> {
        Ok(self.welcome_key.seal(&refusal.encode())?)
    }
}
