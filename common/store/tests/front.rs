//! The front of a store: one answer per request whatever happens behind it, a bounded queue, one wake for many answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::*;
use store::simulated::SharedSimulatedStore;
use store::*;

const LONG: Duration = Duration::from_secs(30);

/// A store whose writes wait until a test lets them, and that panics when asked to raise its generation.
#[derive(Default)]
struct Gated {
    inner: SharedSimulatedStore,
    may_go: Mutex<bool>,
    opened: Condvar,
    batches: Mutex<Vec<usize>>,
}

impl Store for Gated {
    fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let is_read = |request: &StoreRequest| request.class() == request::RequestClass::Read;
        if !requests.iter().all(is_read) {
            self.batches.lock().unwrap().push(requests.len());
            drop(
                self.opened
                    .wait_while(self.may_go.lock().unwrap(), |may_go| !*may_go),
            );
        }
        assert!(
            !requests.contains(&StoreRequest::RaiseStoreGeneration),
            "as asked"
        );
        self.inner.execute(requests)
    }
}

impl Gated {
    fn open(&self) {
        *self.may_go.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// A port whose thread waits for its wakes.
struct Loop {
    port: StorePort,
    woken: mpsc::Receiver<()>,
    wakes: Arc<AtomicUsize>,
    answers: Vec<StoreAnswer>,
}

impl Loop {
    fn new(handle: &StoreHandle) -> Self {
        let (wake, woken) = mpsc::channel();
        let wakes = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&wakes);
        let port = handle.port(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = wake.send(());
        });
        Self {
            port,
            woken,
            wakes,
            answers: Vec::new(),
        }
    }

    fn until(&mut self, count: usize) -> &[StoreAnswer] {
        self.port.take_answers(&mut self.answers);
        while self.answers.len() < count {
            self.woken.recv_timeout(LONG).unwrap();
            self.port.take_answers(&mut self.answers);
        }
        &self.answers
    }
}

fn start(queue_bytes_max: usize) -> (Arc<Gated>, StoreHandle, StoreThreads) {
    let store = Arc::new(Gated::default());
    let behind: Arc<dyn Store> = store.clone();
    let (handle, threads) = StoreHandle::spawn(&behind, StoreSettings { queue_bytes_max }).unwrap();
    (store, handle, threads)
}

#[test]
fn each_request_is_answered_once_in_order_and_refused_beyond_the_bytes() {
    let (store, handle, threads) = start(64 * 1024);
    let mut client = Loop::new(&handle);
    let mut sent = 0;
    while client.answers.is_empty() {
        client.port.send(sent, StoreRequest::NextGuest);
        sent += 1;
        assert!(sent < 100_000, "the queue has no bound");
        client.port.take_answers(&mut client.answers);
    }
    assert!(sent > 64);
    let refused = client.answers.pop().unwrap();
    assert_eq!(refused.correlation, sent - 1);
    assert!(
        matches!(refused.result, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    store.open();
    let answers = client.until(sent as usize - 1);
    for (answer, expected) in answers.iter().zip(0..) {
        let guest = Ok(StoreReply::Guest(UserId((1 << 40) + expected)));
        assert_eq!((answer.correlation, &answer.result), (expected, &guest));
    }
    assert_eq!(handle.queue_bytes(), 0);
    drop((client, handle));
    threads.join();
}

#[test]
fn what_waits_while_a_batch_runs_is_the_next_one_and_wakes_once() {
    let (store, handle, _threads) = start(1 << 20);
    let mut client = Loop::new(&handle);
    client.port.send(0, StoreRequest::NextGuest);
    while store.batches.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    client
        .port
        .send_batch((1..=50).map(|number| (number, StoreRequest::NextGuest)));
    store.open();
    client.until(51);
    assert_eq!(*store.batches.lock().unwrap(), [1, 50]);
    let wakes = client.wakes.load(Ordering::SeqCst);
    assert!(wakes <= 4, "{wakes} wakes for two batches");
}

#[test]
fn a_turn_for_soft_saves_comes_when_nothing_urgent_waits_and_costs_the_store_nothing() {
    let (store, handle, _threads) = start(1 << 20);
    let mut client = Loop::new(&handle);
    client.port.send(0, StoreRequest::NextGuest);
    while store.batches.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    client.port.send(1, StoreRequest::SoftTurn);
    client
        .port
        .send_batch((2..=100).map(|number| (number, StoreRequest::NextGuest)));
    store.open();
    let order: Vec<u64> = client
        .until(101)
        .iter()
        .map(|answer| answer.correlation)
        .collect();
    assert_eq!(order.last(), Some(&1));
    assert_eq!(client.answers.last().unwrap().result, Ok(StoreReply::SoftTurn));
    assert_eq!(*store.batches.lock().unwrap(), [1, 64, 35]);
}

#[test]
fn reads_do_not_wait_for_writes() {
    let (store, handle, _threads) = start(1 << 20);
    let mut client = Loop::new(&handle);
    client.port.send(1, StoreRequest::NextGuest);
    client.port.send(2, StoreRequest::StoreGeneration);
    let read = client.until(1);
    assert_eq!(read[0].correlation, 2);
    store.open();
    assert_eq!(client.until(2)[1].correlation, 1);
}

#[tokio::test]
async fn a_panic_is_told_and_leaves_nobody_waiting() {
    let (store, handle, threads) = start(1 << 20);
    let mut client = Loop::new(&handle);
    client.port.send(1, StoreRequest::RaiseStoreGeneration);
    client.port.send(2, StoreRequest::NextGuest);
    store.open();
    let broken = tokio::time::timeout(LONG, threads.broken()).await.unwrap();
    assert_eq!(broken, "store writer");
    client.port.send(3, StoreRequest::NextGuest);
    let unknown = |answer: &StoreAnswer| matches!(answer.result, Err(StoreError::Unknown(_)));
    assert!(client.until(3).iter().all(unknown), "{:?}", client.answers);
    assert!(matches!(
        handle.ask(StoreRequest::NextGuest).await,
        Err(StoreError::Unknown(_))
    ));
    let generation = handle.ask(StoreRequest::StoreGeneration).await;
    assert_eq!(generation, Ok(StoreReply::StoreGeneration(1)), "reads go on");
    assert_eq!(handle.queue_bytes(), 0);
}

/// What a thread shows, for a test to read.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<StoreTurn>>>);

impl Seen {
    fn until(&self, last: StoreTurn) -> Vec<StoreTurn> {
        let began = Instant::now();
        loop {
            let seen = self.0.lock().unwrap().clone();
            if seen.last() == Some(&last) {
                return seen;
            }
            assert!(began.elapsed() < LONG, "{seen:?}");
            thread::yield_now();
        }
    }
}

#[test]
fn a_thread_shows_when_it_waits_and_when_it_works() {
    let store = Arc::new(Gated::default());
    let seen = Seen::default();
    let for_writer = |name| -> StorePulse {
        let seen = seen.clone();
        Box::new(move |turn| {
            if name == "store writer" {
                seen.0.lock().unwrap().push(turn);
            }
        })
    };
    let behind: Arc<dyn Store> = store.clone();
    let (handle, _threads) =
        StoreHandle::spawn_watched(&behind, StoreSettings::default(), for_writer).unwrap();
    let mut client = Loop::new(&handle);
    seen.until(StoreTurn::Waits);
    client.port.send(1, StoreRequest::NextGuest);
    let (waits, works) = (StoreTurn::Waits, StoreTurn::Works);
    assert_eq!(seen.until(works), [waits, works]);
    store.open();
    client.until(1);
    assert_eq!(seen.until(waits), [waits, works, waits]);
}
