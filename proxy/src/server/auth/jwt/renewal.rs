//! Keys are changed by writing their file anew: it is looked at once a second, and one that is no good leaves those of before in use.

use std::sync::Arc;
use std::time::Duration;

use node::admin::{Check, Readiness};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::Tokens;
use super::keys::{Keys, bytes_of};

/// Between two looks at the file.
const LOOK: Duration = Duration::from_secs(1);
/// What stands in `/readyz` of keys that are there and cannot be taken up.
const CHECK: &str = "token keys";

/// Files as looks have found them, by their digests.
#[derive(Clone, Default)]
struct Seen {
    in_use: [u8; 32],
    last: [u8; 32],
    /// What was wrong with the last one; empty when nothing was.
    why_not: String,
}

impl Tokens {
    /// Looks until `stop`, on threads that may wait for the disk.
    pub(in crate::server) async fn keep_fresh(
        self: Arc<Self>,
        readiness: Readiness,
        stop: CancellationToken,
    ) {
        let mut seen = Seen::default();
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let (this, before) = (Arc::clone(&self), seen.clone());
            let looking = tokio::task::spawn_blocking(move || this.look(before));
            let Some(Ok(found)) = stop.run_until_cancelled(looking).await else {
                continue;
            };
            match (found.why_not.as_str(), seen.why_not.as_str()) {
                ("", "") => {}
                ("", _) => readiness.clear(CHECK),
                (why_not, _) => {
                    let figure = format!("{why_not}; those of before stay in use");
                    readiness.set(CHECK, Check::noted(figure));
                }
            }
            seen = found;
        }
    }

    /// Takes up what is new, once two looks in a row have seen the same: files are written piece by piece.
    fn look(&self, mut seen: Seen) -> Seen {
        let bytes = match bytes_of(&self.file) {
            Ok(bytes) => bytes,
            Err(error) => {
                seen.why_not = error.to_string();
                return seen;
            }
        };
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let is_steady = std::mem::replace(&mut seen.last, digest) == digest;
        if digest == seen.in_use {
            seen.why_not.clear();
            return seen;
        }
        if !is_steady {
            return seen;
        }
        match Keys::parse(&self.file, &bytes) {
            Ok(keys) => {
                tracing::info!("tokens count by these keys from now on: {}", keys.described());
                self.keys.store(Arc::new(keys));
                seen.in_use = digest;
                seen.why_not.clear();
            }
            Err(error) => seen.why_not = error.to_string(),
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::settings::JwtTable;

    #[test]
    fn a_file_is_taken_up_at_the_second_look_and_a_bad_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let key = |kid: &str| {
            let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}]}}"#)
        };
        std::fs::write(&file, key("a")).unwrap();
        let settings = JwtTable {
            keys: file.clone(),
            issuer: "i".to_owned(),
            audience: "a".to_owned(),
            ..JwtTable::default()
        };
        let tokens = Tokens::open(&settings).unwrap().unwrap();
        let knows = |kid: &str| tokens.keys.load().named(Some(kid)).is_some();
        let mut seen = Seen::default();
        for content in [&key("b")[..20], ""] {
            std::fs::write(&file, content).unwrap();
            for _ in 0..2 {
                seen = tokens.look(seen);
            }
            assert!(
                knows("a") && seen.why_not.contains("keys.json"),
                "{}",
                seen.why_not
            );
        }
        std::fs::write(&file, key("b")).unwrap();
        seen = tokens.look(seen);
        assert!(knows("a"), "it may still be being written");
        seen = tokens.look(seen);
        assert!(knows("b") && !knows("a") && seen.why_not.is_empty());
        std::fs::remove_file(&file).unwrap();
        seen = tokens.look(seen);
        assert!(knows("b") && seen.why_not.contains("keys.json"));
    }
}
