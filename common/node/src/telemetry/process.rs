//! What the process itself uses, under the names that all of Prometheus' clients use, and which build it is.

use super::live::{LiveMetrics, Sheet};
use super::{Kind, Metric};
use metrics_process::collector;
use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::stat::Mode;
use nix::sys::time::TimeValLike as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// HELP of the metrics of each process.
pub const PROCESS_METRICS: &[Metric] = &[
    Metric {
        name: "regionmesh_log_lines_dropped_total",
        kind: Kind::Counter,
        help: "Log lines that were dropped since nobody read the log.",
    },
    Metric {
        name: "regionmesh_log_lines_suppressed_total",
        kind: Kind::Counter,
        help: "Log lines that were left out because too many of their kind had come.",
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
];

static BUILD: Metric = Metric {
    name: "regionmesh_build_info",
    kind: Kind::Gauge,
    help: "Always 1; its labels say which build this is, and what it runs as.",
};
static CPU: Metric = Metric {
    name: "process_cpu_seconds_total",
    kind: Kind::Counter,
    help: "Total user and system CPU time spent in seconds.",
};
static OPEN_FDS: Metric = Metric::gauge("process_open_fds", "Number of open file descriptors.");
static MAX_FDS: Metric = Metric::gauge("process_max_fds", "Maximum number of open file descriptors.");
static VIRTUAL: Metric = Metric::gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.");
static RESIDENT: Metric = Metric::gauge("process_resident_memory_bytes", "Resident memory size in bytes.");
static START: Metric = Metric::gauge(
    "process_start_time_seconds",
    "Start time of the process since unix epoch in seconds.",
);
static THREADS: Metric = Metric::gauge("process_threads", "Number of OS threads in the process.");

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
    let read = collector::collect();
    ProcessUsage {
        cpu_s: cpu_s(),
        rss_bytes: read.resident_memory_bytes.unwrap_or(0),
        open_fds: open_fds(),
        threads: read.threads.unwrap_or(0),
    }
}

/// User and system time of this process, seconds. Cheap, and takes no descriptor.
#[must_use]
pub fn cpu_s() -> f64 {
    let cpu_us = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    });
    cpu_us as f64 / 1e6
}

/// Has every scrape tell of this process.
pub(crate) fn tell(live: &LiveMetrics, role: &'static str) {
    // Opened while there are descriptors.
    drop(fd_listing());
    live.ask(move |sheet| {
        put_process(sheet);
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("role", role)];
        sheet.put(&BUILD, &labels, 1.0);
    });
}

/// What cannot be read now is left out rather than told wrong.
fn put_process(sheet: &mut Sheet) {
    let read = collector::collect();
    sheet.put(&CPU, &[], cpu_s());
    sheet.put(&OPEN_FDS, &[], open_fds() as f64);
    let others = [
        (&MAX_FDS, read.max_fds),
        (&VIRTUAL, read.virtual_memory_bytes),
        (&RESIDENT, read.resident_memory_bytes),
        (&START, read.start_time_seconds),
        (&THREADS, read.threads),
    ];
    for (metric, value) in others {
        if let Some(value) = value {
            sheet.put(metric, &[], value as f64);
        }
    }
}

/// Open descriptors, counted in a listing that stays open: one opened now would fail just when descriptors are out.
fn open_fds() -> u64 {
    let mut listing = fd_listing();
    let Some(listing) = listing.as_mut() else {
        return 0;
    };
    let entries = listing.iter().flatten();
    let numbered = entries.filter(|entry| entry.file_name().to_bytes().iter().all(u8::is_ascii_digit));
    numbered.count() as u64
}

fn fd_listing() -> MutexGuard<'static, Option<Dir>> {
    static LISTING: OnceLock<Mutex<Option<Dir>>> = OnceLock::new();
    let open = || {
        Dir::open(
            "/proc/self/fd",
            OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
    };
    let listing = LISTING.get_or_init(|| Mutex::new(open().ok()));
    listing.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let before = usage();
        let held = vec![1_u8; 64 << 20];
        let files: Vec<_> = (0..50)
            .map(|_| std::fs::File::open("/proc/self/status").unwrap())
            .collect();
        let after = usage();
        assert!(
            after.rss_bytes > before.rss_bytes + (32 << 20),
            "{before:?} {after:?}"
        );
        assert!(after.open_fds >= before.open_fds + 30, "{before:?} {after:?}");
        assert!(after.threads > 0 && after.cpu_s > 0.0, "{after:?}");
        assert_eq!(held.iter().map(|b| u64::from(*b)).sum::<u64>(), 64 << 20);
        drop(files);
    }

    #[test]
    fn every_scrape_tells_of_the_process_and_its_build() {
        let live = LiveMetrics::default();
        tell(&live, "proxy");
        let text = live.render();
        for line in [
            "# TYPE process_cpu_seconds_total counter",
            "# TYPE process_start_time_seconds gauge",
            "# TYPE process_max_fds gauge",
            "# TYPE process_open_fds gauge",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(text.contains("regionmesh_build_info{version=\""), "{text}");
        assert!(text.contains("role=\"proxy\"} 1\n"), "{text}");
    }
}
