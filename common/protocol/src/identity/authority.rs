//! The authority's public keys as nodes and clients hold them: current and, while keys are being rotated, the next one.

use super::key::{AuthorityPublic, BadSignature};

/// One or two authority keys; a signature by either counts, so that a rotation has an overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityKeys {
    /// The key in use.
    pub current: AuthorityPublic,
    /// The key to come, already trusted.
    pub next: Option<AuthorityPublic>,
}

impl AuthorityKeys {
    /// Trusts a single key.
    #[must_use]
    pub fn new(current: AuthorityPublic) -> Self {
        Self { current, next: None }
    }

    /// Trusts the next key as well.
    #[must_use]
    pub fn with_next(self, next: AuthorityPublic) -> Self {
        Self {
            next: Some(next),
            ..self
        }
    }

    /// The trusted keys, current first.
    pub fn iter(&self) -> impl Iterator<Item = AuthorityPublic> {
        std::iter::once(self.current).chain(self.next)
    }

    /// Strict verification under either key.
    ///
    /// # Errors
    /// `BadSignature` when neither key signed `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        if self.iter().any(|key| key.verify(message, signature).is_ok()) {
            Ok(())
        } else {
            Err(BadSignature)
        }
    }
}
