//! What the process itself uses: processor time, memory, open files. From `getrusage` and `/proc`; zero where there is none.

use super::{Kind, Metric};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// HELP of the process metrics.
pub const PROCESS_METRICS: &[Metric] = &[
    Metric {
        name: "regionmesh_log_lines_dropped_total",
        kind: Kind::Counter,
        help: "Log lines that were dropped since nobody read the log.",
    },
    Metric {
        name: "regionmesh_guest_panics_total",
        kind: Kind::Counter,
        help: "Tasks of one connection that panicked and ended with it, by kind.",
    },
    Metric {
        name: "regionmesh_accept_errors_total",
        kind: Kind::Counter,
        help: "Connections that could not be accepted, by listener.",
    },
    Metric {
        name: "process_cpu_seconds_total",
        kind: Kind::Gauge,
        help: "User and system processor time used, seconds.",
    },
    Metric {
        name: "process_resident_memory_bytes",
        kind: Kind::Gauge,
        help: "Resident memory, bytes.",
    },
    Metric {
        name: "process_open_fds",
        kind: Kind::Gauge,
        help: "Open file descriptors.",
    },
    Metric {
        name: "process_threads",
        kind: Kind::Gauge,
        help: "Threads.",
    },
    Metric {
        name: "process_uptime_seconds",
        kind: Kind::Gauge,
        help: "Time since the process started, seconds.",
    },
];

/// A reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUsage {
    /// User and system time, seconds.
    pub cpu_s: f64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Threads.
    pub threads: u64,
}

/// Reads what this process uses now.
#[must_use]
pub fn usage() -> ProcessUsage {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cpu_us = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    });
    ProcessUsage {
        cpu_s: cpu_us as f64 / 1e6,
        rss_bytes: field(&status, "VmRSS:") * 1024,
        // The listing itself holds one descriptor open.
        open_fds: std::fs::read_dir("/proc/self/fd").map_or(0, |fds| (fds.count() as u64).saturating_sub(1)),
        threads: field(&status, "Threads:"),
    }
}

/// The first number behind `name` in `/proc/self/status`.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// Writes a reading into the metrics.
pub(crate) fn record() {
    let usage = usage();
    metrics::gauge!("process_cpu_seconds_total").set(usage.cpu_s);
    metrics::gauge!("process_resident_memory_bytes").set(usage.rss_bytes as f64);
    metrics::gauge!("process_open_fds").set(usage.open_fds as f64);
    metrics::gauge!("process_threads").set(usage.threads as f64);
    metrics::gauge!("process_uptime_seconds").set(crate::clock::now_ms() as f64 / 1e3);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let before = usage();
        let held = vec![1_u8; 64 << 20];
        let file = std::fs::File::open("/proc/self/status").unwrap();
        let after = usage();
        assert!(
            after.rss_bytes > before.rss_bytes + (32 << 20),
            "{before:?} {after:?}"
        );
        assert!(
            after.open_fds > 0 && after.threads > 0 && after.cpu_s > 0.0,
            "{after:?}"
        );
        assert_eq!(held.iter().map(|b| u64::from(*b)).sum::<u64>(), 64 << 20);
        drop(file);
    }
}
