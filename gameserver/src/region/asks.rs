//! What rules have asked of the pool beside the regions, and what came back: each answer is told in a later tick, or what became of it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use game::AskFailed;
use game::limits::{ASK_BYTES_MAX, ASK_LASTS_MS, ASKS_MAX};
use protocol::ids::EntityId;

use super::effect::RegionEffect;
use super::rules::Rules;
use super::state::RegionState;

/// What came of one.
pub type Answer = Result<Bytes, AskFailed>;

/// Those of one region.
#[derive(Debug, Default)]
pub(super) struct Asks {
    last: u64,
    /// Who asked, and until when it waits, milliseconds.
    open: BTreeMap<u64, (Option<EntityId>, u64)>,
    answers: VecDeque<(u64, Answer)>,
}

impl Asks {
    fn open(&mut self, asker: Option<EntityId>, now_ms: u64) -> u64 {
        self.last += 1;
        self.open.insert(self.last, (asker, now_ms + ASK_LASTS_MS));
        self.last
    }

    fn answer(&mut self, ask: u64, answer: Answer) {
        if self.open.contains_key(&ask) && self.answers.iter().all(|(other, _)| *other != ask) {
            self.answers.push_back((ask, answer));
        }
    }

    fn overdue(&mut self, now_ms: u64) {
        let late = self.open.iter().filter(|(_, (_, until_ms))| *until_ms <= now_ms);
        let late: Vec<u64> = late.map(|(ask, _)| *ask).collect();
        for ask in late {
            self.answer(ask, Err(AskFailed::TimedOut));
        }
    }

    fn take(&mut self) -> Option<(u64, Option<EntityId>, Answer)> {
        let (ask, answer) = self.answers.pop_front()?;
        let (asker, _) = self.open.remove(&ask)?;
        Some((ask, asker, answer))
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

impl RegionState {
    pub(super) fn ask_pool(&mut self, asker: Option<EntityId>, request: Bytes) -> u64 {
        let is_full = self.asks.open.len() >= ASKS_MAX;
        let ask = self.asks.open(asker, self.now.mono_ms);
        if is_full {
            self.asks.answer(ask, Err(AskFailed::Full));
        } else if request.len() > ASK_BYTES_MAX {
            self.asks.answer(ask, Err(AskFailed::TooLong));
        } else {
            self.out.push(RegionEffect::Work(ask, request));
        }
        ask
    }

    pub(super) fn pool_answered(&mut self, ask: u64, answer: Answer) {
        let fits = |answer: Bytes| {
            let fits = answer.len() <= ASK_BYTES_MAX;
            fits.then_some(answer).ok_or(AskFailed::TooLong)
        };
        self.asks.answer(ask, answer.and_then(fits));
    }

    /// Tells the rules what has come back up to now. What nobody here has asked any more is dropped.
    pub(super) fn tell_answers(&mut self, rules: &mut Rules) {
        self.asks.overdue(self.now.mono_ms);
        for _ in 0..self.asks.answers.len() {
            let Some((ask, asker, answer)) = self.asks.take() else {
                continue;
            };
            if asker.is_some_and(|asker| self.entities.key(asker).is_none()) {
                continue;
            }
            let answer = answer
                .as_ref()
                .map(|answer| &answer[..])
                .map_err(|failed| *failed);
            rules.call(|logic| logic.answered(self, ask, answer));
        }
    }
}
