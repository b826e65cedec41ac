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
    /// Who asked, and until when it waits, milliseconds.
    open: BTreeMap<u64, (Option<EntityId>, u64)>,
    answers: VecDeque<(u64, Answer)>,
}

impl Asks {
    pub(super) fn open(&mut self, asker: Option<EntityId>, now_ms: u64) -> u64 {
        self.last += 1;
        self.open.insert(self.last, (asker, now_ms + ASK_LASTS_MS));
        self.last
    }

    pub(super) fn answer(&mut self, ask: u64, answer: Answer) {
        if self.open.contains_key(&ask) && self.answers.iter().all(|(other, _)| *other != ask) {
            self.answers.push_back((ask, answer));
        }
    }

    pub(super) fn overdue(&mut self, now_ms: u64) {
        let late = self.open.iter().filter(|(_, (_, until_ms))| *until_ms <= now_ms);
        let late: Vec<u64> = late.map(|(ask, _)| *ask).collect();
        for ask in late {
            self.answer(ask, Err(AskFailed::TimedOut));
        }
    }

    pub(super) fn take(&mut self) -> Option<(u64, Option<EntityId>, Answer)> {
        let (ask, answer) = self.answers.pop_front()?;
        let (asker, _) = self.open.remove(&ask)?;
        Some((ask, asker, answer))
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
