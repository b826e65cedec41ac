//! The operating system's entropy behind the trait that pure code takes.

use protocol::Entropy;

/// Random bytes of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Going on with predictable keys would be worse than not going on.
            tracing::error!(%error, "the operating system gives no entropy");
            std::process::abort();
        }
    }
}
