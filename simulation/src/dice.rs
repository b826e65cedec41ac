//! All chance of a run comes from here: equal seeds give equal throws, in whatever order the parts of the run ask.

use protocol::Entropy;

/// SplitMix64 (Steele, Lea, Flood 2014): chance for schedules, never for keys that guard anything.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x6a09_e667_f3bc_c908)
    }

    /// Dice of their own, so that what one part throws does not shift the others.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.throw())
    }

    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Below `end`; 0 for an empty range.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.throw().checked_rem(end).unwrap_or(0)
    }

    /// From `start` to `end`, both included.
    pub(crate) fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.below(end.saturating_sub(start) + 1)
    }

    pub(crate) fn permille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// In `[start, end)`.
    pub(crate) fn unit(&mut self, start: f32, end: f32) -> f32 {
        start + (self.below(1 << 20) as f32 / (1 << 20) as f32) * (end - start)
    }
}

impl Entropy for Dice {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let throw = self.throw().to_le_bytes();
            chunk.copy_from_slice(&throw[..chunk.len()]);
        }
    }
}
