//! Which call into the rules a region is at, so that somebody else can see one that does not come back. Written by whoever
//! calls, at a few nanoseconds a call; read from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use protocol::ids::{SessionGeneration, UserId};

macro_rules! callbacks {
    ($($name:ident = $label:literal,)*) => {
        /// What rules are called for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Callback {
            $($name,)*
        }

        /// Their names, as games have them, in the same order.
        const LABELS: &[&str] = &[$($label,)*];
    };
}

callbacks! {
    Rules = "Game::rules",
    Reloaded = "Game::reloaded",
    SpawnPoint = "spawn_point",
    FirstHoldings = "first_holdings",
    Served = "served",
    Recalled = "recalled",
    LiesHere = "lies_here",
    Entered = "entered",
    Renamed = "renamed",
    Left = "left",
    Input = "input",
    Command = "command",
    Effect = "effect",
    Told = "told",
    Received = "received",
    Lost = "lost",
    Undone = "undone",
    Came = "came",
    Went = "went",
    CreatureTimer = "creature_timer",
    Answered = "answered",
    Timer = "timer",
    PlayerTimer = "player_timer",
    TeleportFailed = "teleport_failed",
    Reported = "reported",
    Tick = "tick",
    OwnState = "own_state",
    Operator = "operator",
    KeepsHistory = "keeps_history",
    FollowsWorldState = "follows_world_state",
    RunsAlways = "runs_always",
}

/// A command that rules are at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commanded {
    /// Whose.
    pub user: UserId,
    /// In which session.
    pub session: SessionGeneration,
    /// Its number there.
    pub number: u64,
}

/// A call that has not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The how manieth of the region.
    pub count: u64,
    /// The name of the method.
    pub callback: &'static str,
    /// The command, when that is what they are called for.
    pub command: Option<Commanded>,
}

/// What one region is at. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Calling(Arc<Words>);

#[derive(Debug, Default)]
struct Words {
    /// Two more with each call; odd while it has not come back.
    steps: AtomicU64,
    callback: AtomicU8,
    user: AtomicU64,
    session: AtomicU64,
    number: AtomicU64,
}

impl Calling {
    /// A call begins.
    pub(super) fn begin(&self, callback: Callback) {
        self.0.callback.store(callback as u8, Ordering::Relaxed);
        self.step();
    }

    /// A command is what the next call is for.
    pub(super) fn name_command(&self, command: Commanded) {
        let Commanded {
            user,
            session,
            number,
        } = command;
        self.0.user.store(user.0, Ordering::Relaxed);
        self.0.session.store(session.0, Ordering::Relaxed);
        self.0.number.store(number, Ordering::Relaxed);
    }

    /// It has come back.
    pub(super) fn end(&self) {
        self.step();
    }

    /// There is one writer.
    fn step(&self) {
        let steps = self.0.steps.load(Ordering::Relaxed);
        self.0.steps.store(steps.wrapping_add(1), Ordering::Release);
    }

    /// The call that the region is at, if it is at one.
    #[must_use]
    pub fn look(&self) -> Option<Call> {
        let steps = self.0.steps.load(Ordering::Acquire);
        let callback = usize::from(self.0.callback.load(Ordering::Relaxed));
        let command = Commanded {
            user: UserId(self.0.user.load(Ordering::Relaxed)),
            session: SessionGeneration(self.0.session.load(Ordering::Relaxed)),
            number: self.0.number.load(Ordering::Relaxed),
        };
        (steps % 2 == 1).then_some(Call {
            count: steps,
            callback: LABELS.get(callback).copied().unwrap_or_default(),
            command: (callback == Callback::Command as usize).then_some(command),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_seen_until_it_comes_back_and_a_command_only_where_it_is_one() {
        let calling = Calling::default();
        assert_eq!(calling.look(), None);
        let command = Commanded {
            user: UserId(5),
            session: SessionGeneration(3),
            number: 7,
        };
        calling.name_command(command);
        calling.begin(Callback::Command);
        let call = calling.look().unwrap();
        assert_eq!((call.callback, call.command), ("command", Some(command)));
        assert_eq!(calling.clone().look(), Some(call), "it is the same one");
        calling.end();
        assert_eq!(calling.look(), None);
        calling.begin(Callback::RunsAlways);
        let next = calling.look().unwrap();
        assert_eq!((next.callback, next.command), ("runs_always", None));
        assert!(next.count > call.count);
    }
}
