//! Asks the store who owns a player, for all shards. A shard asks again what is not answered, so what does not fit in
//! here may be dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ids::{OwnerEpoch, UserId};
use store::{StoreAnswer, StoreHandle, StoreReply, StoreRequest};
use tokio::sync::{Notify, mpsc};

use super::directory::ShardIndex;
use super::inbox::ShardInput;
use super::shard_handle::Shards;
use crate::edge::{EdgeInput, OwnerAnswer};

/// Questions under way at once.
const QUESTIONS_MAX: usize = 16 * 1024;
/// Batches of questions that may wait.
const BATCHES_MAX: usize = 256;

/// Whose owner is asked for, and the epoch trusted as it is.
pub(super) type OwnerQuestion = (UserId, OwnerEpoch);

/// A shard's questions of one sweep.
pub(super) type Questions = (ShardIndex, Vec<OwnerQuestion>);

/// Where shards put their questions.
pub(super) fn channel() -> (mpsc::Sender<Questions>, mpsc::Receiver<Questions>) {
    mpsc::channel(BATCHES_MAX)
}

/// Owns the questions that are under way.
pub(super) struct OwnerReadTask {
    pub(super) store: StoreHandle,
    pub(super) shards: Shards,
    pub(super) questions: mpsc::Receiver<Questions>,
}

impl OwnerReadTask {
    /// Runs until no shard can ask any more.
    pub(super) async fn run(mut self) {
        let answered = Arc::new(Notify::new());
        let wake = Arc::clone(&answered);
        let store = self.store.port(move || wake.notify_one());
        let mut open: BTreeMap<u64, (ShardIndex, OwnerQuestion)> = BTreeMap::new();
        let mut next = 0;
        let mut answers = Vec::new();
        loop {
            tokio::select! {
                questions = self.questions.recv() => {
                    let Some((shard, questions)) = questions else { return };
                    let room = QUESTIONS_MAX.saturating_sub(open.len());
                    store.send_batch(questions.into_iter().take(room).map(|(user, trusted)| {
                        next += 1;
                        open.insert(next, (shard, (user, trusted)));
                        (next, StoreRequest::ReadOwner { user })
                    }));
                }
                () = answered.notified() => {
                    store.take_answers(&mut answers);
                    self.answer(&mut open, answers.drain(..));
                }
            }
        }
    }

    fn answer(
        &self,
        open: &mut BTreeMap<u64, (ShardIndex, OwnerQuestion)>,
        answers: impl Iterator<Item = StoreAnswer>,
    ) {
        let mut by_shard: BTreeMap<ShardIndex, Vec<ShardInput>> = BTreeMap::new();
        for StoreAnswer { correlation, result } in answers {
            let Some((shard, (user, trusted))) = open.remove(&correlation) else {
                continue;
            };
            let answer = match result {
                Ok(StoreReply::Owner(Some(row))) => OwnerAnswer::Row {
                    node: row.node,
                    region: row.region,
                    epoch: row.owner_epoch,
                },
                Ok(StoreReply::Owner(None)) => OwnerAnswer::NoRow,
                _ => OwnerAnswer::Unavailable,
            };
            by_shard
                .entry(shard)
                .or_default()
                .push(EdgeInput::Owner(user, trusted, answer).into());
        }
        for (shard, mut inputs) in by_shard {
            if let Some(shard) = self.shards.get(usize::from(shard.0)) {
                // A full inbox loses the answer; the shard asks again.
                let _ = shard.inbox.push_all(&mut inputs);
            }
        }
    }
}
