//! The client handshake: a client proves its session key, a proxy its certificate and role, and both get fresh keys.
//!
//! Pure: entropy and time are arguments; what goes in and out are payloads of frames under `HandshakeKey::client`
//! (`ClientHello`, `ProxyAnswer`, `ClientLogin`, `ProxyWelcome`). A proxy that trusts two authority keys tries both hello keys,
//! and answers as the [`ProxyIdentity`] whose key fits.
//!
//! 1. [`ClientInitiator::start`] makes **C1**: versions and an ephemeral key. Padded, so that an answer is never much larger.
//! 2. [`ProxyResponder::receive_c1`] answers **P2**: certificate, role voucher and a signature over the transcript, sealed.
//!    The signature stops a man in the middle and a downgrade; the voucher stops a game server that poses as a proxy.
//! 3. [`ClientInitiator::receive_p2`] checks all three and makes **C3**: the login, sealed to this proxy alone and of one size
//!    whatever is in it, and the client key's signature, which stops a stolen ticket.
//! 4. [`ProxyResponder::open_c3`] gives the [`LoginRequest`]; the caller takes its time and then says
//!    [`PendingLogin::accept`] or [`PendingLogin::refuse`], which make **P4**, sealed under a key of its own.
//! 5. [`ClientAwaitingWelcome::receive_p4`] opens it. Everything after travels under the keys of [`EstablishedClient`].
//!
//! Layouts and numbered rules: `docs/protocol.md`, *Client handshake*.

mod error;
mod hello;
mod initiator;
mod login;
mod responder;
mod schedule;
mod welcome;

pub use error::ClientHandshakeError;
pub use hello::{C1_BYTES, Moving, P2_BYTES, PROTOCOL_VERSION, Versions, hello_refusal};
pub use initiator::{ClientAnswer, ClientAwaitingWelcome, ClientInitiator, ClientTrust, Login, ProxyPeer};
pub use login::{C3_BYTES, C3_STEPS, Credentials, LoginRequest};
pub use responder::{PendingLogin, ProxyIdentity, ProxyResponder};
pub use schedule::EstablishedClient;
pub use welcome::{Refusal, Welcome};

#[cfg(test)]
mod tests {
    use super::{hello, schedule::*, *};
    use crate::entropy::CountingEntropy;
    use crate::identity::{AuthorityKey, ClientKey, NodeKey, Role, Validity};
    use crate::ids::{AttachNo, ClusterId, NodeUuid};
    use crate::keys::KeyAgreement;

    /// A client that names the victim's key and signs the transcript with the key given.
    fn login_as_victim(signer: &ClientKey) -> Result<(), ClientHandshakeError> {
        let (cluster_id, uuid) = (ClusterId([1; 16]), NodeUuid([2; 16]));
        let (authority, seed) = (AuthorityKey::from_seed(&[3; 32]), [4; 32]);
        let validity = Validity {
            from_ms: 0,
            until_ms: 9,
        };
        let proxy = ProxyIdentity {
            cluster_id,
            authority: authority.public(),
            certificate: authority.issue(cluster_id, uuid, validity, &seed).wire(),
            voucher: authority.vouch(cluster_id, uuid, Role::Proxy, validity),
            key: NodeKey::from_seed(&seed),
            versions: Versions::default(),
        };
        let agreement = KeyAgreement::new(&mut CountingEntropy(5));
        let c1 = hello::ClientHello {
            versions: Versions::default(),
            moving: Moving::Stays,
            cluster_id,
            ephemeral: agreement.public(),
            random: [6; 32],
        };
        let c1 = c1.encode();
        let (proxy, p2) = ProxyResponder::receive_c1(&proxy, &c1, 1, &mut CountingEntropy(7))?;
        let (answer, clear, sealed) = hello::ProxyHello::parse(&p2)?;
        let h2 = Transcript::start(cluster_id, &authority.public())
            .with(&c1)
            .with(clear);
        let secret = HandshakeSecret::agree(h2, agreement, answer.ephemeral)?;
        let request = LoginRequest {
            client: ClientKey::from_seed(&[8; 32]).public(),
            credentials: Credentials::Guest { name: "ada".into() },
            attach_no: AttachNo(1),
        };
        let statement = h2.with(sealed).client_statement();
        let c3 = secret.c3().seal(&request.encode(&signer.sign(&statement))?)?;
        proxy.open_c3(&c3).map(|_| ())
    }

    #[test]
    fn ch_18_a_client_that_does_not_hold_the_key_it_names_is_refused() {
        assert_eq!(login_as_victim(&ClientKey::from_seed(&[8; 32])), Ok(()));
        let thief = login_as_victim(&ClientKey::from_seed(&[9; 32]));
        assert_eq!(thief, Err(ClientHandshakeError::ClientSignature));
    }
}
