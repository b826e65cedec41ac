//! Who reports others, so that nobody does it all the time.

use std::collections::BTreeMap;

use protocol::ids::UserId;

/// Between two reports of one player, milliseconds: each is a write.
const PAUSE_MS: u64 = 2_000;

/// Who has just reported somebody, and may not again before this, milliseconds.
#[derive(Debug, Default)]
pub(super) struct Reporters(BTreeMap<UserId, u64>);

impl Reporters {
    pub(super) fn may(&mut self, user: UserId, now_ms: u64) -> bool {
        self.0.retain(|_, until_ms| *until_ms > now_ms);
        let is_first = !self.0.contains_key(&user);
        if is_first {
            self.0.insert(user, now_ms + PAUSE_MS);
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reporter_waits_a_moment_and_is_forgotten_then() {
        let mut reporters = Reporters::default();
        let (ann, bob) = (UserId(1), UserId(2));
        assert!(reporters.may(ann, 0) && reporters.may(bob, 1_000));
        assert!(!reporters.may(ann, PAUSE_MS - 1));
        assert!(reporters.may(ann, PAUSE_MS));
        assert!(reporters.may(bob, 2 * PAUSE_MS));
        assert_eq!(reporters.0.len(), 1);
    }
}
