//! Keeps a store safe from the loss of its log, on a thread of its own: it merges the log into the file, and has the
//! nodes remember outside of the store how far it was: all of them together beside the file, and each in its data directory.
//!
//! A round merges first and counts afterwards, so that the newest count always stands in the log and in no merged file: a
//! log that is lost, or is of another time, takes the count back with it, and the mark beside the file shows it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use protocol::Shown;
use protocol::ids::{NodeNumber, WorldId};
use rusqlite::Connection;

use super::statement::query;
use super::writer_lock::WriterLock;
use super::{Membership, WRITE_WITHIN, cluster, fault, no_turn, open, place};
use crate::StoreError;
use crate::mark::StoreMark;

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(30);
/// How often the log is looked at …
const LOOK: Duration = Duration::from_secs(1);
/// … and how long it may be before a round is due, bytes.
const LOG_BYTES_MAX: u64 = 4 << 20;

/// The thread. Dropping it makes a last round.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Stop {
    is_asked: Mutex<bool>,
    asked: Condvar,
}

/// What a round needs.
#[derive(Debug)]
pub(super) struct Rounds {
    store: PathBuf,
    data: PathBuf,
    node: NodeNumber,
    world: WorldId,
    lock: WriterLock,
    connection: Option<Connection>,
}

impl Keeper {
    /// Makes a first round and goes on.
    pub(super) fn start(mut rounds: Rounds) -> Result<Self, StoreError> {
        rounds.make()?;
        let stop = Arc::<Stop>::default();
        let asked = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("store keeper".to_owned())
            .spawn(move || rounds.until(&asked));
        let thread = thread.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        *self.stop.is_asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.asked.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the keeper of the store had panicked");
        }
    }
}

impl Rounds {
    pub(super) fn new(store: &Path, member: &Membership<'_>, world: WorldId) -> io::Result<Self> {
        Ok(Self {
            store: store.to_owned(),
            data: member.data.to_owned(),
            node: member.node,
            world,
            lock: WriterLock::open(store)?,
            connection: None,
        })
    }

    fn until(mut self, stop: &Stop) {
        let mut last = Instant::now();
        let mut failed = false;
        loop {
            let is_asked = stop.is_asked.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = stop.asked.wait_timeout_while(is_asked, LOOK, |asked| !*asked);
            let is_last = *waited.unwrap_or_else(PoisonError::into_inner).0;
            // After a failure not at once: the disk may be full for a while.
            let due = last.elapsed() >= ROUND || (!failed && self.log_bytes() >= LOG_BYTES_MAX);
            if due || is_last {
                let made = self.make();
                failed = made.is_err();
                last = Instant::now();
                if let Err(error) = made {
                    tracing::warn!(%error, "the log of the store could not be merged, or it was not noted how far it is");
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// Merges, counts, remembers.
    pub(super) fn make(&mut self) -> Result<(), StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => before_commit(open::to_write(&self.store))?,
        };
        // Nobody waits for most of it.
        merge(&connection)?;
        let turn = self.lock.wait(WRITE_WITHIN).map_err(no_turn)?;
        merge(&connection)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let counted = cluster::count_round(&connection, self.node, at_ms);
        let (generation, progress) = counted.map_err(|error| fault::at_commit(&error))?;
        let mark = StoreMark {
            world: self.world,
            generation,
            progress,
            at_ms: at_ms.unsigned_abs(),
        };
        // In turn, or a slow node's older mark could replace a newer one.
        let beside = place::beside(&self.store, place::MARK);
        let with_others = mark.write_file(&beside);
        drop(turn);
        // Each may be on a disk of its own, and either tells something alone.
        let alone = mark.write(&self.data);
        self.connection = Some(connection);
        not_noted(&beside, with_others).and(not_noted(&self.data, alone))
    }

    fn log_bytes(&self) -> u64 {
        fs::metadata(place::beside(&self.store, "-wal")).map_or(0, |log| log.len())
    }
}

/// Merges as much of the log as no reader and no writer needs, and waits for none of them.
fn merge(connection: &Connection) -> Result<(), StoreError> {
    before_commit(query(connection, "PRAGMA wal_checkpoint(PASSIVE)").row(|_| Ok(()))).map(drop)
}

fn not_noted(place: &Path, written: io::Result<()>) -> Result<(), StoreError> {
    written.map_err(|error| StoreError::Unavailable(format!("{}: {error}", Shown(place.display()))))
}

fn before_commit<T>(result: rusqlite::Result<T>) -> Result<T, StoreError> {
    result.map_err(|error| fault::before_commit(&error))
}
