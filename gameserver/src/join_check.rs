//! Who joins: a proxy's `Join` carries the client's ticket and its signed word to be at that proxy, and both are
//! verified here before a region hears of it. So a proxy acts only for players who are at it now.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use protocol::Code;
use protocol::attach::Attach;
use protocol::identity::{BadSignature, Clock, NodePublic};
use protocol::ids::{
    AttachNo, ClusterId, CommandNumber, EventNumber, NodeUuid, RegionNumber, SessionGeneration, SessionId,
    UserId,
};
use protocol::limits::{NAME_BYTES_MAX, NUMBER_MAX};
use protocol::message::checked::SessionIdentity;
use protocol::message::player::Join;
use protocol::ticket::{AccountKind, RawTicket, TicketError};

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
    /// What a player without a row is called; may be empty. One that has a row is called what that says.
    pub name: String,
    /// Whether it is the name of an account: then it is the player's, whatever the row says.
    pub account: AccountKind,
}

impl VerifiedJoin {
    /// What decides which of two joins of a user is the newer one.
    #[must_use]
    pub fn order(&self) -> (SessionGeneration, AttachNo) {
        (self.session_generation, self.attach_no)
    }

    /// Takes over what another join of the same login knows: acknowledgements cross with joins on their way, and what was
    /// acknowledged is never issued again.
    pub(crate) fn knows_of(&mut self, other: &Self) {
        if self.session_generation == other.session_generation {
            self.acked_command = self.acked_command.max(other.acked_command);
            self.acked_event = self.acked_event.max(other.acked_event);
        }
    }

    /// What a player without a row is called.
    pub(crate) fn first_name(&self) -> String {
        match self.name.is_empty() {
            // Nobody could say it in time.
            true => format!("player {}", self.user.0),
            false => self.name.clone(),
        }
    }

    /// What the player is called from now on; `None`: what its row says.
    pub(crate) fn name_of_account(&self) -> Option<&str> {
        let is_known = self.account == AccountKind::Registered && !self.name.is_empty();
        is_known.then_some(self.name.as_str())
    }

    /// The session that joins.
    #[must_use]
    pub fn identity(&self) -> SessionIdentity {
        SessionIdentity {
            id: self.session,
            generation: self.session_generation,
            attach_no: self.attach_no,
        }
    }
}

/// Why a join is not believed. Always the proxy's or its client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The ticket does not count.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The ticket is somebody else's.
    #[error("the ticket names another user")]
    OtherUser,
    /// The client did not say that it is at this proxy, for this session and this time.
    #[error("the attach is not signed by the ticket's holder for this proxy")]
    Attach,
    /// The name is too long.
    #[error("the name is longer than {NAME_BYTES_MAX} bytes")]
    Name,
    /// An operator has ended the session.
    #[error("the session was ended: {}", .0.text())]
    Ended(Code),
    /// A number beyond any session.
    #[error("an acknowledged number is beyond {NUMBER_MAX}")]
    Number,
}

impl From<BadSignature> for JoinError {
    fn from(_: BadSignature) -> Self {
        Self::Attach
    }
}

impl JoinError {
    /// What the client is told.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Ticket(error) => error.code(),
            Self::OtherUser | Self::Attach => Code::TicketInvalid,
            Self::Ended(code) => code,
            Self::Name => Code::NameIllegal,
            Self::Number => Code::Protocol,
        }
    }

    /// A fixed name for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ticket(_) => "join_ticket",
            Self::OtherUser => "join_other_user",
            Self::Attach => "join_attach",
            Self::Ended(_) => "join_ended",
            Self::Name => "join_name",
            Self::Number => "join_number",
        }
    }
}

