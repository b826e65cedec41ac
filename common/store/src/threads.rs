//! The store's two threads: one carries out what changes something, one what only reads. Plain loops; what arrives while
//! a batch runs is the next batch, so that nothing lingers and batches grow with the load.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use crate::answer::Wake;
use crate::batch::BatchQueue;
use crate::lane::{Asker, Lane, StorePulse, StoreTurn};
use crate::request::RequestClass;
use crate::{Store, StoreError, StoreReply, StoreRequest};

const WRITER: &str = "store writer";
const READER: &str = "store reader";

/// The threads of a store, for whoever watches over them.
#[derive(Debug)]
pub struct StoreThreads {
    threads: Vec<StoreThread>,
    broken: watch::Receiver<Option<&'static str>>,
}

struct StoreThread {
    name: &'static str,
    join: JoinHandle<()>,
}

impl StoreThreads {
    /// Waits until a thread has panicked; says which. Nothing is carried out any more then, and who waits for an answer
    /// is told that nobody knows. Waits for ever when all end as they should.
    pub async fn broken(&self) -> &'static str {
        let mut broken = self.broken.clone();
        loop {
            if let Some(name) = *broken.borrow_and_update() {
                return name;
            }
            if broken.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until everything sent has been answered; all handles and ports must be gone. Blocks.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join.join().is_err() {
                tracing::error!(thread = thread.name, "a thread of the store had panicked");
            }
        }
    }
}

impl fmt::Debug for StoreThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreThread")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Starts a thread for each lane.
pub(crate) fn start(
    store: &Arc<dyn Store>,
    writes: &Arc<Lane>,
    reads: &Arc<Lane>,
    mut pulse: impl FnMut(&'static str) -> StorePulse,
) -> io::Result<StoreThreads> {
    let (tell, broken) = watch::channel(None);
    let mut start = |name, lane: &Arc<Lane>| {
        let work = Work {
            name,
            store: Arc::clone(store),
            lane: Arc::clone(lane),
            tell: tell.clone(),
            pulse: pulse(name),
        };
        let join = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work.run())?;
        Ok::<_, io::Error>(StoreThread { name, join })
    };
    let threads = vec![start(WRITER, writes)?, start(READER, reads)?];
    Ok(StoreThreads { threads, broken })
}

/// What one thread has.
struct Work {
    name: &'static str,
    store: Arc<dyn Store>,
    lane: Arc<Lane>,
    tell: watch::Sender<Option<&'static str>>,
    pulse: StorePulse,
}

impl Work {
    fn run(self) {
        let mut waiting = BatchQueue::default();
        let mut arrived = Vec::new();
        loop {
            // Whatever came while the last batch ran is taken in before the next is chosen, or a turn would be given
            // while something urgent waits.
            self.lane.receive(!waiting.is_empty(), &self.pulse, &mut arrived);
            (self.pulse)(StoreTurn::Works);
            for queued in arrived.drain(..) {
                waiting.push(queued.request, queued.asker);
            }
            let batch = waiting.take();
            if batch.is_empty() {
                return;
            }
            self.carry_out(batch);
        }
    }

    fn carry_out(&self, batch: Vec<(StoreRequest, Asker)>) {
        let (requests, askers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let is_turn = |request: &StoreRequest| request.class() == RequestClass::Turn;
        let results = if requests.iter().all(is_turn) {
            // Who asks for a turn asks for nothing of the database.
            vec![Ok(StoreReply::SoftTurn); requests.len()]
        } else {
            self.store.execute(&requests)
        };
        let mut results = results.into_iter();
        let missing = || {
            let what = "the store left a request unanswered";
            Err(StoreError::Unknown(what.to_owned()))
        };
        let said: Vec<Wake> = askers
            .into_iter()
            .map(|asker| asker.say(results.next().unwrap_or_else(missing)))
            .collect();
        said.into_iter().for_each(Wake::wake);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if thread::panicking() {
            self.lane.abandon();
            self.tell.send_replace(Some(self.name));
        }
    }
}
