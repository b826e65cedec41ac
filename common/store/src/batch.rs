//! Which waiting requests go together, and when. Pure, so that the order is provable.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::VecDeque;

use crate::limits::{BATCH_LINGER_MS, BATCH_ROWS_MAX};
use crate::request::{RequestClass, StoreRequest};

/// Requests in two lines: what somebody waits for, and soft saves. Order is kept within a line, not across.
#[derive(Debug)]
pub struct BatchQueue<T> {
    urgent: VecDeque<Waiting<T>>,
    soft: VecDeque<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    since_ms: u64,
    request: StoreRequest,
    tag: T,
}

impl<T> Default for BatchQueue<T> {
    fn default() -> Self {
        Self {
            urgent: VecDeque::new(),
            soft: VecDeque::new(),
        }
    }
}

impl<T> BatchQueue<T> {
    /// Adds a request; `tag` comes back with it.
    pub fn push(&mut self, request: StoreRequest, tag: T, now_ms: u64) {
        let line = match request.class() {
            RequestClass::Soft => &mut self.soft,
            RequestClass::Read | RequestClass::Urgent => &mut self.urgent,
        };
        line.push_back(Waiting {
            since_ms: now_ms,
            request,
            tag,
        });
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.soft.is_empty()
    }

    /// When the next batch closes by age; `None` when nothing waits.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        let due = |line: &VecDeque<Waiting<T>>| line.front().map(|first| first.since_ms + BATCH_LINGER_MS);
        due(&self.urgent).into_iter().chain(due(&self.soft)).min()
    }

    /// The batch that has closed by now, by age or by rows. Soft saves only go when no urgent request waits at all.
    pub fn take_due(&mut self, now_ms: u64) -> Option<Vec<(StoreRequest, T)>> {
        let line = if self.urgent.is_empty() {
            &mut self.soft
        } else {
            &mut self.urgent
        };
        let first = line.front()?;
        let old = first.since_ms + BATCH_LINGER_MS <= now_ms;
        let full = line.iter().map(|waiting| waiting.request.rows()).sum::<usize>() >= BATCH_ROWS_MAX;
        (old || full).then(|| take(line))
    }
}

/// The front of the line up to the row limit; a single larger request goes alone.
fn take<T>(line: &mut VecDeque<Waiting<T>>) -> Vec<(StoreRequest, T)> {
    let mut rows = 0;
    let mut batch = Vec::new();
    while let Some(next) = line.front() {
        rows += next.request.rows();
        if rows > BATCH_ROWS_MAX && !batch.is_empty() {
            break;
        }
        batch.extend(line.pop_front().map(|waiting| (waiting.request, waiting.tag)));
    }
    batch
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

    fn tags(batch: Option<Vec<(StoreRequest, u32)>>) -> Option<Vec<u32>> {
        batch.map(|batch| batch.into_iter().map(|(_, tag)| tag).collect())
    }

    #[test]
    fn a_batch_closes_by_age_or_by_rows_and_never_exceeds_the_limit() {
        let mut queue = BatchQueue::default();
        queue.push(soft(40), 1, 100);
        assert_eq!(queue.due_ms(), Some(105));
        assert_eq!(tags(queue.take_due(104)), None);
        queue.push(soft(30), 2, 104);
        assert_eq!(
            tags(queue.take_due(104)),
            Some(vec![1]),
            "70 rows wait, 64 fit, the second waits on"
        );
        assert_eq!(tags(queue.take_due(108)), None);
        assert_eq!(tags(queue.take_due(109)), Some(vec![2]));
        assert!(queue.is_empty());
        queue.push(soft(100), 3, 200);
        assert_eq!(
            tags(queue.take_due(200)),
            Some(vec![3]),
            "one larger request goes alone"
        );
    }

    #[test]
    fn soft_saves_yield_to_everything_else_even_when_they_are_older_and_full() {
        let mut queue = BatchQueue::default();
        queue.push(soft(64), 1, 0);
        queue.push(StoreRequest::NextGuest, 2, 50);
        queue.push(StoreRequest::LoadPlayer { user: UserId(1) }, 3, 51);
        assert_eq!(
            tags(queue.take_due(54)),
            None,
            "an urgent batch is still gathering"
        );
        assert_eq!(tags(queue.take_due(55)), Some(vec![2, 3]));
        assert_eq!(tags(queue.take_due(55)), Some(vec![1]));
    }
}
