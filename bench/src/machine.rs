//! What the figures were measured on, and how much of it others used meanwhile.

use std::process::Command;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::Serialize;

use crate::clocks::process_cpu_ns;

/// The machine, as a reader of the figures needs it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu_info.lines().find(|line| line.starts_with("model name"));
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: model
                .and_then(|line| line.split_once(':'))
                .map_or_else(String::new, |(_, name)| name.trim().to_owned()),
            cores: cores() as usize,
            kernel: kernel.trim().to_owned(),
        }
    }
}

/// How many cores this process may use.
pub(crate) fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1, usize::from) as f64
}

/// The commit that is checked out, marked when there are changes on top of it; empty outside a repository.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return String::new();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit}+changes"),
    }
}

/// How much of the machine processes other than this one and its children use, from its making on.
pub(crate) struct Others {
    since: Instant,
    busy_ticks: u64,
    own_ns: u64,
}

impl Others {
    pub(crate) fn watch() -> Self {
        Self {
            since: Instant::now(),
            busy_ticks: busy_ticks(),
            own_ns: own_ns(),
        }
    }

    /// Their share of all cores, 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        // /proc/stat counts in USER_HZ, which is 100 on every Linux.
        let busy_s = busy_ticks().saturating_sub(self.busy_ticks) as f64 / 100.0;
        let own_s = own_ns().saturating_sub(self.own_ns) as f64 / 1e9;
        let all_s = (self.since.elapsed().as_secs_f64() * cores()).max(0.01);
        ((busy_s - own_s) / all_s).clamp(0.0, 1.0)
    }
}

/// CPU of this process and of its children that have ended, theirs included.
fn own_ns() -> u64 {
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| {
        let (user, system) = (usage.user_time(), usage.system_time());
        user.num_microseconds() + system.num_microseconds()
    });
    process_cpu_ns() + children as u64 * 1000
}

/// User, nice, system, irq, softirq and steal ticks of all cores.
fn busy_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let all: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|number| number.parse().ok())
        .collect();
    [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|&column| all.get(column))
        .sum()
}
