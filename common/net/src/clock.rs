//! The two clocks of a process, read in one place so that everything else can take time as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Counts from its own start; never jumps.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic(Instant);

impl Default for Monotonic {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Monotonic {
    /// Microseconds since this clock was made; never 0, which on the wire means "none".
    #[must_use]
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// Milliseconds since this clock was made.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_us() / 1000
    }

    /// The instant at `us` microseconds of this clock.
    #[must_use]
    pub fn at_us(&self, us: u64) -> Instant {
        self.0 + std::time::Duration::from_micros(us)
    }
}

/// Milliseconds since 1970 by this host's wall clock, which may jump.
#[must_use]
pub fn wall_ms() -> u64 {
    wall_us() / 1000
}

/// Microseconds since 1970 by this host's wall clock, which may jump.
#[must_use]
pub fn wall_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
