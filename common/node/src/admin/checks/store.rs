//! The store of a node, whatever its role: its threads are watched, and it is asked for ever whether it takes writes.

use crate::admin::{Check, Readiness};
use crate::life::{Ended, Owners, Patience};
use std::future::Future;
use store::probe::{ProbeNews, probe};
use store::{StoreHandle, StorePulse, StoreTurn};
use tokio_util::sync::CancellationToken;

/// A pulse for each thread of the store: one that is stuck is named, and the node is not ready meanwhile.
pub fn store_watch(owners: &Owners) -> impl FnMut(&'static str) -> StorePulse + use<> {
    let owners = owners.clone();
    move |name| {
        let pulse = owners.watch(name, Patience::STORE);
        Box::new(move |turn| match turn {
            StoreTurn::Waits => pulse.begin_wait(),
            StoreTurn::Works => pulse.begin_work(),
        })
    }
}

/// Asks the store until `stop`. Until it has answered, and while more waits for it than it may, the node is not ready.
pub fn probe_store(
    readiness: &Readiness,
    store: StoreHandle,
    stop: &CancellationToken,
) -> impl Future<Output = Ended> + use<> {
    let (readiness, stop, queue) = (readiness.clone(), stop.clone(), store.queue());
    readiness.set("store", Check::missing("has not answered yet"));
    readiness.ask("store queue", move || {
        let kib = |bytes: u64| format!("{} KiB", bytes >> 10);
        Check::filled(queue.bytes() as u64, queue.bytes_max() as u64, kib)
    });
    let tell = move |news: ProbeNews| {
        readiness.set("store", Check::needed(news.is_well(), news.to_string()));
    };
    let probing = probe(store, tell);
    async move {
        stop.run_until_cancelled(probing).await;
        Ended::by(&stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Standing;
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use store::{Store, StoreReply, StoreRequest, StoreResult, StoreSettings};

    /// Answers when it may.
    struct Held(Mutex<Receiver<()>>);

    impl Store for Held {
        fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
            let _ = self.0.lock().unwrap().recv();
            requests.iter().map(|_| Ok(StoreReply::Probed)).collect()
        }
    }

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..2_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never: {what}");
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_keeps_players_out_and_its_thread_is_named() {
        let (may, held) = channel();
        let store: Arc<dyn Store> = Arc::new(Held(Mutex::new(held)));
        let (owners, readiness) = (Owners::default(), Readiness::default());
        let (handle, _threads) =
            StoreHandle::spawn_watched(&store, StoreSettings::default(), store_watch(&owners)).unwrap();
        readiness.started();
        let stop = CancellationToken::new();
        let probing = tokio::spawn(probe_store(&readiness, handle, &stop));
        assert_eq!(readiness.reasons(), ["store: has not answered yet"]);
        let said = readiness.report().verbose();
        assert!(said.contains("[+] store queue: 0 KiB of "), "{said}");
        until("its silence is told", || {
            readiness.reasons() == ["store: has not answered for 1 s"]
        })
        .await;
        for _ in 0..10 {
            owners.look();
        }
        let stuck = ("store writer".to_owned(), Standing::Stalled(10));
        assert!(owners.standings().contains(&stuck), "{:?}", owners.standings());
        may.send(()).unwrap();
        until("it answers", || readiness.report().is_ready()).await;
        stop.cancel();
        drop(may);
        assert_eq!(probing.await.unwrap(), Ended::AsAsked);
    }
}
