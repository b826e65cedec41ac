//! Where a shard's time goes, part by part. Reading the CPU clock costs a system call, so it is off while the figure
//! itself is taken.

use crate::clocks::thread_cpu_ns;

/// A part of the shard's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lap {
    /// `recvmmsg`.
    Receive,
    /// Session, open, input, acknowledgement.
    Input,
    /// Encoding what goes to game servers.
    Link,
    /// Own states of the players.
    Outputs,
    /// Cells into the views.
    Cells,
    /// Composing, sealing, copying into the arena.
    Compose,
    /// Moving the core's time.
    Time,
    /// `sendmmsg`.
    Send,
}

impl Lap {
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::Receive, "recvmmsg"),
        (Self::Input, "open and take inputs"),
        (Self::Link, "encode inputs for the server"),
        (Self::Outputs, "take own states"),
        (Self::Cells, "take cells into the views"),
        (Self::Compose, "compose and seal snapshots"),
        (Self::Time, "move time"),
        (Self::Send, "sendmmsg"),
    ];
}

/// Nanoseconds of CPU per part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Laps {
    on: bool,
    since_ns: u64,
    spent_ns: [u64; Lap::ALL.len()],
}

impl Laps {
    pub(super) fn switch_on(&mut self) {
        self.on = true;
    }

    pub(super) fn start(&mut self) {
        if self.on {
            self.since_ns = thread_cpu_ns();
        }
    }

    /// What was done since the last call belongs to this part.
    pub(super) fn end(&mut self, lap: Lap) {
        if self.on {
            let now_ns = thread_cpu_ns();
            self.spent_ns[lap as usize] += now_ns - self.since_ns;
            self.since_ns = now_ns;
        }
    }

    /// What was spent since the last call.
    pub(super) fn take(&mut self) -> Self {
        let taken = *self;
        self.spent_ns = Default::default();
        taken
    }

    pub(super) fn spent_ns(&self, lap: Lap) -> u64 {
        self.spent_ns[lap as usize]
    }
}

impl std::ops::AddAssign for Laps {
    fn add_assign(&mut self, other: Self) {
        for (spent, more) in self.spent_ns.iter_mut().zip(other.spent_ns) {
            *spent += more;
        }
    }
}
