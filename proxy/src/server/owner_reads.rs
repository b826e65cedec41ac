//! Asks the store who owns a player, for all shards. A shard asks again what is not answered, so what does not fit in
//! here may be dropped.

use std::collections::BTreeMap;

use protocol::ids::{OwnerEpoch, UserId};
use store::{StoreAnswer, StoreHandle, StoreReply, StoreRequest};
use tokio::sync::mpsc;

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
        let (to, mut answers) = mpsc::unbounded_channel();
        let mut open: BTreeMap<u64, (ShardIndex, OwnerQuestion)> = BTreeMap::new();
        let mut next = 0;
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                questions = self.questions.recv() => {
                    let Some((shard, questions)) = questions else { return };
                    for (user, trusted) in questions {
                        next += 1;
                        let request = StoreRequest::ReadOwner { user };
                        if open.len() < QUESTIONS_MAX && self.store.send(next, request, &to).is_ok() {
                            open.insert(next, (shard, (user, trusted)));
                        }
                    }
                }
                count = answers.recv_many(&mut batch, 256) => {
                    if count == 0 { return }
                    self.answer(&mut open, batch.drain(..));
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
