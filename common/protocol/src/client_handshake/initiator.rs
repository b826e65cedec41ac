//! The client's side of the handshake: C1 out, P2 in, C3 out, P4 in. Each state is a type, so no message comes twice.

use super::error::ClientHandshakeError;
use super::hello::{C1_BYTES, ClientHello, Moving, ProxyHello, Versions};
use super::login::{Credentials, LoginRequest};
use super::schedule::{EstablishedClient, HandshakeSecret, SingleUse, Transcript};
use super::welcome::{Answer, Refusal, Welcome};
use crate::entropy::{self, Entropy};
use crate::identity::{
    AuthorityKeys, CERTIFICATE_BYTES, ClientKey, ClientPublic, Clock, Role, RoleVoucher, VOUCHER_BYTES,
    VerifiedCertificate, WireCertificate,
};
use crate::ids::{AttachNo, ClusterId};
use crate::keys::KeyAgreement;
use crate::limits::CLIENT_CLOCK_LEEWAY_MS;
use crate::sealed_deed::{AuthNode, AuthNodes, Deed};
use crate::wire::Reader;

/// Whom a client trusts: what `join.json` says.
#[derive(Clone, Copy, Debug)]
pub struct ClientTrust {
    /// `current` is the key the hello is keyed with; a proxy's papers may be signed by either.
    pub authorities: AuthorityKeys,
    /// The cluster to join.
    pub cluster_id: ClusterId,
    /// Whom passwords and tokens are sealed to; where there is none, the proxy reads them.
    pub auth: AuthNodes,
}

/// What a client logs in with.
#[derive(Debug)]
pub struct Login<'a> {
    /// The session's key: fresh for a new login, the same as before for a ticket.
    pub key: &'a ClientKey,
    /// Guest name, password or ticket.
    pub credentials: Credentials,
    /// Higher than in any attach of this session before.
    pub attach_no: AttachNo,
}

/// The proxy as it has proven itself.
#[derive(Clone, Copy, Debug)]
pub struct ProxyPeer {
    /// Signed by the authority, vouched for as a proxy, key shown.
    pub certificate: VerifiedCertificate,
    /// The version both will speak.
    pub version: u8,
    /// The proxy's wall clock less ours, milliseconds, transit included. Players' clocks are wrong: reported, never refused.
    pub clock_skew_ms: i64,
}

/// A client that has sent C1.
pub struct ClientInitiator {
    trust: ClientTrust,
    versions: Versions,
    agreement: KeyAgreement,
    transcript: Transcript,
    /// An auth node, and a key for one box to it.
    sealing: Option<(AuthNode, KeyAgreement)>,
}

impl ClientInitiator {
    /// Begins a handshake: the state, and C1 for the proxy, which lets the client in or turns it away.
    #[must_use]
    pub fn start(
        trust: ClientTrust,
        versions: Versions,
        entropy: &mut dyn Entropy,
    ) -> (Self, [u8; C1_BYTES]) {
        Self::start_as(Moving::Stays, trust, versions, entropy)
    }

    /// The same of one that may be ready to go elsewhere.
    #[must_use]
    pub fn start_as(
        moving: Moving,
        trust: ClientTrust,
        versions: Versions,
        entropy: &mut dyn Entropy,
    ) -> (Self, [u8; C1_BYTES]) {
        let agreement = KeyAgreement::new(entropy);
        let hello = ClientHello {
            versions,
            moving,
            cluster_id: trust.cluster_id,
            ephemeral: agreement.public(),
            random: entropy::array(entropy),
        };
        let c1 = hello.encode();
        let to = trust.auth.pick(entropy);
        let sealing = to.map(|to| (to, KeyAgreement::new(entropy)));
        let transcript = Transcript::start(trust.cluster_id, &trust.authorities.current).with(&c1);
        let client = Self {
            trust,
            versions,
            agreement,
            transcript,
            sealing,
        };
        (client, c1)
    }

