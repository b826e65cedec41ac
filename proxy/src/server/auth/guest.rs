//! Guests: a name, a fresh user id, and a session of the first generation.

use std::time::Duration;

use protocol::Code;
use protocol::client_handshake::LoginRequest;
use protocol::entropy::array;
use protocol::identity::{ClientPublic, Validity};
use protocol::ids::{RegionNumber, SessionGeneration, SessionId, UserId};
use protocol::name::PlayerName;
use protocol::ticket::{AccountKind, Ticket};
use store::{StoreError, StoreReply, StoreRequest};

use super::{AuthRole, Granted, GuestPolicy, TurnedAway};

/// When to try again while the store does not answer, milliseconds.
const STORE_RETRY_MS: u32 = 1_000;
/// How long a login waits for the store: less than a handshake may take, so that the client hears why it is not let in.
pub(super) const STORE_PATIENCE: Duration = Duration::from_secs(3);

impl AuthRole {
    pub(super) async fn guest(
        &self,
        name: &str,
        request: &LoginRequest,
        wall_ms: u64,
    ) -> Result<Granted, TurnedAway> {
        if self.guests == GuestPolicy::Refused {
            return Err(Code::AuthFailed.into());
        }
        let name = PlayerName::parse(name)?;
        let (user, generation) = self.begin_session().await?;
        let claims = self.first_claims(user, generation, request.client, AccountKind::Guest, wall_ms);
        let (claims, ticket) = self.renew(claims, None, wall_ms);
        Ok(Granted {
            name: name.into(),
            claims,
            ticket,
        })
    }

    /// What is said of a login that has just begun.
    pub(super) fn first_claims(
        &self,
        user: UserId,
        generation: SessionGeneration,
        holder: ClientPublic,
        account: AccountKind,
        wall_ms: u64,
    ) -> Ticket {
        let now_ms = i64::try_from(wall_ms).unwrap_or(i64::MAX);
        Ticket {
            issuer: self.issuer,
            user,
            session: SessionId(array(&mut node::OsEntropy)),
            session_generation: generation,
            holder,
            validity: Validity {
                from_ms: now_ms,
                until_ms: now_ms,
            },
            auth_time_ms: now_ms,
            // Nobody knows where it is.
            region_hint: RegionNumber(0),
            account,
        }
    }

    async fn begin_session(&self) -> Result<(UserId, SessionGeneration), TurnedAway> {
        let begun = async {
            let user = self.next_guest().await?;
            Ok((user, self.raise_session(user).await?))
        };
        match tokio::time::timeout(STORE_PATIENCE, begun).await {
            Ok(begun) => begun,
            Err(_) => Err(store_failed(None)),
        }
    }

    pub(super) async fn next_guest(&self) -> Result<UserId, TurnedAway> {
        match self.store.ask(StoreRequest::NextGuest).await {
            Ok(StoreReply::Guest(user)) => Ok(user),
            other => Err(store_failed(other.err().as_ref())),
        }
    }

    pub(super) async fn raise_session(&self, user: UserId) -> Result<SessionGeneration, TurnedAway> {
        match self.store.ask(StoreRequest::RaiseSession { user }).await {
            Ok(StoreReply::Session(generation)) => Ok(generation),
            other => Err(store_failed(other.err().as_ref())),
        }
    }
}

/// What a player is told has no path in it and no address; the log has.
pub(super) fn store_failed(error: Option<&StoreError>) -> TurnedAway {
    tracing::warn!(?error, "a login failed: the store does not answer, or cannot");
    let reason = match error {
        Some(StoreError::Full(_)) => "the store has no space left",
        Some(StoreError::Corrupt(_)) => "the store is damaged",
        _ => "the store does not answer",
    };
    TurnedAway {
        retry_ms: STORE_RETRY_MS,
        reason: reason.to_owned(),
        ..Code::Busy.into()
    }
}
