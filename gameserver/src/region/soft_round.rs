//! The rounds in which soft saves are written: who is marked when a round begins is written in portions, each when the
//! store says that nothing urgent waits; marks set meanwhile are the next round's.

/// The round under way, or the time of the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SoftRound {
    since_ms: Option<u64>,
    next_ms: u64,
}

impl SoftRound {
    /// Whether the next one may begin.
    pub(super) fn is_time(&self, now_ms: u64) -> bool {
        self.next_ms <= now_ms
    }

    /// When the one under way began; its turn has been asked for.
    pub(super) fn since_ms(&self) -> Option<u64> {
        self.since_ms
    }

    pub(super) fn begin(&mut self, now_ms: u64) {
        self.since_ms = Some(now_ms);
    }

    /// All who were marked are captured; the next one begins then.
    pub(super) fn end(&mut self, next_ms: u64) {
        (self.since_ms, self.next_ms) = (None, next_ms);
    }
}