    /// Checks the proxy and answers with C3. `now_ms` is our wall clock, Unix milliseconds.
    ///
    /// # Errors
    /// Whatever is wrong with P2; nothing of the login has been shown to anybody then.
    pub fn receive_p2(
        self,
        p2: &[u8],
        login: Login<'_>,
        now_ms: u64,
    ) -> Result<(ClientAwaitingWelcome, Vec<u8>), ClientHandshakeError> {
        let (hello, clear, sealed) = ProxyHello::parse(p2)?;
        if !self.versions.contains(hello.version) {
            return Err(ClientHandshakeError::Version);
        }
        let h2 = self.transcript.with(clear);
        let secret = HandshakeSecret::agree(h2, self.agreement, hello.ephemeral)?;
        let papers = secret.p2().open(sealed)?;
        let (certificate, wall_ms) = check_papers(&self.trust, &papers, h2, now_ms)?;
        let h3 = h2.with(sealed);
        let client = login.key.public();
        let credentials = match self.sealing {
            Some((to, agreement)) => {
                hidden(login.credentials, &to, (self.trust.cluster_id, client), agreement)?
            }
            None => login.credentials,
        };
        let request = LoginRequest {
            client,
            credentials,
            attach_no: login.attach_no,
        };
        let c3 = secret
            .c3()
            .seal(&request.encode(&login.key.sign(&h3.client_statement()))?)?;
        let (welcome_key, established) = secret.finish(h3.with(&c3));
        let waiting = ClientAwaitingWelcome {
            welcome_key,
            established,
            client: request.client,
            proxy: ProxyPeer {
                certificate,
                version: hello.version,
                clock_skew_ms: (wall_ms as i64).saturating_sub_unsigned(now_ms),
            },
        };
        Ok((waiting, c3))
    }
}

/// Passwords and tokens are for the auth node alone.
fn hidden(
    credentials: Credentials,
    to: &AuthNode,
    whose: (ClusterId, ClientPublic),
    agreement: KeyAgreement,
) -> Result<Credentials, ClientHandshakeError> {
    let deed = match credentials {
        Credentials::Password { name, password } => Deed::LogIn { name, password },
        Credentials::Token { token, name } => Deed::ShowToken { token, name },
        open => return Ok(open),
    };
    let sealed = deed.seal(to, whose, agreement);
    let sealed = sealed.map_err(|_| ClientHandshakeError::LoginTooLong)?;
    Ok(Credentials::Sealed { sealed })
}

/// Certificate, voucher and signature, in this order: cheap refusals name the cause.
fn check_papers(
    trust: &ClientTrust,
    papers: &[u8],
    h2: Transcript,
    now_ms: u64,
) -> Result<(VerifiedCertificate, u64), ClientHandshakeError> {
    let mut reader = Reader::new(papers);
    let certificate_bytes = reader.array::<CERTIFICATE_BYTES>()?;
    let voucher_bytes = reader.array::<VOUCHER_BYTES>()?;
    let (signature, wall_ms) = (reader.array()?, reader.u64()?);
    let clock = Clock::with_leeway(now_ms, CLIENT_CLOCK_LEEWAY_MS);
    let (authorities, cluster_id) = (&trust.authorities, trust.cluster_id);
    let certificate = WireCertificate::parse(&certificate_bytes)?.verify(authorities, cluster_id, clock)?;
    let voucher = RoleVoucher::parse(&voucher_bytes)?;
    voucher.verify(authorities, cluster_id, certificate.uuid(), Role::Proxy, clock)?;
    let statement = h2.proxy_statement(&certificate_bytes, &voucher_bytes);
    let signed = certificate.public().verify(&statement, &signature);
    signed.map_err(|_| ClientHandshakeError::ProxySignature)?;
    Ok((certificate, wall_ms))
}

/// A client that has sent C3.
pub struct ClientAwaitingWelcome {
    welcome_key: SingleUse,
    established: EstablishedClient,
    client: ClientPublic,
    proxy: ProxyPeer,
}

/// How a handshake ended for the client.
#[derive(Debug)]
pub enum ClientAnswer {
    /// In.
    Welcome(Box<Welcome>, Box<EstablishedClient>),
    /// Not let in, says the proxy itself.
    Refused(Refusal),
}

impl ClientAwaitingWelcome {
    /// Who is at the other end.
    #[must_use]
    pub fn proxy(&self) -> &ProxyPeer {
        &self.proxy
    }

    /// Opens the proxy's answer.
    ///
    /// # Errors
    /// `NotAuthentic`, `Malformed`, or `WelcomeContradicts` when the ticket is not for this user, session and key.
    pub fn receive_p4(self, p4: &[u8]) -> Result<ClientAnswer, ClientHandshakeError> {
        let plain = self.welcome_key.open(p4)?;
        let welcome = match Answer::parse(&plain)? {
            Answer::Refusal(refusal) => return Ok(ClientAnswer::Refused(refusal)),
            Answer::Welcome(welcome) => welcome,
        };
        let claims = welcome.ticket.claims();
        let named = (
            claims.user,
            claims.session,
            claims.session_generation,
            claims.holder,
        );
        if named
            != (
                welcome.user,
                welcome.session,
                welcome.session_generation,
                self.client,
            )
        {
            return Err(ClientHandshakeError::WelcomeContradicts);
        }
        Ok(ClientAnswer::Welcome(welcome, Box::new(self.established)))
    }
}
