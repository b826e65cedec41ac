//! Signed tokens of somebody else: whoever shows one is the user of the account for which that issuer vouches. Who may sign, and by which
//! algorithm, is said by the file of keys alone, never by a token.

mod keys;
mod renewal;
mod token;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use store::Identity;

use keys::Keys;
pub(in crate::server) use keys::KeysError;
pub(super) use token::TokenError;

use crate::server::settings::JwtTable;

/// What a token has to say to count here.
#[derive(Debug)]
struct Wanted {
    issuer: String,
    audience: String,
    skew_s: f64,
    /// The claim that says what a new player is called; empty: none does.
    name_claim: String,
}

/// See the module.
#[derive(Debug)]
pub(in crate::server) struct Tokens {
    wanted: Wanted,
    file: PathBuf,
    keys: ArcSwap<Keys>,
}

/// Of whom a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vouched {
    pub(super) identity: Identity,
    /// What the issuer calls it, if it does.
    pub(super) name: Option<String>,
}

impl Tokens {
    /// As the settings say; `None`: no tokens are taken.
    ///
    /// # Errors
    /// The file of keys cannot be used.
    pub(in crate::server) fn open(settings: &JwtTable) -> Result<Option<Arc<Self>>, KeysError> {
        if settings.keys.as_os_str().is_empty() {
            return Ok(None);
        }
        let keys = Keys::read(&settings.keys)?;
        Ok(Some(Arc::new(Self {
            wanted: Wanted {
                issuer: settings.issuer.clone(),
                audience: settings.audience.clone(),
                skew_s: f64::from(settings.skew_s),
                name_claim: settings.name_claim.clone(),
            },
            file: settings.keys.clone(),
            keys: ArcSwap::from_pointee(keys),
        })))
    }

    /// Of whom it is, if it counts. Takes as long as a signature: not on a thread that others wait for.
    ///
    /// # Errors
    /// Why it does not count.
    pub(super) fn check(&self, token: &str, wall_ms: u64) -> Result<Vouched, TokenError> {
        token::check(token, &self.keys.load(), &self.wanted, wall_ms)
    }
}

#[cfg(test)]
mod tests;
