//! The pool in which a game answers what its rules ask: a few threads beside the world's, which neither waits for them nor for
//! room in their queue. They are there from the first ask on, and outlast nobody: what they are at when the process ends is lost.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use game::AskFailed;
use protocol::Shown;

use super::played::AnswerAsks;
use super::world_mailbox::{Mailbox, Order};
use crate::world::WorkId;

/// Threads: more would take the cores from the regions.
const WORKERS: usize = 2;
/// What waits for them at most, of all regions.
const WAITING_MAX: usize = 128;

type Work = (WorkId, Bytes);

/// The pool of one process.
pub(super) struct Workers {
    answer: AnswerAsks,
    mailbox: Mailbox,
    queue: Option<SyncSender<Work>>,
}

impl Workers {
    /// None of them works yet.
    pub(super) fn new(answer: AnswerAsks, mailbox: Mailbox) -> Self {
        Self {
            answer,
            mailbox,
            queue: None,
        }
    }

    /// Hands work over; without room, or without a thread, it has failed at once.
    pub(super) fn hand(&mut self, work: WorkId, request: Bytes) -> Result<(), AskFailed> {
        let (answer, mailbox) = (&self.answer, &self.mailbox);
        let queue = self.queue.get_or_insert_with(|| start(answer, mailbox));
        queue.try_send((work, request)).map_err(|error| {
            let no_thread = matches!(error, TrySendError::Disconnected(_));
            if no_thread {
                tracing::error!("no thread is left that answers what the rules ask");
            }
            AskFailed::Full
        })
    }
}

/// Threads that cannot be started are none; with all of them missing nobody takes from the queue, and it is full soon.
fn start(answer: &AnswerAsks, mailbox: &Mailbox) -> SyncSender<Work> {
    let (queue, waiting) = sync_channel(WAITING_MAX);
    let waiting = Arc::new(Mutex::new(waiting));
    for index in 0..WORKERS {
        let (answer, mailbox, waiting) = (Arc::clone(answer), mailbox.clone(), Arc::clone(&waiting));
        let thread = std::thread::Builder::new().name(format!("game-{index}"));
        if let Err(error) = thread.spawn(move || work(&answer, &mailbox, &waiting)) {
            tracing::error!(%error, "no thread for what the rules ask");
        }
    }
    queue
}

/// Until the world's thread has ended.
fn work(answer: &AnswerAsks, mailbox: &Mailbox, waiting: &Mutex<Receiver<Work>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((work, request)) = next else { return };
        let answered = catch_unwind(AssertUnwindSafe(|| answer(&request)));
        let answered = answered.map(Bytes::from).map_err(|said| {
            tell_of_panic(&*said);
            AskFailed::Panicked
        });
        mailbox.send(Order::Worked(work, answered));
    }
}

fn tell_of_panic(said: &(dyn Any + Send)) {
    let text = said.downcast_ref::<&str>().copied();
    let text = text.or_else(|| said.downcast_ref::<String>().map(String::as_str));
    let said = Shown(text.unwrap_or("it did not say why"));
    tracing::error!(%said, "the game panicked at what its rules asked: it has no answer");
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use net::udp::Waker;
    use protocol::ids::{RegionEpoch, RegionNumber};

    use super::*;

    fn id(ask: u64) -> WorkId {
        WorkId {
            region: RegionNumber(1),
            region_epoch: RegionEpoch(2),
            ask,
        }
    }

    fn take(mailbox: &Mailbox, count: usize) -> Vec<(u64, Result<Bytes, AskFailed>)> {
        let (began, mut taken) = (Instant::now(), Vec::new());
        while taken.len() < count && began.elapsed() < Duration::from_secs(30) {
            let mut orders = Vec::new();
            mailbox.take(&mut orders);
            taken.extend(orders.into_iter().map(|order| match order {
                Order::Worked(work, answer) => (work.ask, answer),
                _ => panic!("an order of somebody else"),
            }));
            std::thread::sleep(Duration::from_millis(1));
        }
        taken.sort_by_key(|(ask, _)| *ask);
        taken
    }

    #[test]
    fn answers_and_panics_come_back_and_a_full_queue_is_said_at_once() {
        let mailbox = Mailbox::new(Waker::new().unwrap());
        let gate = Arc::new(Mutex::new(()));
        let closed = Arc::clone(&gate);
        let answer: AnswerAsks = Arc::new(move |request| {
            assert!(request != b"panic", "a bad question");
            if request == b"wait" {
                drop(closed.lock().unwrap_or_else(PoisonError::into_inner));
            }
            request.repeat(2)
        });
        let mut workers = Workers::new(answer, mailbox.clone());
        workers.hand(id(1), Bytes::from_static(b"ab")).unwrap();
        workers.hand(id(2), Bytes::from_static(b"panic")).unwrap();
        let answers = [
            (1, Ok(Bytes::from_static(b"abab"))),
            (2, Err(AskFailed::Panicked)),
        ];
        assert_eq!(take(&mailbox, 2), answers);
        let held = gate.lock().unwrap();
        let mut handed = 0;
        while workers.hand(id(3), Bytes::from_static(b"wait")).is_ok() {
            handed += 1;
        }
        assert!(
            (WAITING_MAX..=WAITING_MAX + WORKERS).contains(&handed),
            "{handed}"
        );
        drop(held);
        assert_eq!(take(&mailbox, handed).len(), handed);
    }
}
