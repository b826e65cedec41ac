//! Sessions of users, and what is asked for them at a login: numbers of guests, and how far the chain of commands has come.

use protocol::ids::{SessionGeneration, UserId};

use super::tables::Tables;
use crate::reply::{Chain, StoreReply};
use crate::request::StoreRequest;
use crate::{StoreError, StoreResult, rules};

impl Tables {
    pub(super) fn apply_to_sessions(&mut self, request: &StoreRequest) -> StoreResult {
        match request {
            StoreRequest::NextGuest => Ok(self.next_guest()),
            StoreRequest::RaiseSession { user } => Ok(StoreReply::Session(self.raise(*user))),
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
        SessionGeneration(session.generation)
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
