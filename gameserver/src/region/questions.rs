//! The questions that a region has put to the store: those under way, and those that the store could not answer and that
//! are to be asked again.

use std::collections::BTreeMap;

use store::StoreRequest;

use super::asked::Asked;
use super::effect::StoreTicket;

/// What failed is asked again after so long, milliseconds.
pub(super) const AGAIN_MS: u64 = 200;

#[derive(Debug)]
struct Failed {
    again_ms: u64,
    asked: Asked,
    request: StoreRequest,
}

/// All of one region.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: BTreeMap<StoreTicket, Asked>,
    failed: Vec<Failed>,
    last: u64,
}

impl Questions {
    /// One more is put; its answer comes under this ticket.
    pub(super) fn put(&mut self, asked: Asked) -> StoreTicket {
        self.last += 1;
        let ticket = StoreTicket(self.last);
        self.open.insert(ticket, asked);
        ticket
    }

    /// An answer has come: what was asked. `None`: nothing was, under this ticket.
    pub(super) fn answered(&mut self, ticket: StoreTicket) -> Option<Asked> {
        self.open.remove(&ticket)
    }

    /// The store could not answer: once more in a moment.
    pub(super) fn put_later(&mut self, asked: Asked, request: StoreRequest, now_ms: u64) {
        let again_ms = now_ms + AGAIN_MS;
        self.failed.push(Failed {
            again_ms,
            asked,
            request,
        });
    }

    /// Takes those whose moment has come.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Vec<(Asked, StoreRequest)> {
        let due = self.failed.extract_if(.., |failed| failed.again_ms <= now_ms);
        due.map(|failed| (failed.asked, failed.request)).collect()
    }

    /// Those without an answer.
    pub(super) fn len(&self) -> usize {
        self.open.len() + self.failed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_question_once_and_what_failed_comes_again() {
        let mut questions = Questions::default();
        let (first, second) = (questions.put(Asked::Ground), questions.put(Asked::Seed));
        assert_eq!(questions.len(), 2);
        assert_eq!(questions.answered(second), Some(Asked::Seed));
        assert_eq!(questions.answered(second), None);
        assert_eq!(questions.answered(first), Some(Asked::Ground));
        assert_eq!(questions.len(), 0);
        questions.put_later(Asked::Ground, StoreRequest::NextGuest, 1_000);
        assert_eq!(questions.len(), 1);
        assert!(questions.take_due(999 + AGAIN_MS).is_empty());
        let due = questions.take_due(1_000 + AGAIN_MS);
        assert_eq!(due, [(Asked::Ground, StoreRequest::NextGuest)]);
        assert_eq!(questions.len(), 0);
    }
}
