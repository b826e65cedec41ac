//! Where random bytes come from: always an argument, so that a simulation is exact.

/// A source of random bytes. Processes pass the operating system's, a simulation passes a seeded one.
pub trait Entropy {
    /// Fills `bytes`. A source that cannot fill must abort the process rather than return less.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// A fixed array of random bytes.
pub fn array<const N: usize>(entropy: &mut dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// Counts upwards from a seed: for tests and golden vectors, never for keys that guard anything.
#[derive(Clone, Debug)]
pub struct CountingEntropy(pub u8);

impl Entropy for CountingEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
    }
}
