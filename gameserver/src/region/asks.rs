//! What rules have asked of the pool beside the regions, and what came back: each answer is told in a later tick, or what became of it.

use std::collections::{BTreeMap, VecDeque};

use game::AskFailed;
use game::limits::{ASK_LASTS_MS, ASKS_MAX};
use protocol::ids::EntityId;

use super::input::Answer;

/// Those of one region.
#[derive(Debug, Default)]
pub(super) struct Asks {
    last: u64,
    open: BTreeMap<u64, Open>,
    answers: VecDeque<(u64, Answer)>,
}

/// One that the rules have not heard of again.
#[derive(Debug)]
struct Open {
    asker: Option<EntityId>,
    /// How long it waits, milliseconds.
    until_ms: u64,
    is_answered: bool,
}

impl Asks {
    pub(super) fn open(&mut self, asker: Option<EntityId>, now_ms: u64) -> u64 {
        self.last += 1;
        let open = Open {
            asker,
            until_ms: now_ms + ASK_LASTS_MS,
            is_answered: false,
        };
        self.open.insert(self.last, open);
        self.last
    }

    /// The first answer counts.
    pub(super) fn answer(&mut self, ask: u64, answer: Answer) {
        if let Some(open) = self.open.get_mut(&ask)
            && !std::mem::replace(&mut open.is_answered, true)
        {
            self.answers.push_back((ask, answer));
        }
    }

    pub(super) fn overdue(&mut self, now_ms: u64) {
        for (ask, open) in &mut self.open {
            if open.until_ms <= now_ms && !std::mem::replace(&mut open.is_answered, true) {
                self.answers.push_back((*ask, Err(AskFailed::TimedOut)));
            }
        }
    }

    pub(super) fn take(&mut self) -> Option<(u64, Option<EntityId>, Answer)> {
        let (ask, answer) = self.answers.pop_front()?;
        let open = self.open.remove(&ask)?;
        Some((ask, open.asker, answer))
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= ASKS_MAX
    }

    /// How many answers are there to be told.
    pub(super) fn answered(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Nobody waits for answers any more. Numbers go on: what comes late is none of the next ones'.
    pub(super) fn forget(&mut self) {
        self.open.clear();
        self.answers.clear();
    }
}
