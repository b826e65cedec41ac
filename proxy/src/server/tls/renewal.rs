//! A certificate is renewed by writing its files anew: they are looked at once a second, and a pair that is no good leaves
//! the one before in use.

use std::sync::Arc;
use std::time::Duration;

use net::clock::wall_ms;
use node::admin::{Check, Readiness, span};
use tokio_util::sync::CancellationToken;

use super::Tls;
use super::pair::PairError;
use super::standing::unix_ms;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);
/// What stands in `/readyz` of a pair that is there and cannot be taken up.
const CHECK: &str = "new certificate";

/// Why a new pair is not taken up.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error(transparent)]
    Pair(#[from] PairError),
    #[error("the new certificate expired {} ago", span(*.0))]
    Expired(i64),
    #[error("the new certificate begins to be good in {}", span(*.0))]
    Early(i64),
}

/// What the last look found.
#[derive(Default)]
struct Found {
    digest: Option<[u8; 32]>,
    /// What was not taken up; empty when nothing was wrong.
    why_not: String,
    is_told: bool,
}

impl Tls {
    /// Looks until `stop`, on threads that may wait for the disk.
    pub(in crate::server) async fn keep_fresh(
        self: Arc<Self>,
        readiness: Readiness,
        stop: CancellationToken,
    ) {
        let mut found = Found {
            digest: Some(self.digest),
            ..Found::default()
        };
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let (this, before) = (Arc::clone(&self), found.digest);
            let Ok(looked) = tokio::task::spawn_blocking(move || this.look(before)).await else {
                continue;
            };
            found = self.tell(looked, &found, &readiness);
        }
    }

    /// Takes up what is new. The digest of what is in use then, and what is in its way.
    fn look(&self, in_use: Option<[u8; 32]>) -> (Option<[u8; 32]>, Result<(), NotTaken>) {
        let bytes = match self.files.read() {
            Ok(bytes) => bytes,
            Err(error) => return (in_use, Err(error.into())),
        };
        let digest = bytes.digest();
        if in_use == Some(digest) {
            return (in_use, Ok(()));
        }
        match self.files.parse(&bytes).map_err(NotTaken::from).and_then(|pair| {
            let now_ms = unix_ms(wall_ms());
            match (now_ms - pair.validity.until_ms, pair.validity.from_ms - now_ms) {
                (past_ms, _) if past_ms >= 0 => Err(NotTaken::Expired(past_ms)),
                (_, wait_ms) if wait_ms > 0 => Err(NotTaken::Early(wait_ms)),
                _ => Ok(pair),
            }
        }) {
            Ok(pair) => {
                self.pair.store(Arc::new(pair));
                (Some(digest), Ok(()))
            }
            Err(error) => (in_use, Err(error)),
        }
    }

    /// Files are written one after the other: only what is still wrong at the second look is told.
    fn tell(
        &self,
        (digest, looked): (Option<[u8; 32]>, Result<(), NotTaken>),
        before: &Found,
        readiness: &Readiness,
    ) -> Found {
        let mut found = Found {
            digest,
            ..Found::default()
        };
        match looked {
            Ok(()) => {
                if digest != before.digest {
                    tracing::info!("a new certificate is in use at the http address: {}", self.left());
                }
                if before.is_told {
                    readiness.clear(CHECK);
                }
            }
            Err(why_not) => {
                found.why_not = why_not.to_string();
                found.is_told = before.is_told || !before.why_not.is_empty();
                if found.is_told {
                    let figure = format!("{}; the one before stays in use", found.why_not);
                    readiness.set(CHECK, Check::noted(figure));
                }
            }
        }
        found
    }
}
