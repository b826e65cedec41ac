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

/// Processor time used so far, seconds.
pub(crate) fn cpu_s() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return 0.0;
    };
    let (user, system) = (usage.user_time(), usage.system_time());
    let seconds = user.tv_sec() + system.tv_sec();
    seconds as f64 + (user.tv_usec() + system.tv_usec()) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_as_high_as_allowed_and_time_is_counted() {
        raise_file_limit();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
        let before = cpu_s();
        let mut sum = 0_u64;
        while cpu_s() <= before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
