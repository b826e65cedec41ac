//! Connection ids of sessions that ended a moment ago. Datagrams that were under way then are expected; those for an id that
//! nobody ever had are not. Pure.

use super::map::FastMap;

/// Remembered at most in each half; beyond it datagrams of closed sessions look like anybody's.
const HALF_MAX: usize = 4_096;
/// How long an id is remembered at least, milliseconds; at most twice as long.
const REMEMBERED_MS: u64 = 10_000;

/// The ids, in a newer and an older half, so that forgetting costs nothing.
#[derive(Debug, Default)]
pub(super) struct ClosedPaths {
    newer: FastMap<[u8; 8], ()>,
    older: FastMap<[u8; 8], ()>,
    turned_ms: u64,
}

impl ClosedPaths {
    /// A session with this id has ended.
    pub(super) fn insert(&mut self, cid: [u8; 8]) {
        if self.newer.len() < HALF_MAX {
            self.newer.insert(cid, ());
        }
    }

    /// Whether one has, a moment ago.
    pub(super) fn has(&self, cid: &[u8; 8]) -> bool {
        self.newer.contains_key(cid) || self.older.contains_key(cid)
    }

    /// Forgets what is too old.
    pub(super) fn tick(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.turned_ms) >= REMEMBERED_MS {
            self.turned_ms = now_ms;
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_for_ten_seconds_and_forgotten_after_twenty() {
        let mut closed = ClosedPaths::default();
        closed.tick(100_000);
        closed.insert([7; 8]);
        for now_ms in (100_000..=110_000).step_by(1_000) {
            closed.tick(now_ms);
            assert!(closed.has(&[7; 8]) && !closed.has(&[8; 8]), "{now_ms}");
        }
        closed.tick(120_000);
        assert!(!closed.has(&[7; 8]));
    }

    #[test]
    fn however_many_sessions_end_only_so_many_ids_are_kept() {
        let mut closed = ClosedPaths::default();
        for id in 0..100_000_u64 {
            closed.insert(id.to_le_bytes());
        }
        assert_eq!(closed.newer.len(), HALF_MAX);
    }
}
