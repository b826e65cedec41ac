//! When a bot is to order something: evenly, from when it should have been, not from when it was.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Who has nothing to order yet is asked again so soon, microseconds.
const ASK_AGAIN_US: u64 = 200_000;

/// One bot's.
#[derive(Clone, Debug)]
pub(crate) struct Cadence {
    every_us: u64,
    next_us: u64,
}

impl Cadence {
    /// Something every `every_us`, beginning within that time; never if it is 0.
    pub(crate) fn new(every_us: u64, now_us: u64, rng: &mut StdRng) -> Self {
        let first = if every_us == 0 {
            0
        } else {
            rng.random_range(0..every_us)
        };
        Self {
            every_us,
            next_us: now_us + first,
        }
    }

    pub(crate) fn is_due(&self, now_us: u64) -> bool {
        self.every_us > 0 && now_us >= self.next_us
    }

    /// Something was ordered.
    pub(crate) fn ordered(&mut self, now_us: u64) {
        let behind = now_us.saturating_sub(self.next_us) >= self.every_us;
        self.next_us = if behind { now_us } else { self.next_us } + self.every_us;
    }

    /// There was nothing to order.
    pub(crate) fn ask_again(&mut self, now_us: u64) {
        self.next_us = now_us + ASK_AGAIN_US;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    const SECOND_US: u64 = 1_000_000;

    #[test]
    fn orders_keep_their_distance_and_are_not_made_up_for() {
        let mut cadence = Cadence::new(5 * SECOND_US, 0, &mut StdRng::seed_from_u64(1));
        assert!(cadence.is_due(5 * SECOND_US));
        cadence.next_us = 0;
        cadence.ordered(SECOND_US);
        assert!(!cadence.is_due(4 * SECOND_US) && cadence.is_due(5 * SECOND_US));
        cadence.ordered(60 * SECOND_US);
        assert!(!cadence.is_due(64 * SECOND_US) && cadence.is_due(65 * SECOND_US));
        cadence.ask_again(65 * SECOND_US);
        assert!(!cadence.is_due(65 * SECOND_US) && cadence.is_due(65 * SECOND_US + ASK_AGAIN_US));
    }

    #[test]
    fn who_is_to_order_nothing_is_never_due() {
        assert!(!Cadence::new(0, 0, &mut StdRng::seed_from_u64(1)).is_due(u64::MAX));
    }
}
