//! The rounds in which soft saves are written: who is marked when a round begins is written in portions, each when the
//! store says that nothing urgent waits; marks set meanwhile are the next round's.

/// The round under way, or the time of the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SoftRound {
    since_ms: Option<u64>,
    next_ms: u64,
    /// The store has failed: not before this, also in a drain.
    again_ms: u64,
}

impl SoftRound {
    /// Whether the next one may begin. In a drain they follow each other without pause.
    pub(super) fn is_time(&self, now_ms: u64, is_draining: bool) -> bool {
        self.again_ms <= now_ms && (is_draining || self.next_ms <= now_ms)
    }

    /// A portion was not written.
    pub(super) fn fail(&mut self, again_ms: u64) {
        self.again_ms = again_ms;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_its_time_and_the_next_one_a_time_after_it() {
        let mut round = SoftRound::default();
        assert!(round.is_time(0, false) && round.since_ms().is_none());
        round.begin(500);
        assert_eq!(
            round.since_ms(),
            Some(500),
            "marks set later are the next round's"
        );
        round.end(1_500);
        assert!(round.since_ms().is_none() && !round.is_time(1_499, false) && round.is_time(1_500, false));
    }
}
