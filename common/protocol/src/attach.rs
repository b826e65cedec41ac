//! Attach: the client's signed word that its session is at this proxy now.
//!
//! `Ed25519(client key, "RMC/1 attach\0" ‖ cluster_id ‖ user_id ‖ session_id ‖ session_generation ‖ attach_no ‖ proxy_uuid)`.
//! The owning game server verifies it against the key in the ticket, so a proxy acts only for players who are at it.

use crate::identity::{BadSignature, ClientKey};
use crate::ids::{AttachNo, ClusterId, NodeUuid};
use crate::ticket::Ticket;

const CONTEXT: &[u8] = b"RMC/1 attach\0";

/// What is signed: this session, for the `attach_no`th time, at this proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attach {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Counts the session's attaches; the highest counts.
    pub attach_no: AttachNo,
    /// Where the client is.
    pub proxy: NodeUuid,
}

impl Attach {
    /// The client's signature, for the session that its ticket names.
    #[must_use]
    pub fn sign(&self, ticket: &Ticket, key: &ClientKey) -> [u8; 64] {
        key.sign(&self.signed_bytes(ticket))
    }

    /// Checks the signature by the key in a ticket that has been verified.
    ///
    /// # Errors
    /// `BadSignature` when the ticket's holder did not say so.
    pub fn verify(&self, ticket: &Ticket, signature: &[u8; 64]) -> Result<(), BadSignature> {
        ticket.holder.verify(&self.signed_bytes(ticket), signature)
    }

    fn signed_bytes(&self, ticket: &Ticket) -> Vec<u8> {
        let parts: [&[u8]; 7] = [
            CONTEXT,
            &self.cluster_id.0,
            &ticket.user.0.to_le_bytes(),
            &ticket.session.0,
            &ticket.session_generation.0.to_le_bytes(),
            &self.attach_no.0.to_le_bytes(),
            &self.proxy.0,
        ];
        parts.concat()
    }
}
