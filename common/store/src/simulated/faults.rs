//! What goes wrong in a simulated store, and when: by a script, by a window of time, or by a seed.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::ops::Range;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes effect and is answered only after this time, milliseconds.
    Slow(u64),
    /// It never takes effect, and the answer says so.
    Unavailable,
    /// It takes effect at once, and the answer is that nobody knows.
    UnknownApplied,
    /// It never takes effect, and the answer is that nobody knows.
    UnknownLost,
    /// The answer is that nobody knows; it takes effect this much later, milliseconds.
    UnknownLate(u64),
}

/// How often each fault happens on its own, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct FaultRates {
    /// [`Fault::Slow`], by up to 200 ms.
    pub slow: u16,
    /// [`Fault::Unavailable`].
    pub unavailable: u16,
    /// [`Fault::UnknownApplied`].
    pub unknown_applied: u16,
    /// [`Fault::UnknownLost`].
    pub unknown_lost: u16,
    /// [`Fault::UnknownLate`], by up to 1,000 ms.
    pub unknown_late: u16,
}

/// All faults to come.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    /// Faults by the request's number, counted from 0 in order of arrival. They come before all others.
    pub script: BTreeMap<u64, Fault>,
    /// Times at which the store cannot be reached, milliseconds.
    pub away: Vec<Range<u64>>,
    /// Faults by chance.
    pub rates: FaultRates,
    /// State of the chance; equal seeds give equal faults.
    pub seed: u64,
}

impl FaultPlan {
    /// What happens to request `number`, arriving now.
    pub(super) fn fault(&mut self, number: u64, now_ms: u64) -> Option<Fault> {
        if let Some(scripted) = self.script.remove(&number) {
            return Some(scripted);
        }
        if self.away.iter().any(|window| window.contains(&now_ms)) {
            return Some(Fault::Unavailable);
        }
        let dice = self.next_random();
        let mut left = (dice % 1000) as u16;
        let delay = dice >> 32;
        let rates = self.rates;
        let faults = [
            (rates.slow, Fault::Slow(delay % 200 + 1)),
            (rates.unavailable, Fault::Unavailable),
            (rates.unknown_applied, Fault::UnknownApplied),
            (rates.unknown_lost, Fault::UnknownLost),
            (rates.unknown_late, Fault::UnknownLate(delay % 1000 + 1)),
        ];
        for (rate, fault) in faults {
            if left < rate {
                return Some(fault);
            }
            left -= rate;
        }
        None
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): enough for choosing faults.
    fn next_random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}
