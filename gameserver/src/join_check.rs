//! Who joins: a proxy's `Join` carries the client's ticket and its signed word to be at that proxy, and both are
//! verified here before a region hears of it. So a proxy acts only for players who are at it now.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use protocol::ids::{AttachNo, CommandNumber, EventNumber, SessionGeneration, SessionId, UserId};

/// A join that has been checked against ticket, attach and topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedJoin {
    /// Who.
    pub user: UserId,
    /// The login.
    pub session: SessionId,
    /// Which login of the user.
    pub session_generation: SessionGeneration,
    /// Which attach of the login.
    pub attach_no: AttachNo,
    /// The client's Ed25519 session key.
    pub client_pub: [u8; 32],
    /// Last command that the client says it has seen acknowledged.
    pub acked_command: CommandNumber,
    /// Last event that the client says it has.
    pub acked_event: EventNumber,
    /// The user's name.
    pub name: String,
}
