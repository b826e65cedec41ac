//! From when until when something signed counts, and how far the reader's clock may be off.

use crate::limits::HANDSHAKE_CLOCK_SKEW_MS_MAX;

/// Half-open: valid from `from_ms`, no more at `until_ms`. Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First millisecond that counts.
    pub from_ms: i64,
    /// First millisecond that counts no more.
    pub until_ms: i64,
}

/// Where a reader's clock is outside a validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsideValidity {
    /// Signed for a time to come; perhaps the reader's clock is slow.
    #[error("not valid yet")]
    NotYet,
    /// Its time is over.
    #[error("expired")]
    Expired,
}

/// A reader's wall clock, with what it forgives at either end of a validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    now_ms: i64,
    early_leeway_ms: i64,
    late_leeway_ms: i64,
}

impl Clock {
    /// A node's clock, Unix milliseconds: forgives 120 s before the beginning (the issuer's clock may be fast), nothing after the end.
    #[must_use]
    pub fn of_node(now_ms: u64) -> Self {
        Self {
            now_ms: saturating(now_ms),
            early_leeway_ms: saturating(HANDSHAKE_CLOCK_SKEW_MS_MAX),
            late_leeway_ms: 0,
        }
    }

    /// A clock nobody administers, Unix milliseconds: forgives `leeway_ms` at both ends.
    #[must_use]
    pub fn with_leeway(now_ms: u64, leeway_ms: u64) -> Self {
        let leeway_ms = saturating(leeway_ms);
        Self {
            now_ms: saturating(now_ms),
            early_leeway_ms: leeway_ms,
            late_leeway_ms: leeway_ms,
        }
    }
}

impl Validity {
    /// Whether the clock is inside.
    ///
    /// # Errors
    /// `OutsideValidity` when it is not; `Expired` also when the validity is empty.
    pub fn check(&self, clock: Clock) -> Result<(), OutsideValidity> {
        if self.from_ms >= self.until_ms || clock.now_ms >= self.until_ms.saturating_add(clock.late_leeway_ms)
        {
            return Err(OutsideValidity::Expired);
        }
        if clock.now_ms < self.from_ms.saturating_sub(clock.early_leeway_ms) {
            return Err(OutsideValidity::NotYet);
        }
        Ok(())
    }
}

fn saturating(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_exact_and_the_leeway_is_added_outside() {
        let validity = Validity {
            from_ms: 1_000_000,
            until_ms: 2_000_000,
        };
        assert_eq!(validity.check(Clock::of_node(880_000)), Ok(()));
        assert_eq!(
            validity.check(Clock::of_node(879_999)),
            Err(OutsideValidity::NotYet)
        );
        assert_eq!(validity.check(Clock::of_node(1_999_999)), Ok(()));
        assert_eq!(
            validity.check(Clock::of_node(2_000_000)),
            Err(OutsideValidity::Expired)
        );
        assert_eq!(validity.check(Clock::with_leeway(2_000_009, 10)), Ok(()));
        assert_eq!(
            validity.check(Clock::with_leeway(2_000_010, 10)),
            Err(OutsideValidity::Expired)
        );
        assert_eq!(validity.check(Clock::with_leeway(999_990, 10)), Ok(()));
        assert_eq!(
            validity.check(Clock::with_leeway(999_989, 10)),
            Err(OutsideValidity::NotYet)
        );
    }

    #[test]
    fn extremes_do_not_overflow_and_an_empty_validity_never_counts() {
        let always = Validity {
            from_ms: i64::MIN,
            until_ms: i64::MAX,
        };
        assert_eq!(always.check(Clock::with_leeway(0, u64::MAX)), Ok(()));
        assert_eq!(
            always.check(Clock::of_node(u64::MAX)),
            Err(OutsideValidity::Expired)
        );
        let empty = Validity {
            from_ms: 5,
            until_ms: 5,
        };
        assert_eq!(
            empty.check(Clock::with_leeway(5, 100)),
            Err(OutsideValidity::Expired)
        );
    }
}
