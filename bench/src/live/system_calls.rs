//! System calls of processes, counted by `perf` at the kernel's own trace point: it adds some tens of nanoseconds to a
//! call, where `strace` stops the process at each and so changes what is counted.

use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use super::processes::Processes;

/// What is counted.
const EVENT: &str = "raw_syscalls:sys_enter";

/// A count under way.
pub(crate) struct Counter(Child);

impl Counter {
    /// Begins to count for so many seconds.
    pub(crate) fn start(processes: &Processes, seconds: u64) -> anyhow::Result<Self> {
        let pids: Vec<String> = processes.pids().iter().map(u32::to_string).collect();
        let child = Command::new("perf")
            .args(["stat", "-x", ",", "-e", EVENT, "-p", &pids.join(",")])
            .args(["--", "sleep", &seconds.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start `perf` (Debian: linux-perf)")?;
        Ok(Self(child))
    }

    /// Waits until it is over; the count, or why there is none.
    pub(crate) fn finish(self) -> anyhow::Result<u64> {
        let output = self.0.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        count(&said).with_context(|| format!("`perf` counted nothing: {}", said.trim()))
    }
}

/// The count in the lines of `perf stat -x ,`.
fn count(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains(EVENT))?;
    line.split(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_and_a_refusal_is_none() {
        assert_eq!(count("4711,,raw_syscalls:sys_enter,100,100.00,,\n"), Some(4711));
        assert_eq!(count("<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n"), None);
        assert_eq!(count("Error:\nNo permission to enable the event\n"), None);
    }
}
