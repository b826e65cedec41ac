//! Collects what can happen next; each step tells itself in a sentence.

use std::fmt;

use super::message::{Message, name};
use super::state::{State, ZOMBIE};

/// One step of a story.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Arrives(Message),
    ArrivesTwice(Message),
    /// Addressed to a process that is down.
    FindsNobody(Message),
    Lost(Message),
    /// A process, by index, does something of its own accord.
    Does(usize, &'static str),
    /// Anybody else.
    Happens(&'static str),
}

/// Whether a step may be relied on to come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Timers and deliveries: sooner or later they happen.
    Protocol,
    /// Faults and wishes: they may never happen.
    Outside,
}

/// One way to go on.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) step: Step,
    pub(super) state: State,
    pub(super) cause: Cause,
}

/// All ways to go on from one state.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    pub(super) from: &'a State,
    pub(super) found: Vec<Next>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(from: &'a State) -> Self {
        Self {
            from,
            found: Vec::new(),
        }
    }

    /// Adds a step; one that changes nothing is none.
    pub(super) fn add(&mut self, cause: Cause, step: Step, change: impl FnOnce(&mut State)) {
        let mut state = self.from.clone();
        change(&mut state);
        if state != *self.from {
            self.found.push(Next { step, state, cause });
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrives(message) => write!(f, "{message} arrives"),
            Self::ArrivesTwice(message) => {
                write!(f, "{message} arrives, and a copy of it is still under way")
            }
            Self::FindsNobody(message) => write!(f, "{message} finds nobody"),
            Self::Lost(message) => write!(f, "{message} is LOST"),
            Self::Does(ZOMBIE, deed) => write!(f, "the zombie {deed}"),
            Self::Does(process, deed) => write!(f, "{} {deed}", name(u8::from(*process == 1))),
            Self::Happens(event) => f.write_str(event),
        }
    }
}
