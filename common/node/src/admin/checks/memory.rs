//! How much of the memory that this process may have it has: its control group's limit, or the machine's.

use crate::admin::Check;
use std::fs;

/// Reads what is resident and what may be.
pub(in crate::admin) fn memory_check() -> Check {
    judged(resident().unwrap_or(0), limit())
}

fn judged(resident: u64, limit: Option<u64>) -> Check {
    let Some(limit) = limit.filter(|limit| *limit > 0) else {
        return Check::well(mib(resident));
    };
    Check::filled(resident, limit, mib)
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Of this process.
fn resident() -> Option<u64> {
    kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// What a line of a file in `/proc` says in KiB, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

/// The lower of the control group's limit and the machine's memory.
fn limit() -> Option<u64> {
    let of_group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|groups| {
        let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let path = format!("/sys/fs/cgroup{}/memory.max", group.trim_end_matches('/'));
        // `max` where there is no limit.
        fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
    });
    let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    [of_group, kib(&machine, "MemTotal:")].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_nearly_all_memory_takes_nobody_new() {
        let gib = Some(1 << 30);
        assert_eq!(judged(582 << 20, gib), Check::well("582 MiB of 1024 MiB"));
        assert_eq!(judged(820 << 20, gib), Check::noted("820 MiB of 1024 MiB"));
        assert_eq!(judged(1_000 << 20, gib), Check::missing("1000 MiB of 1024 MiB"));
        assert_eq!(judged(5 << 20, None), Check::well("5 MiB"));
        assert!(
            resident().is_some_and(|bytes| bytes > 1 << 20),
            "{:?}",
            resident()
        );
        assert!(limit().is_some_and(|bytes| bytes > 1 << 26), "{:?}", limit());
    }
}
