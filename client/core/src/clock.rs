//! The offset between this client's clock and the servers', from the echoes that ride on snapshots.

/// How long a good sample is preferred to newer, worse ones, milliseconds.
const SAMPLE_VALID_MS: u64 = 10_000;

#[derive(Clone, Copy, Debug)]
struct Sample {
    round_trip_ms: u64,
    offset_ms: i64,
    taken_at_ms: u64,
}

/// Keeps the sample with the shortest round trip of the last ten seconds: it was delayed least on its way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServerClock {
    best: Option<Sample>,
    last_round_trip_ms: Option<u64>,
}

impl ServerClock {
    /// Takes an echo: the round trip without what the proxy held it, and the server's wall clock in the same snapshot.
    pub(super) fn take(&mut self, round_trip_ms: u64, server_time_ms: u64, now_ms: u64) {
        self.last_round_trip_ms = Some(round_trip_ms);
        let there_now_ms = server_time_ms.saturating_add(round_trip_ms / 2);
        let offset_ms = (there_now_ms as i64).saturating_sub_unsigned(now_ms);
        let sample = Sample {
            round_trip_ms,
            offset_ms,
            taken_at_ms: now_ms,
        };
        let better = self.best.is_none_or(|best| {
            round_trip_ms <= best.round_trip_ms || now_ms.saturating_sub(best.taken_at_ms) > SAMPLE_VALID_MS
        });
        if better {
            self.best = Some(sample);
        }
    }

    /// Server wall clock less this client's monotonic clock, milliseconds.
    pub(super) fn offset_ms(&self) -> Option<i64> {
        self.best.map(|best| best.offset_ms)
    }

    /// The newest round trip to the proxy, milliseconds.
    pub(super) fn round_trip_ms(&self) -> Option<u64> {
        self.last_round_trip_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_delayed_sample_wins_until_it_is_old() {
        let mut clock = ServerClock::default();
        clock.take(40, 10_000, 1_000);
        assert_eq!(clock.offset_ms(), Some(9_020));
        clock.take(10, 10_100, 1_100);
        assert_eq!(clock.offset_ms(), Some(9_005));
        clock.take(90, 10_200, 1_200);
        assert_eq!(clock.offset_ms(), Some(9_005));
        clock.take(90, 22_000, 12_000);
        assert_eq!(clock.offset_ms(), Some(10_045));
        assert_eq!(clock.round_trip_ms(), Some(90));
    }
}
