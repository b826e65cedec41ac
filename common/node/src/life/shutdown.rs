//! The token that ends a process: drain first, force if that is not enough.

use tokio_util::sync::CancellationToken;

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    force: CancellationToken,
}

impl Shutdown {
    /// Not asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to finish what they have and to take nothing new.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Asks everybody to stop where they are.
    pub fn force(&self) {
        self.drain.cancel();
        self.force.cancel();
    }

    /// Whether a drain was asked for.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves when a drain is asked for.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Whether stopping at once was asked for.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.force.is_cancelled()
    }

    /// Resolves when stopping at once is asked for.
    pub async fn forced(&self) {
        self.force.cancelled().await;
    }

    /// The drain token itself, for what takes one.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.drain.clone()
    }
}
