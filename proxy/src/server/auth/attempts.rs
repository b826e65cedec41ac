//! How often a password may be tried for one name, whether or not there is an account of it. Pure.

use std::collections::BTreeMap;

use crate::edge::rate::Bucket;

/// Tries a second, once the burst is used up.
const PER_S: u32 = 1;
/// Names remembered at most: beyond them only the limits of networks and of the pool count.
const NAMES_MAX: usize = 16 * 1024;

/// Counts tries.
pub(in crate::server) struct Attempts {
    names: BTreeMap<String, (Bucket, u64)>,
    burst: u32,
    swept_ms: u64,
}

impl Attempts {
    pub(in crate::server) fn new(burst: u32) -> Self {
        Self {
            names: BTreeMap::new(),
            burst,
            swept_ms: 0,
        }
    }

    /// Whether one more may be made for this name.
    pub(super) fn take(&mut self, fold: &str, now_ms: u64) -> bool {
        // Whoever was silent for so long has its whole burst again.
        let forget_ms = u64::from(self.burst) * 1_000;
        if now_ms.saturating_sub(self.swept_ms) >= forget_ms {
            self.swept_ms = now_ms;
            self.names
                .retain(|_, (_, used_ms)| now_ms.saturating_sub(*used_ms) < forget_ms);
        }
        if let Some((bucket, used_ms)) = self.names.get_mut(fold) {
            *used_ms = now_ms;
            return bucket.take(1, now_ms);
        }
        if self.names.len() < NAMES_MAX {
            let mut bucket = Bucket::new(PER_S, self.burst, now_ms);
            bucket.take(1, now_ms);
            self.names.insert(fold.to_owned(), (bucket, now_ms));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_burst_and_then_one_a_second_and_others_are_not_held_up() {
        let mut attempts = Attempts::new(5);
        let taken =
            |attempts: &mut Attempts, name, now_ms| (0..20).filter(|_| attempts.take(name, now_ms)).count();
        assert_eq!(taken(&mut attempts, "ada", 0), 5);
        assert_eq!(taken(&mut attempts, "bob", 0), 5);
        assert_eq!(taken(&mut attempts, "ada", 1_000), 1);
        assert_eq!(taken(&mut attempts, "ada", 60_000), 5);
        assert_eq!(attempts.names.len(), 1, "who was silent is forgotten");
        for name in 0..NAMES_MAX {
            attempts.take(&name.to_string(), 60_000);
        }
        assert_eq!(attempts.names.len(), NAMES_MAX);
    }
}
