//! Passwords and tokens that this proxy cannot read: it passes them on to the auth node that they are sealed to, and believes what
//! that says of a login.

use protocol::Code;
use protocol::identity::{ClientPublic, Role};
use protocol::ids::NodeUuid;
use protocol::message::checked::CheckedAnswer;
use protocol::sealed_deed::Deed;
use protocol::ticket::{RawTicket, TICKET_BYTES};

use super::accounts::away;
use super::{AuthRole, Granted, TurnedAway};
use crate::server::auth_links::{AuthLinks, Away};

/// When to try again while an auth node is away, milliseconds.
const AWAY_RETRY_MS: u32 = 2_000;

/// Whoever said a password to a proxy that should not know it.
pub(in crate::server) fn unsealed() -> TurnedAway {
    away(
        Code::RoleDenied,
        "passwords and tokens are sealed to an auth node here, which join.json names: read it anew",
    )
}

impl AuthRole {
    /// Whether auth nodes check passwords and tokens, and not this one.
    pub(in crate::server) fn is_elsewhere(&self) -> bool {
        self.links.is_some() && !self.topology.view().topology().auths().is_empty()
    }

    /// Has a box opened where that can be done; the login that comes of it. `ticket`: of whoever plays already.
    pub(in crate::server) async fn sealed(
        &self,
        sealed: &[u8],
        (ticket, client): (Option<&[u8; TICKET_BYTES]>, ClientPublic),
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        let answer = self.opened(sealed, (ticket, client)).await?;
        let ticket = answer.ticket.ok_or_else(|| TurnedAway::from(Code::Protocol))?;
        // Whatever it says, it is a login of this client, and signed by who may.
        let claims = self.verified(&ticket, client, wall_ms)?;
        let ticket = RawTicket::parse(&ticket).map_err(|error| TurnedAway::from(error.code()))?;
        Ok(Granted {
            name: answer.name,
            claims,
            ticket,
        })
    }

    /// Has an account deleted by what is in the box; what it was called.
    pub(in crate::server) async fn sealed_deletion(
        &self,
        sealed: &[u8],
        (ticket, client): (&[u8; TICKET_BYTES], ClientPublic),
    ) -> Result<String, TurnedAway> {
        let answer = self.opened(sealed, (Some(ticket), client)).await?;
        match answer.ticket {
            None => Ok(answer.name),
            Some(_) => Err(Code::Protocol.into()),
        }
    }

    async fn opened(
        &self,
        sealed: &[u8],
        (ticket, client): (Option<&[u8; TICKET_BYTES]>, ClientPublic),
    ) -> Result<CheckedAnswer, TurnedAway> {
        let to = Deed::addressee(sealed).ok_or_else(|| TurnedAway::from(Code::Protocol))?;
        let links = self.links_to(to).ok_or_else(|| {
            away(
                Code::AuthFailed,
                "it is sealed to an auth node that is none any more: read join.json anew",
            )
        })?;
        let answer = links.ask(to, (client, sealed), ticket).await;
        let answer = answer.map_err(|Away| TurnedAway {
            retry_ms: AWAY_RETRY_MS,
            reason: "who checks passwords is away; guests get in meanwhile, and who was here before"
                .to_owned(),
            ..Code::Busy.into()
        })?;
        match answer.code {
            Code::Ok => Ok(answer),
            code => Err(TurnedAway {
                code,
                retry_ms: answer.retry_ms,
                reason: answer.reason,
            }),
        }
    }

    fn links_to(&self, to: NodeUuid) -> Option<&AuthLinks> {
        let view = self.topology.view();
        let number = view.number_of(to).filter(|_| view.has_role(to, Role::Auth))?;
        let is_one = view.topology().auth(number).is_some();
        self.links.as_deref().filter(|_| is_one)
    }
}
