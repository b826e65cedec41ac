//! What processes have used so far, asked of the system: CPU from their clocks, wake-ups from their threads' counts.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Some processes, looked at together.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    pids: Vec<u32>,
}

/// What they used between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) seconds: f64,
    pub(crate) cpu_s: f64,
    /// Voluntary context switches: how often one of their threads went to sleep, and so had to be woken.
    pub(crate) wakeups: u64,
    /// Involuntary ones: how often somebody else was given a thread's core.
    pub(crate) preempted: u64,
}

impl std::ops::Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.max(other.seconds),
            cpu_s: self.cpu_s + other.cpu_s,
            wakeups: self.wakeups + other.wakeups,
            preempted: self.preempted + other.preempted,
        }
    }
}

/// What they had used at one moment.
pub(crate) struct Look {
    at: Instant,
    cpu_ns: u64,
    threads: BTreeMap<u32, Switches>,
}

/// Context switches of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Switches {
    voluntary: u64,
    involuntary: u64,
}

impl Processes {
    pub(crate) fn new(pids: Vec<u32>) -> Self {
        Self { pids }
    }

    pub(crate) fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// Takes a look now.
    pub(crate) fn look(&self) -> anyhow::Result<Look> {
        let mut look = Look {
            at: Instant::now(),
            cpu_ns: 0,
            threads: BTreeMap::new(),
        };
        for &pid in &self.pids {
            look.cpu_ns += cpu_ns(pid)?;
            look.threads.extend(threads(pid)?);
        }
        Ok(look)
    }

    /// What they have used since an earlier look. Switches of a thread that ended meanwhile are not known.
    pub(crate) fn since(&self, before: &Look) -> anyhow::Result<Usage> {
        let now = self.look()?;
        let mut usage = Usage {
            seconds: (now.at - before.at).as_secs_f64(),
            cpu_s: now.cpu_ns.saturating_sub(before.cpu_ns) as f64 / 1e9,
            ..Usage::default()
        };
        for (thread, switches) in &now.threads {
            let earlier = before.threads.get(thread).copied().unwrap_or_default();
            usage.wakeups += switches.voluntary.saturating_sub(earlier.voluntary);
            usage.preempted += switches.involuntary.saturating_sub(earlier.involuntary);
        }
        Ok(usage)
    }
}

/// CPU of all threads of a process, ended ones included.
fn cpu_ns(pid: u32) -> anyhow::Result<u64> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid as i32));
    let time = clock.and_then(clock_gettime);
    let time = time.with_context(|| format!("process {pid} has no CPU clock: it has ended"))?;
    Ok((time.tv_sec() as u64).saturating_mul(1_000_000_000) + time.tv_nsec() as u64)
}

fn threads(pid: u32) -> anyhow::Result<BTreeMap<u32, Switches>> {
    let folder = format!("/proc/{pid}/task");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
    let mut threads = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let thread = entry.file_name().to_string_lossy().parse();
        // A thread may end between being listed and being read.
        if let (Ok(thread), Ok(status)) = (thread, fs::read_to_string(entry.path().join("status"))) {
            let switches = switches(&status)
                .ok_or_else(|| anyhow!("{} counts no context switches", entry.path().display()))?;
            threads.insert(thread, switches);
        }
    }
    Ok(threads)
}

fn switches(status: &str) -> Option<Switches> {
    let count = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':')?.trim().parse().ok()
    };
    Some(Switches {
        voluntary: count("voluntary_ctxt_switches")?,
        involuntary: count("nonvoluntary_ctxt_switches")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_thread_that_sleeps_is_seen_to_wake_up_and_one_that_works_to_use_a_core() {
        let own = Processes::new(vec![std::process::id()]);
        let before = own.look().unwrap();
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let slept = own.since(&before).unwrap();
        assert!(slept.wakeups >= 50, "{slept:?}");
        let before = own.look().unwrap();
        let mut sum = 0_u64;
        while before.at.elapsed() < Duration::from_millis(100) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let worked = own.since(&before).unwrap();
        assert!(worked.seconds >= 0.1 && worked.cpu_s >= 0.01, "{worked:?}");
    }

    #[test]
    fn the_two_counts_of_switches_are_not_mixed_up() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        let counted = switches(status).unwrap();
        assert_eq!((counted.voluntary, counted.involuntary), (150, 545));
        assert_eq!(switches("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        // Process ids end below this.
        assert!(Processes::new(vec![1 << 23]).look().is_err());
    }
}
