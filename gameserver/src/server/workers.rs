//! The pool in which a game answers what its rules ask: a few threads beside the world's, which neither waits for them nor for
//! room in their queue. They are there from the first ask on, and outlast nobody: what they are at when the process ends is lost.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use game::AskFailed;
use game::limits::ASK_LASTS_MS;
use protocol::Shown;
use protocol::ids::RegionNumber;

use super::played::AnswerAsks;
use super::world_mailbox::{Mailbox, Order};
use crate::world::WorkId;

/// Threads: more would take the cores from the regions.
const WORKERS: usize = 2;
/// What waits for them at most, of all regions.
const WAITING_MAX: usize = 128;

/// What a region has asked, and when.
#[derive(Debug)]
struct Work {
    id: WorkId,
    request: Bytes,
    asked: Instant,
}

/// What waits: regions take turns, so that one that asks much keeps only itself waiting.
#[derive(Debug, Default)]
struct Waiting {
    /// Those of which something waits, the next one first.
    turns: VecDeque<RegionNumber>,
    of: BTreeMap<RegionNumber, VecDeque<Work>>,
    count: usize,
    is_over: bool,
}

impl Waiting {
    /// One more. Where all places are taken, the region that has most gives its newest one up, so that nobody is kept out by others.
    fn put(&mut self, work: Work) -> Result<(), WorkId> {
        let region = work.id.region;
        let mut given_up = Ok(());
        if self.count == WAITING_MAX {
            let own = self.of.get(&region).map_or(0, VecDeque::len);
            let longest = self.of.iter_mut().max_by_key(|(_, queue)| queue.len());
            match longest.filter(|(_, queue)| queue.len() > own + 1) {
                None => return Err(work.id),
                Some((_, queue)) => given_up = queue.pop_back().map_or(Ok(()), |newest| Err(newest.id)),
            }
            self.count -= 1;
        }
        let queue = self.of.entry(region).or_default();
        if queue.is_empty() {
            self.turns.push_back(region);
        }
        queue.push_back(work);
        self.count += 1;
        given_up
    }

    fn take(&mut self) -> Option<Work> {
        let region = self.turns.pop_front()?;
        let queue = self.of.get_mut(&region)?;
        let work = queue.pop_front();
        if queue.is_empty() {
            self.of.remove(&region);
        } else {
            self.turns.push_back(region);
        }
        self.count -= usize::from(work.is_some());
        work
    }
}

/// Between the world's thread, which never waits for more than a few instructions, and those that answer.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    some: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next one; `None` when the world's thread has ended.
    fn next(&self) -> Option<Work> {
        let mut waiting = self.lock();
        loop {
            if waiting.is_over {
                return None;
            }
            if let Some(work) = waiting.take() {
                return Some(work);
            }
            waiting = self.some.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The pool of one process.
pub(super) struct Workers {
    answer: AnswerAsks,
    mailbox: Mailbox,
    queue: Option<Arc<Queue>>,
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.lock().is_over = true;
            queue.some.notify_all();
        }
    }
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

    /// Hands work over. Without room it has failed at once, or work of a region that has more of it.
    pub(super) fn hand(&mut self, id: WorkId, request: Bytes) {
        let (answer, mailbox) = (&self.answer, &self.mailbox);
        let queue = self.queue.get_or_insert_with(|| start(answer, mailbox));
        let asked = Instant::now();
        let put = queue.lock().put(Work { id, request, asked });
        queue.some.notify_one();
        if let Err(given_up) = put {
            self.mailbox.send(Order::Worked(given_up, Err(AskFailed::Full)));
        }
    }
}

/// Threads that cannot be started are none; with all of them missing nobody takes from the queue, and it is full soon.
fn start(answer: &AnswerAsks, mailbox: &Mailbox) -> Arc<Queue> {
    let queue = Arc::new(Queue::default());
    for index in 0..WORKERS {
        let (answer, mailbox, queue) = (Arc::clone(answer), mailbox.clone(), Arc::clone(&queue));
        let thread = std::thread::Builder::new().name(format!("game-{index}"));
        if let Err(error) = thread.spawn(move || work(&answer, &mailbox, &queue)) {
            tracing::error!(%error, "no thread for what the rules ask");
        }
    }
    queue
}

/// Until the world's thread has ended. Who has waited too long has been told so by its region.
fn work(answer: &AnswerAsks, mailbox: &Mailbox, queue: &Queue) {
    while let Some(Work { id, request, asked }) = queue.next() {
        if asked.elapsed() >= Duration::from_millis(ASK_LASTS_MS) {
            continue;
        }
        let answered = catch_unwind(AssertUnwindSafe(|| answer(&request)));
        let answered = answered.map(Bytes::from).map_err(|said| {
            tell_of_panic(&*said);
            AskFailed::Panicked
        });
        mailbox.send(Order::Worked(id, answered));
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
    use net::udp::Waker;
    use protocol::ids::RegionEpoch;

    use super::*;

    fn id(region: u32, ask: u64) -> WorkId {
        WorkId {
            region: RegionNumber(region),
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
        workers.hand(id(1, 1), Bytes::from_static(b"ab"));
        workers.hand(id(1, 2), Bytes::from_static(b"panic"));
        let answers = [
            (1, Ok(Bytes::from_static(b"abab"))),
            (2, Err(AskFailed::Panicked)),
        ];
        assert_eq!(take(&mailbox, 2), answers);
        let held = gate.lock().unwrap();
        let handed = WAITING_MAX + WORKERS + 1;
        for ask in 0..handed {
            workers.hand(id(1, ask as u64), Bytes::from_static(b"wait"));
        }
        let refused = take(&mailbox, 1);
        assert!(refused.iter().all(|(_, answer)| *answer == Err(AskFailed::Full)));
        drop(held);
        let answered = take(&mailbox, handed - refused.len());
        assert_eq!(answered.len() + refused.len(), handed, "each is answered once");
    }

    #[test]
    fn regions_take_turns_and_who_asks_much_makes_room_for_others() {
        let mut waiting = Waiting::default();
        let work = |region, ask| Work {
            id: id(region, ask),
            request: Bytes::new(),
            asked: Instant::now(),
        };
        for ask in 0..WAITING_MAX as u64 {
            assert_eq!(waiting.put(work(1, ask)), Ok(()));
        }
        let last = WAITING_MAX as u64 - 1;
        assert_eq!(
            waiting.put(work(1, 999)),
            Err(id(1, 999)),
            "it has all places itself"
        );
        assert_eq!(
            waiting.put(work(2, 1)),
            Err(id(1, last)),
            "the newest of whom has most"
        );
        assert_eq!(waiting.put(work(2, 2)), Err(id(1, last - 1)));
        let mut taken = Vec::new();
        while let Some(work) = waiting.take() {
            taken.push((work.id.region.0, work.id.ask));
        }
        assert_eq!(taken[..5], [(1, 0), (2, 1), (1, 1), (2, 2), (1, 2)]);
        assert_eq!(
            (taken.len(), waiting.count, waiting.of.len()),
            (WAITING_MAX, 0, 0)
        );
    }
}
