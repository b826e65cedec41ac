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

/// A wall-clock time (Unix milliseconds) as people write it, in UTC and to the second.
#[must_use]
pub fn utc(wall_ms: u64) -> String {
    let (days, second) = (wall_ms / 86_400_000, wall_ms / 1_000 % 86_400);
    // Years begin in March here, so that the leap day is the last one; 719,468 days lie between the first of March of the
    // year 0 and 1970.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (400 * era + year, month + 3),
        _ => (400 * era + year + 1, month - 9),
    };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_write_them() {
        for (wall_s, written) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_164_800, "2024-02-29 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(wall_s * 1_000), written);
        }
    }
}