/// Verifies a join that came over the link of `proxy`. `issuer_key` names the key of a node that may issue tickets
/// now, or `None`. Also returns the region that the ticket names as a hint.
///
/// # Errors
/// `JoinError`; nothing of the message counts then.
pub fn verify(
    message: &Join,
    proxy: NodeUuid,
    cluster_id: ClusterId,
    issuer_key: impl FnOnce(NodeUuid) -> Option<NodePublic>,
    clock: Clock,
) -> Result<(VerifiedJoin, RegionNumber), JoinError> {
    if message.name.len() > NAME_BYTES_MAX {
        return Err(JoinError::Name);
    }
    if message.acked_command.max(message.acked_event) > NUMBER_MAX {
        return Err(JoinError::Number);
    }
    let ticket = RawTicket::parse(&message.ticket)?.verify(cluster_id, issuer_key, clock)?;
    if ticket.user.0 != message.user {
        return Err(JoinError::OtherUser);
    }
    let attach = Attach {
        cluster_id,
        attach_no: AttachNo(message.attach_no),
        proxy,
    };
    let signature = message
        .attach
        .as_ref()
        .try_into()
        .map_err(|_| JoinError::Attach)?;
    attach.verify(&ticket, signature)?;
    let join = VerifiedJoin {
        user: ticket.user,
        session: ticket.session,
        session_generation: ticket.session_generation,
        attach_no: attach.attach_no,
        client_pub: ticket.holder.to_bytes(),
        acked_command: CommandNumber(message.acked_command),
        acked_event: EventNumber(message.acked_event),
        name: message.name.clone(),
        account: ticket.account,
    };
    Ok((join, ticket.region_hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::identity::{ClientKey, NodeKey, Validity};
    use protocol::ticket::Ticket;

    const CLUSTER: ClusterId = ClusterId([1; 16]);
    const ISSUER: NodeUuid = NodeUuid([2; 16]);
    const PROXY: NodeUuid = NodeUuid([3; 16]);
    const NOW_MS: u64 = 1_000_000;

    fn message() -> Join {
        let (issuer, client) = (NodeKey::from_seed(&[4; 32]), ClientKey::from_seed(&[5; 32]));
        let ticket = Ticket {
            issuer: ISSUER,
            user: UserId(6),
            session: SessionId([7; 16]),
            session_generation: SessionGeneration(8),
            holder: client.public(),
            validity: Validity {
                from_ms: NOW_MS as i64,
                until_ms: NOW_MS as i64 + 60_000,
            },
            auth_time_ms: NOW_MS as i64,
            region_hint: RegionNumber(9),
            account: AccountKind::Guest,
        };
        let attach = Attach {
            cluster_id: CLUSTER,
            attach_no: AttachNo(2),
            proxy: PROXY,
        };
        Join {
            user: 6,
            ticket: ticket.issue(CLUSTER, &issuer).encode().to_vec().into(),
            attach: attach.sign(&ticket, &client).to_vec().into(),
            attach_no: 2,
            acked_command: 3,
            acked_event: 4,
            name: "ann".into(),
        }
    }

    fn verdict(
        message: &Join,
        proxy: NodeUuid,
        now_ms: u64,
    ) -> Result<(VerifiedJoin, RegionNumber), JoinError> {
        let key = |uuid| (uuid == ISSUER).then(|| NodeKey::from_seed(&[4; 32]).public());
        verify(message, proxy, CLUSTER, key, Clock::of_node(now_ms))
    }

    #[test]
    fn a_join_counts_only_with_its_own_ticket_at_its_own_proxy_for_its_own_attach() {
        let (join, hint) = verdict(&message(), PROXY, NOW_MS).unwrap();
        assert_eq!(
            (join.user, join.attach_no, hint),
            (UserId(6), AttachNo(2), RegionNumber(9))
        );
        assert_eq!(
            verdict(&message(), NodeUuid([9; 16]), NOW_MS),
            Err(JoinError::Attach)
        );
        let changed = |change: fn(&mut Join)| {
            let mut join = message();
            change(&mut join);
            verdict(&join, PROXY, NOW_MS).unwrap_err()
        };
        assert_eq!(changed(|join| join.user = 7), JoinError::OtherUser);
        assert_eq!(changed(|join| join.attach_no = 3), JoinError::Attach);
        assert_eq!(changed(|join| join.attach.clear()), JoinError::Attach);
        assert_eq!(changed(|join| join.name = "n".repeat(33)), JoinError::Name);
        assert_eq!(
            changed(|join| join.ticket.truncate(179)),
            JoinError::Ticket(TicketError::Malformed)
        );
        let late = verdict(&message(), PROXY, NOW_MS + 10_000_000).unwrap_err();
        assert_eq!(late.code(), Code::TicketExpired);
    }
}
