//! Which waiting requests go together. Pure, so that the order is provable.
//!
//! Nothing waits for more to come: what arrives while one batch is carried out is the next one.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::VecDeque;

use crate::limits::BATCH_ROWS_MAX;
use crate::request::{RequestClass, StoreRequest};

/// Requests in three lines: what somebody waits for; soft saves, whose players wait; and those who want to hear when
/// nothing else waits. Order is kept within a line, not across.
#[derive(Debug)]
pub struct BatchQueue<T> {
    urgent: Line<T>,
    soft: Line<T>,
    turns: Line<T>,
    urgent_was_last: bool,
}

type Line<T> = VecDeque<(StoreRequest, T)>;

impl<T> Default for BatchQueue<T> {
    fn default() -> Self {
        Self {
            urgent: VecDeque::new(),
            soft: VecDeque::new(),
            turns: VecDeque::new(),
            urgent_was_last: false,
        }
    }
}

impl<T> BatchQueue<T> {
    /// Adds a request; `tag` comes back with it.
    pub fn push(&mut self, request: StoreRequest, tag: T) {
        let line = match request.class() {
            RequestClass::Read | RequestClass::Urgent => &mut self.urgent,
            RequestClass::Soft => &mut self.soft,
            RequestClass::Turn => &mut self.turns,
        };
        line.push_back((request, tag));
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.soft.is_empty() && self.turns.is_empty()
    }

    /// The next batch, of one line; empty when nothing waits. Soft saves that have been captured keep their players, so
    /// they go after one urgent batch at most; turns are given when nothing else waits at all.
    pub fn take(&mut self) -> Vec<(StoreRequest, T)> {
        let soft_is_due = self.urgent_was_last && !self.soft.is_empty();
        self.urgent_was_last = !self.urgent.is_empty() && !soft_is_due;
        take(if self.urgent_was_last {
            &mut self.urgent
        } else if self.soft.is_empty() {
            &mut self.turns
        } else {
            &mut self.soft
        })
    }
}

/// The front of the line up to the row limit; a single larger request goes alone.
fn take<T>(line: &mut VecDeque<(StoreRequest, T)>) -> Vec<(StoreRequest, T)> {
    let mut rows = 0;
    let fits = |(request, _): &&(StoreRequest, T)| {
        rows += request.rows();
        rows <= BATCH_ROWS_MAX
    };
    let count = line.iter().take_while(fits).count().max(1);
    line.drain(..count.min(line.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::{NodeNumber, UserId};

    fn soft(rows: usize) -> StoreRequest {
        let save = crate::PlayerSave {
            user: UserId(1),
            owner_epoch: protocol::ids::OwnerEpoch(1),
            version: protocol::ids::StateVersion(1),
            body: crate::PlayerBody::default(),
        };
        StoreRequest::SavePlayers {
            owner: NodeNumber(1),
            saves: vec![save; rows],
        }
    }

    fn tags(batch: Vec<(StoreRequest, u32)>) -> Vec<u32> {
        batch.into_iter().map(|(_, tag)| tag).collect()
    }

    #[test]
    fn a_batch_takes_what_waits_and_never_exceeds_the_limit() {
        let mut queue = BatchQueue::default();
        queue.push(soft(40), 1);
        queue.push(soft(24), 2);
        queue.push(soft(1), 3);
        assert_eq!(tags(queue.take()), [1, 2], "64 rows fit, the third waits on");
        assert_eq!(tags(queue.take()), [3]);
        assert!(queue.is_empty());
        assert_eq!(tags(queue.take()), []);
        queue.push(soft(100), 4);
        queue.push(soft(1), 5);
        assert_eq!(tags(queue.take()), [4], "one larger request goes alone");
        assert_eq!(tags(queue.take()), [5]);
    }

    #[test]
    fn soft_saves_let_one_urgent_batch_pass_and_turns_come_last() {
        let mut queue = BatchQueue::default();
        queue.push(StoreRequest::SoftTurn, 1);
        queue.push(soft(64), 2);
        queue.push(soft(64), 3);
        for tag in 4..70 {
            queue.push(StoreRequest::NextGuest, tag);
        }
        queue.push(StoreRequest::LoadPlayer { user: UserId(1) }, 70);
        assert_eq!(tags(queue.take()), (4..68).collect::<Vec<_>>());
        assert_eq!(tags(queue.take()), [2], "its players have waited for one batch");
        assert_eq!(tags(queue.take()), [68, 69, 70]);
        assert_eq!(tags(queue.take()), [3]);
        assert_eq!(tags(queue.take()), [1]);
        assert!(queue.is_empty());
    }
}
