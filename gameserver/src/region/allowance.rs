//! How often something may happen: so many times at once, and once more each time that so much has passed.

/// What is left of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    left: u64,
    max: u64,
    every_ms: u64,
    /// Since when there are so many, milliseconds.
    since_ms: u64,
}

impl Allowance {
    pub(super) const fn new(max: u64, every_ms: u64) -> Self {
        Self {
            left: max,
            max,
            every_ms,
            since_ms: 0,
        }
    }

    /// Whether it may happen once more now.
    pub(super) fn take(&mut self, now_ms: u64) -> bool {
        let more = now_ms.saturating_sub(self.since_ms) / self.every_ms.max(1);
        self.left = self.left.saturating_add(more).min(self.max);
        self.since_ms += more * self.every_ms;
        let less = self.left.checked_sub(1);
        self.left = less.unwrap_or(0);
        less.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_at_once_and_then_so_much_in_time() {
        let mut allowance = Allowance::new(4, 100);
        assert_eq!((0..9).filter(|_| allowance.take(1_000_000)).count(), 4);
        assert_eq!((0..9).filter(|_| allowance.take(1_000_250)).count(), 2);
        assert_eq!(
            (0..9).filter(|_| allowance.take(1_000_300)).count(),
            1,
            "the rest of before counts"
        );
        assert_eq!((0..9).filter(|_| allowance.take(2_000_000)).count(), 4);
    }
}
