//! A token bucket of two integers: what one session may ask of us per second.

/// Tokens refill at `per_second` up to `burst`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    per_second: u32,
    burst: u32,
    /// Thousandths of a token.
    milli: u64,
    refilled_ms: u64,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u32, burst: u32, now_ms: u64) -> Self {
        Self {
            per_second,
            burst,
            milli: u64::from(burst) * 1000,
            refilled_ms: now_ms,
        }
    }

    /// Takes `tokens` if they are there.
    pub(crate) fn take(&mut self, tokens: u32, now_ms: u64) -> bool {
        self.refill(now_ms);
        let cost = u64::from(tokens) * 1000;
        let enough = self.milli >= cost;
        if enough {
            self.milli -= cost;
        }
        enough
    }

    /// Whole tokens there are.
    pub(crate) fn available(&mut self, now_ms: u64) -> u32 {
        self.refill(now_ms);
        (self.milli / 1000) as u32
    }

    /// Takes up to `tokens`: what is not there is owed to nobody.
    pub(crate) fn spend(&mut self, tokens: u32, now_ms: u64) {
        self.refill(now_ms);
        self.milli = self.milli.saturating_sub(u64::from(tokens) * 1000);
    }

    fn refill(&mut self, now_ms: u64) {
        let elapsed = now_ms.saturating_sub(self.refilled_ms);
        self.refilled_ms = self.refilled_ms.max(now_ms);
        let full = u64::from(self.burst) * 1000;
        self.milli = full.min(self.milli + elapsed.min(60_000) * u64::from(self.per_second));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let mut bucket = Bucket::new(60, 120, 0);
        assert_eq!((0..200).filter(|_| bucket.take(1, 0)).count(), 120);
        assert_eq!((0..200).filter(|_| bucket.take(1, 500)).count(), 30);
        assert_eq!(bucket.available(3_600_000), 120);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let mut bucket = Bucket::new(10, 1, 5_000);
        assert!(bucket.take(1, 5_000));
        assert!(!bucket.take(1, 4_000));
        assert!(!bucket.take(1, 5_050));
        assert!(bucket.take(1, 5_100));
    }
}
