//! What this process may use and has used, asked of the operating system.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};

/// Every bot has two sockets: the limit on open files is raised as far as the system lets it.
pub(crate) fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // A lower limit shows as failed logins, which say why.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// What this process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time, seconds.
    pub(crate) cpu_s: f64,
    /// Times that one of its threads had nothing to do and was woken again.
    pub(crate) wake_ups: u64,
}

impl Usage {
    /// So far.
    pub(crate) fn now() -> Self {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
            return Self::default();
        };
        let (user, system) = (usage.user_time(), usage.system_time());
        let seconds = user.tv_sec() + system.tv_sec();
        Self {
            cpu_s: seconds as f64 + (user.tv_usec() + system.tv_usec()) as f64 / 1e6,
            wake_ups: u64::try_from(usage.voluntary_context_switches()).unwrap_or(0),
        }
    }

    /// What came on top of `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            wake_ups: self.wake_ups.saturating_sub(before.wake_ups),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_as_high_as_allowed_and_time_is_counted() {
        raise_file_limit();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
        let before = Usage::now();
        let mut sum = 0_u64;
        while Usage::now().since(before).cpu_s <= 0.0 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(Usage::now().since(before).wake_ups >= 1);
    }
}
