//! A certificate is renewed by writing its files anew: they are looked at once a second, and a pair that is no good leaves
//! the one before in use.

use std::sync::Arc;
use std::time::Duration;

use net::clock::wall_ms;
use node::admin::{Check, Readiness, span};
use tokio_util::sync::CancellationToken;

use super::Tls;
use super::pair::{Pair, PairError};
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
    /// Of the pair in use.
    digest: [u8; 32],
    /// Of the files as they were.
    seen: Option<[u8; 32]>,
    /// What was not taken up; empty when nothing was wrong.
    why_not: String,
    is_told: bool,
}

/// What one look found: the digest in use then, that of the files, and what is in the way of what they hold; `None` while that
/// is still being written.
struct Look {
    digest: [u8; 32],
    seen: Option<[u8; 32]>,
    taken: Option<Result<(), NotTaken>>,
}

impl Tls {
    /// Looks until `stop`, on threads that may wait for the disk.
    pub(in crate::server) async fn keep_fresh(
        self: Arc<Self>,
        readiness: Readiness,
        stop: CancellationToken,
    ) {
        let mut found = Found {
            digest: self.digest,
            ..Found::default()
        };
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let (this, in_use, before) = (Arc::clone(&self), found.digest, found.seen);
            let looking = tokio::task::spawn_blocking(move || this.look(in_use, before));
            if let Some(Ok(look)) = stop.run_until_cancelled(looking).await {
                found = self.tell(look, &found, &readiness);
            }
        }
    }

    /// Takes up what is new, once two looks in a row have seen the same: files are written piece by piece.
    fn look(&self, in_use: [u8; 32], before: Option<[u8; 32]>) -> Look {
        let look = |digest, seen, taken| Look { digest, seen, taken };
        let bytes = match self.files.read() {
            Ok(bytes) => bytes,
            Err(error) => return look(in_use, None, Some(Err(error.into()))),
        };
        let digest = bytes.digest();
        if digest == in_use {
            return look(in_use, Some(digest), Some(Ok(())));
        }
        if before != Some(digest) {
            return look(in_use, Some(digest), None);
        }
        match self.files.parse(&bytes).map_err(NotTaken::from).and_then(timely) {
            Ok(pair) => {
                self.pair.store(Arc::new(pair));
                look(digest, Some(digest), Some(Ok(())))
            }
            Err(error) => look(in_use, Some(digest), Some(Err(error))),
        }
    }

    /// Files are written one after the other: only what is still wrong at the next look is told.
    fn tell(&self, look: Look, before: &Found, readiness: &Readiness) -> Found {
        let mut found = Found {
            digest: look.digest,
            seen: look.seen,
            ..Found::default()
        };
        match look.taken {
            None => {
                found.why_not.clone_from(&before.why_not);
                found.is_told = before.is_told;
            }
            Some(Ok(())) => {
                if found.digest != before.digest {
                    tracing::info!("a new certificate is in use at the http address: {}", self.left());
                }
                if before.is_told {
                    readiness.clear(CHECK);
                }
            }
            Some(Err(why_not)) => {
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

/// One that is good now.
fn timely(pair: Pair) -> Result<Pair, NotTaken> {
    let now_ms = unix_ms(wall_ms());
    let (past_ms, wait_ms) = (now_ms - pair.validity.until_ms, pair.validity.from_ms - now_ms);
    if past_ms >= 0 {
        return Err(NotTaken::Expired(past_ms));
    }
    if wait_ms > 0 {
        return Err(NotTaken::Early(wait_ms));
    }
    Ok(pair)
}
