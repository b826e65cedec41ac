//! A shard's questions for the owners of its players: asked of the store in one batch a round, answered in batches. A shard
//! asks again what is not answered, so what is too much may be left out.

use std::collections::BTreeMap;

use protocol::ids::{OwnerEpoch, UserId};
use store::{StoreAnswer, StorePort, StoreReply, StoreRequest};

use crate::edge::OwnerAnswer;

/// Questions under way at once.
const QUESTIONS_MAX: usize = 16 * 1024;

/// See the module.
pub(super) struct OwnerReads {
    store: StorePort,
    open: BTreeMap<u64, (UserId, OwnerEpoch)>,
    next: u64,
    asked: Vec<(u64, StoreRequest)>,
    answers: Vec<StoreAnswer>,
}

impl OwnerReads {
    pub(super) fn new(store: StorePort) -> Self {
        Self {
            store,
            open: BTreeMap::new(),
            next: 0,
            asked: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Whose owner is asked for, and the epoch that is trusted now.
    ///
    /// # Errors
    /// The label to count it under: too many questions are open.
    pub(super) fn ask(&mut self, user: UserId, trusted: OwnerEpoch) -> Result<(), &'static str> {
        if self.open.len() >= QUESTIONS_MAX {
            return Err("owner_reads_full");
        }
        self.next += 1;
        self.open.insert(self.next, (user, trusted));
        self.asked.push((self.next, StoreRequest::ReadOwner { user }));
        Ok(())
    }

    /// Sends the questions of a round.
    pub(super) fn send(&mut self) {
        if !self.asked.is_empty() {
            self.store.send_batch(self.asked.drain(..));
        }
    }

    /// The answers that have come, each with the epoch that its question named.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (UserId, OwnerEpoch, OwnerAnswer)> {
        if !self.open.is_empty() {
            self.store.take_answers(&mut self.answers);
        }
        let open = &mut self.open;
        self.answers
            .drain(..)
            .filter_map(|StoreAnswer { correlation, result }| {
                let (user, trusted) = open.remove(&correlation)?;
                let answer = match result {
                    Ok(StoreReply::Owner(Some(row))) => OwnerAnswer::Row {
                        node: row.node,
                        region: row.region,
                        epoch: row.owner_epoch,
                    },
                    Ok(StoreReply::Owner(None)) => OwnerAnswer::NoRow,
                    _ => OwnerAnswer::Unavailable,
                };
                Some((user, trusted, answer))
            })
    }
}
