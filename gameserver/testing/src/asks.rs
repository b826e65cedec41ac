//! The pool beside the regions: here each answer is made at once, and comes with the next tick.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use game::{AskFailed, RegionNumber};
use gameserver::region::Answer;
use protocol::ids::RegionEpoch;

/// For whom, and what.
type Made = (RegionNumber, RegionEpoch, u64, Answer);

type AnswerAsk = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;

/// The game, and its answers on their way.
pub(crate) struct Asks {
    game: Arc<AnswerAsk>,
    made: Vec<Made>,
}

impl Asks {
    pub(crate) fn new(game: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self {
            game: Arc::new(game),
            made: Vec::new(),
        }
    }

    /// Another game answers from now on.
    pub(crate) fn play(&mut self, game: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) {
        self.game = Arc::new(game);
    }

    pub(crate) fn put(&mut self, region: RegionNumber, epoch: RegionEpoch, ask: u64, request: &[u8]) {
        let answer = catch_unwind(AssertUnwindSafe(|| (self.game)(request)));
        let answer = answer.map(Bytes::from).map_err(|_| AskFailed::Panicked);
        self.made.push((region, epoch, ask, answer));
    }

    pub(crate) fn take(&mut self) -> Vec<Made> {
        std::mem::take(&mut self.made)
    }
}
