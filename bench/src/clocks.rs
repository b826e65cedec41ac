//! CPU clocks of a thread and of the process: they count work, not waiting, so a busy machine disturbs them little.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of CPU that this thread has used, its share of kernel time included.
pub(crate) fn thread_cpu_ns() -> u64 {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// Nanoseconds of CPU that all threads of this process have used.
pub(crate) fn process_cpu_ns() -> u64 {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn read(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| {
        (time.tv_sec() as u64).saturating_mul(1_000_000_000) + time.tv_nsec() as u64
    })
}
