//! Rules ask the pool beside the regions, and are told in a later tick what came of it.

use bytes::Bytes;
use game::AskFailed;
use game::limits::ASK_BYTES_MAX;
use protocol::ids::EntityId;

use super::calling::Callback;
use super::effect::RegionEffect;
use super::input::Answer;
use super::rules::Rules;
use super::state::RegionState;

impl RegionState {
    pub(super) fn ask_pool(&mut self, asker: Option<EntityId>, request: Bytes) -> u64 {
        let is_full = self.asks.is_full();
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
        for _ in 0..self.asks.answered() {
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
            rules.call(Callback::Answered, |logic| logic.answered(self, ask, answer));
        }
    }
}
