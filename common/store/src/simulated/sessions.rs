//! Sessions of users, and what is asked for them at a login: numbers of guests, and how far the chain of commands has come.

use protocol::ids::{SessionGeneration, UserId};

use super::tables::{Session, Tables};
use crate::limits::SESSION_MS;
use crate::reply::{Chain, StoreReply};
use crate::request::StoreRequest;
use crate::{StoreError, StoreResult, rules};

impl Tables {
    pub(super) fn apply_to_sessions(&mut self, request: &StoreRequest) -> StoreResult {
        match request {
            StoreRequest::NextGuest => Ok(self.next_guest()),
            StoreRequest::RaiseSession { user } => Ok(StoreReply::Session(self.raise(*user))),
            StoreRequest::ExtendSession { user, generation } => Ok(self.extend_session(*user, *generation)),
            StoreRequest::EndSession { user, generation } => Ok(self.end_session(*user, *generation)),
            StoreRequest::ReadSession { user } => Ok(self.read_session(*user)),
            StoreRequest::ReadChains { users } => Ok(self.chains(users)),
            // `apply` knows the others.
            _ => Err(StoreError::Invalid("a request of another kind")),
        }
    }

    fn read_session(&self, user: UserId) -> StoreReply {
        let generation = self.sessions.get(&user).map_or(0, |session| session.generation);
        StoreReply::Session(SessionGeneration(generation))
    }

    fn next_guest(&mut self) -> StoreReply {
        let guest = UserId(self.next_guest);
        self.next_guest += 1;
        StoreReply::Guest(guest)
    }

    pub(super) fn raise(&mut self, user: UserId) -> SessionGeneration {
        let session = self.sessions.entry(user).or_default();
        session.generation = rules::session_after(session.generation, self.generation);
        session.raised_ms = self.now_ms;
        session.until_ms = Some(self.now_ms.saturating_add(SESSION_MS));
        SessionGeneration(session.generation)
    }

    /// The newest login of a user, for checks; `None` when it is over.
    #[must_use]
    pub fn session(&self, user: UserId) -> Option<SessionGeneration> {
        let session = self.sessions.get(&user)?;
        let lasts = session.until_ms.is_some_and(|until_ms| until_ms > self.now_ms);
        lasts.then_some(SessionGeneration(session.generation))
    }

    fn session_mut(&mut self, user: UserId, generation: SessionGeneration) -> Option<&mut Session> {
        let session = self.sessions.get_mut(&user);
        session.filter(|session| session.generation == generation.0)
    }

    fn extend_session(&mut self, user: UserId, generation: SessionGeneration) -> StoreReply {
        let until_ms = self.now_ms.saturating_add(SESSION_MS);
        let session = self.session_mut(user, generation);
        match session.and_then(|session| session.until_ms.as_mut()) {
            Some(ends_ms) => {
                *ends_ms = until_ms.max(*ends_ms);
                StoreReply::SessionExtended
            }
            None => StoreReply::SessionOver,
        }
    }

    fn end_session(&mut self, user: UserId, generation: SessionGeneration) -> StoreReply {
        if let Some(session) = self.session_mut(user, generation) {
            session.until_ms = None;
        }
        StoreReply::SessionOver
    }

    fn chains(&self, users: &[UserId]) -> StoreReply {
        let rows = users.iter().filter_map(|user| self.row(*user));
        let chains = rows.map(|row| Chain {
            user: row.user,
            last_command: row.body.last_command,
            chain_hash: row.body.chain_hash,
        });
        StoreReply::Chains(chains.collect())
    }
}
