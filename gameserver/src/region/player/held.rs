//! Numbers that wait for a commit: what the write under way covers, and what comes after it.

/// The first number of each that must not be told yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    writing: Option<u64>,
    next: Option<u64>,
}

impl Held {
    /// This number waits for the next commit.
    pub(super) fn hold(&mut self, number: u64) {
        self.next.get_or_insert(number);
    }

    /// A commit of everything so far is being captured.
    pub(super) fn begin(&mut self) {
        self.writing = self.next.take();
    }

    /// What was captured is durable.
    pub(super) fn release(&mut self) {
        self.writing = None;
    }

    /// Whether something waits that no commit under way covers.
    pub(super) fn awaits_commit(&self) -> bool {
        self.next.is_some()
    }

    /// The last number that need not wait.
    pub(super) fn limit(&self, last: u64) -> u64 {
        self.writing
            .or(self.next)
            .map_or(last, |first| first.saturating_sub(1))
    }
}
