//! What a player does not try again: an exchange rests on what others do, so when the store has refused one, memory knows no
//! better the next time.

use protocol::ids::SessionGeneration;

/// What rules do of themselves is not told from what they did before: for so long after a refused player is back, milliseconds,
/// they exchange nothing of its.
const WARY_MS: u64 = 1_000;

/// Which exchanges of one player are not tried. It goes with the player when that begins again from its row, however long
/// that takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::region) struct Wary {
    /// Commands of this session up to this number were in a commit that was refused.
    refused: Option<(SessionGeneration, u64)>,
    until_ms: u64,
}

impl Wary {
    /// After the refusal of a commit whose last command was this one.
    pub(in crate::region) fn of(session: SessionGeneration, last_command: u64) -> Self {
        Self {
            refused: Some((session, last_command)),
            until_ms: 0,
        }
    }

    /// The player is back.
    pub(in crate::region) fn begin(&mut self, now_ms: u64) {
        if self.refused.is_some() {
            self.until_ms = now_ms.saturating_add(WARY_MS);
        }
    }

    /// Whether an exchange is not to be tried: one of a command of this session, or of the rules.
    pub(in crate::region) fn bars(
        &self,
        session: SessionGeneration,
        command: Option<u64>,
        now_ms: u64,
    ) -> bool {
        match (command, self.refused) {
            (Some(number), Some((refused, last))) => session == refused && number <= last,
            (Some(_), None) => false,
            (None, _) => now_ms < self.until_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_the_refused_commit_are_barred_for_good_and_rules_for_a_moment() {
        let (old, new) = (SessionGeneration(3), SessionGeneration(4));
        let mut wary = Wary::default();
        wary.begin(500);
        assert!(!wary.bars(old, Some(1), 500) && !wary.bars(old, None, 500));
        let mut wary = Wary::of(old, 7);
        wary.begin(60_000);
        assert!(wary.bars(old, Some(7), u64::MAX) && !wary.bars(old, Some(8), 60_000));
        assert!(!wary.bars(new, Some(1), 60_000), "a new login counts from 1");
        assert!(wary.bars(old, None, 60_000 + WARY_MS - 1) && !wary.bars(old, None, 60_000 + WARY_MS));
    }
}
