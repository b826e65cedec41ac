//! The clocks of this process: everything else takes time as an argument.

use std::sync::LazyLock;

pub use net::clock::{Monotonic, wall_ms};

static PROCESS: LazyLock<Monotonic> = LazyLock::new(Monotonic::default);

/// The one monotonic clock of this process, for all of its tasks and threads.
#[must_use]
pub fn process() -> Monotonic {
    *PROCESS
}

/// Milliseconds since the process first asked for the time.
#[must_use]
pub fn now_ms() -> u64 {
    PROCESS.now_ms()
}

/// Microseconds since the process first asked for the time; never 0.
#[must_use]
pub fn now_us() -> u64 {
    PROCESS.now_us()
}
