//! How far a live peer's wall clock has wandered. It alarms and never cuts: one clock step must not kill every link at once.

/// A peer's wall clock as it was at the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerClock {
    /// What the peer's wall clock said, milliseconds since 1970.
    pub wall_ms: u64,
    /// When it said so, on our monotonic clock, milliseconds.
    pub at_ms: u64,
}

impl PeerClock {
    /// How far a frame's timestamp is ahead (+) of or behind (−) what it should be now, milliseconds, transit included.
    #[must_use]
    pub fn drift_ms(&self, timestamp_ms: u64, now_ms: u64) -> i64 {
        let elapsed_ms = now_ms.saturating_sub(self.at_ms);
        let expected_ms = self.wall_ms.saturating_add(elapsed_ms);
        let drift_ms = i128::from(timestamp_ms).saturating_sub(i128::from(expected_ms));
        i64::try_from(drift_ms).unwrap_or(if drift_ms < 0 { i64::MIN } else { i64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fr_12_drift_is_measured_against_monotonic_time_and_saturates() {
        let clock = PeerClock {
            wall_ms: 1_000_000,
            at_ms: 500,
        };
        assert_eq!(clock.drift_ms(1_001_000, 1_500), 0);
        assert_eq!(clock.drift_ms(1_001_250, 1_500), 250);
        assert_eq!(clock.drift_ms(1_000_000, 1_500), -1_000);
        assert_eq!(clock.drift_ms(u64::MAX, 0), i64::MAX);
    }
}
