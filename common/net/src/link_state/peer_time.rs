//! How old what a peer made is: by its own monotonic clock, which its heartbeats carry, against ours. No wall clock is
//! asked, so none that is wrong or jumps makes anything late.

/// Heartbeats that are remembered at least, and at most twice as many: longer than a link may stall, and shorter than two
/// clocks need to part.
const BEATS: u32 = 8;

/// The clock of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PeerTime {
    /// Our time at which a heartbeat came, less its own: the least of the newest ones, and of those before them. What was
    /// least is the one that waited least on its way.
    least_us: [Option<i128>; 2],
    beats: u32,
}

impl PeerTime {
    /// A heartbeat of this time came.
    pub(crate) fn handle_heartbeat(&mut self, sent_at_us: u64, now_us: u64) {
        if self.beats == BEATS {
            self.least_us = [None, self.least_us[0]];
            self.beats = 0;
        }
        self.beats += 1;
        let apart_us = i128::from(now_us) - i128::from(sent_at_us);
        let newest = &mut self.least_us[0];
        *newest = Some(newest.map_or(apart_us, |least_us| least_us.min(apart_us)));
    }

    /// How long ago, beyond the way of a heartbeat, it was this time at the peer, microseconds; 0 before the first one.
    pub(crate) fn age_us(&self, made_us: u64, now_us: u64) -> u64 {
        let least_us = self.least_us.iter().flatten().min().copied();
        let age_us = least_us.map(|least_us| i128::from(now_us) - i128::from(made_us) - least_us);
        age_us.map_or(0, |age_us| u64::try_from(age_us.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_told_by_the_heartbeat_that_waited_least_wherever_the_clocks_begin() {
        for [here_us, there_us] in [[0, 0], [0, u64::MAX / 2], [u64::MAX / 2, 0]] {
            let mut time = PeerTime::default();
            assert_eq!(time.age_us(there_us, here_us + 9_000_000), 0, "nobody knows yet");
            for (sent_us, way_us) in [(0, 700), (500_000, 1_500_000), (1_000_000, 300)] {
                time.handle_heartbeat(there_us + sent_us, here_us + sent_us + way_us);
            }
            assert_eq!(time.age_us(there_us + 2_000_000, here_us + 2_000_300), 0);
            assert_eq!(time.age_us(there_us + 2_000_000, here_us + 3_250_300), 1_250_000);
            assert_eq!(time.age_us(there_us + 9_000_000, here_us), 0, "not made yet");
        }
    }

    #[test]
    fn clocks_that_part_are_followed() {
        let mut time = PeerTime::default();
        // The peer's clock loses a hundredth.
        for beat in 0..1_000 {
            time.handle_heartbeat(beat * 495_000, beat * 500_000);
        }
        let age_us = time.age_us(1_000 * 495_000, 1_000 * 500_000);
        assert!(age_us <= u64::from(2 * BEATS) * 5_000, "{age_us}");
    }
}
