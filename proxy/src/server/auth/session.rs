//! How long a login brings its player back into the world: for as long as tickets of it may be shown, and no longer than until a
//! logout.

use std::time::Duration;

use protocol::ids::{SessionGeneration, UserId};
use protocol::ticket::Ticket;
use store::{StoreReply, StoreRequest};
use tokio::time::{sleep, timeout};

use super::AuthRole;

/// How long the renewal of a ticket waits for the store, which may be away: nobody loses a session by that.
const EXTEND_PATIENCE: Duration = Duration::from_secs(3);
/// How often a store is told of a logout that does not answer; then the session ends by its time.
const END_TRIES: usize = 5;
const END_PAUSE: Duration = Duration::from_secs(2);

impl AuthRole {
    /// Whether the login of a ticket may have another one, which the store hears of. A store that does not answer ends nobody's.
    pub(in super::super) async fn extend_session(&self, claims: &Ticket) -> bool {
        let extend = self.store.ask(StoreRequest::ExtendSession {
            user: claims.user,
            generation: claims.session_generation,
        });
        !matches!(
            timeout(EXTEND_PATIENCE, extend).await,
            Ok(Ok(StoreReply::SessionOver))
        )
    }

    /// A logout: no ticket of this login brings its player back.
    pub(in super::super) async fn end_session(&self, user: UserId, generation: SessionGeneration) {
        for _ in 0..END_TRIES {
            let end = StoreRequest::EndSession { user, generation };
            match self.store.ask(end).await {
                Ok(_) => return,
                Err(error) => tracing::debug!(%error, %user, "the store does not hear of a logout yet"),
            }
            sleep(END_PAUSE).await;
        }
    }
}
