//! The store of one machine: one SQLite file for all its processes, write-ahead logged.
//!
//! One connection writes and one reads, so that neither waits for the other. The writers of all processes queue for one
//! file lock, and not in SQLite's polling.

mod cluster;
mod columns;
mod durable;
mod fault;
mod holdings;
mod open;
mod players;
mod savepoint;
mod statement;
mod transaction;
mod writer_lock;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::ids::ClusterId;
use rusqlite::Connection;

use crate::request::RequestClass;
use crate::{Store, StoreError, StoreReply, StoreRequest, StoreResult, rules};
use fault::Failure;
pub use open::{OpenCause, OpenError};
use players::Moment;
use transaction::Ended;
use writer_lock::{NoTurn, WriterLock};

/// How long a batch waits for other writers before it fails, surely not applied. Transactions take milliseconds.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// A store in a file. Any number of processes may have it open.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    writer: Mutex<Writer>,
    reader: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Writer {
    lock: WriterLock,
    /// None after a failure.
    connection: Option<Connection>,
    /// How the connection's next commit is.
    sync: Durability,
    /// Something may be committed that is not on disk.
    is_ahead: bool,
}

/// When a commit is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// Before it returns, and all before it.
    AtOnce,
    /// With the next one that syncs, or when the log is merged into the file. What is lost until then is lost from its end:
    /// the file is never torn, and only a machine that stops loses anything, not a process that dies.
    Later,
}

impl Durability {
    fn of(requests: &[StoreRequest]) -> Self {
        let may_wait =
            |request: &StoreRequest| request.class() == RequestClass::Soft || *request == StoreRequest::Probe;
        if requests.iter().all(may_wait) {
            Self::Later
        } else {
            Self::AtOnce
        }
    }

    /// The value of `PRAGMA synchronous`.
    fn pragma(self) -> &'static str {
        match self {
            Self::AtOnce => "full",
            Self::Later => "normal",
        }
    }
}

impl Writer {
    /// Brings to disk what has been committed without.
    fn catch_up(&mut self) -> Result<(), StoreError> {
        // A write of nothing new: with it everything before it is synced.
        let sync = format!("PRAGMA synchronous = full; {}", open::mark());
        let Some(connection) = self.connection.as_ref().filter(|_| self.is_ahead) else {
            return Ok(());
        };
        let _turn = self.lock.wait(WRITE_WITHIN).map_err(no_turn)?;
        let synced = connection.execute_batch(&sync);
        synced.map_err(|error| fault::before_commit(&error))?;
        (self.sync, self.is_ahead) = (Durability::AtOnce, false);
        Ok(())
    }
}

/// Why somebody has applied nothing who has waited for the turn.
fn no_turn(error: NoTurn) -> StoreError {
    match error {
        NoTurn::TooLong => fault::held_too_long(),
        NoTurn::File(error) => StoreError::Unavailable(error.to_string()),
    }
}

impl Store for SqliteStore {
    fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        if requests
            .iter()
            .all(|request| request.class() == RequestClass::Read)
        {
            return self.read(requests);
        }
        let results = self.write(requests);
        let damaged = |result: &StoreResult| matches!(result, Err(StoreError::Corrupt(_)));
        if requests.len() > 1 && results.iter().all(damaged) {
            // A damaged page hits whoever needs it, and nobody else.
            return requests
                .chunks(1)
                .flat_map(|request| self.write(request))
                .collect();
        }
        results
    }
}

impl SqliteStore {
    /// Opens the store of one cluster, as [`open`](Self::open) does. A new store is that cluster's from then on.
    ///
    /// # Errors
    /// [`OpenError`], also when the store is another cluster's.
    pub fn open_for(path: &Path, cluster: ClusterId) -> Result<Self, OpenError> {
        let store = Self::open(path)?;
        let claimed = match store.writer().connection.as_ref() {
            Some(writer) => open::claim(writer, cluster),
            None => Ok(()),
        };
        claimed.map_err(|cause| OpenError {
            path: path.to_owned(),
            cause,
        })?;
        Ok(store)
    }

    /// Opens the store in `path`, creating the file (mode 0600) and its tables where missing. The directory must
    /// exist and must be on a local disk. Waits while another process does the same.
    ///
    /// # Errors
    /// [`OpenError`] names the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (lock, writer) = open::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(Writer {
                lock,
                connection: Some(writer),
                sync: Durability::AtOnce,
                is_ahead: false,
            }),
            reader: Mutex::new(None),
        })
    }

    /// Refuses to grow the file beyond `pages` of 4 KiB, as a full disk would, until the next failure: for tests.
    ///
    /// # Errors
    /// As any request.
    pub fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        // SQLite never sets the limit below what the file has already.
        let limited = match self.writer().connection.as_ref() {
            Some(writer) => writer.pragma_update(None, "max_page_count", pages),
            None => Ok(()),
        };
        limited.map_err(|error| fault::before_commit(&error))
    }

    /// Brings everything to disk and closes all connections. The last process to do so merges the log into the file.
    pub fn close(self) {
        if let Err(error) = self.writer().catch_up() {
            tracing::warn!(%error, "the last soft saves are not on disk before the next sync");
        }
        let reader = self.reader.into_inner().unwrap_or_else(PoisonError::into_inner);
        let writer = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        for connection in reader.into_iter().chain(writer.connection) {
            if let Err((_, error)) = connection.close() {
                tracing::warn!(%error, "the store was not closed cleanly; its log is replayed at the next start");
            }
        }
    }

    /// A connection is put back only when it is sound: dropped half-way, by an error or a panic, it takes its transaction
    /// with it. So a poisoned lock guards nothing broken.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let mut slot = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = slot.take().map_or_else(|| open::to_read(&self.path), Ok);
        let ended = match &connection {
            Ok(connection) => transaction::read(connection, requests),
            Err(error) => Ended::failed(fault::before_commit(error), requests),
        };
        *slot = connection.ok().filter(|_| ended.is_sound);
        ended.results
    }

    fn write(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let mut writer = self.writer();
        let Writer {
            lock,
            connection,
            sync,
            is_ahead,
        } = &mut *writer;
        let began = Instant::now();
        let turn = match lock.wait(WRITE_WITHIN) {
            Ok(turn) => turn,
            Err(error) => return Ended::failed(no_turn(error), requests).results,
        };
        let opened = connection.take().map_or_else(
            || {
                *sync = Durability::AtOnce;
                open::to_write(&self.path)
            },
            Ok,
        );
        let wanted = Durability::of(requests);
        let opened = opened.and_then(|writer| {
            if *sync != wanted {
                writer.pragma_update(None, "synchronous", wanted.pragma())?;
                *sync = wanted;
            }
            Ok(writer)
        });
        let ended = match &opened {
            Ok(writer) => {
                let within = WRITE_WITHIN.saturating_sub(began.elapsed());
                transaction::write(writer, requests, within)
            }
            Err(error) => Ended::failed(fault::before_commit(error), requests),
        };
        // A connection that is not sound closes here, and with it its transaction, before the next one's turn.
        *connection = opened.ok().filter(|_| ended.is_sound);
        *is_ahead = wanted == Durability::Later || (*is_ahead && !ended.is_sound);
        drop(turn);
        ended.results
    }
}

fn carry_out(connection: &Connection, request: &StoreRequest, at: Moment) -> Result<StoreReply, Failure> {
    rules::check(request).map_err(Failure::Request)?;
    match request {
        StoreRequest::StartNode { node } => cluster::start_node(connection, *node),
        StoreRequest::Probe => cluster::probe(connection),
        StoreRequest::StoreGeneration => Ok(StoreReply::StoreGeneration(at.generation)),
        StoreRequest::RaiseStoreGeneration => cluster::raise_generation(connection),
        StoreRequest::ServeRegion { region, node, after } => {
            cluster::serve_region(connection, *region, *node, *after, at.generation)
        }
        StoreRequest::ReadService { region } => {
            Ok(StoreReply::Service(cluster::service(connection, *region)?))
        }
        StoreRequest::LoadPlayer { user } => Ok(StoreReply::Player(players::load(connection, *user)?)),
        StoreRequest::ReadOwner { user } => Ok(StoreReply::Owner(players::owner(connection, *user)?)),
        StoreRequest::InsertPlayer { row } => players::insert(connection, row, at),
        StoreRequest::Activate {
            user,
            serving,
            expected,
            binding,
        } => players::activate(connection, *user, *serving, *expected, *binding, at),
        StoreRequest::PassPlayers {
            from,
            to,
            attempt,
            passengers,
        } => players::pass(connection, *from, *to, *attempt, passengers, at),
        StoreRequest::Reclaim {
            user,
            serving,
            expected,
        } => players::reclaim(connection, *user, *serving, *expected, at),
        StoreRequest::SoftTurn => Ok(StoreReply::SoftTurn),
        StoreRequest::SavePlayers { owner, saves } => {
            let mut outcomes = Vec::with_capacity(saves.len());
            for save in saves {
                outcomes.push(players::save(connection, *owner, save, at)?);
            }
            Ok(StoreReply::Saved(outcomes))
        }
        StoreRequest::CommitDurable { owner, commits } => {
            let mut outcomes = Vec::with_capacity(commits.len());
            for commit in commits {
                outcomes.push(durable::commit(connection, *owner, commit, at)?);
            }
            Ok(StoreReply::Committed(outcomes))
        }
        StoreRequest::Release { owner, save } => players::release(connection, *owner, save, at),
        StoreRequest::RebindSession { owner, save } => players::rebind(connection, *owner, save, at),
        StoreRequest::NextGuest => cluster::next_guest(connection),
        StoreRequest::RaiseSession { user } => cluster::raise_session(connection, *user, at.generation),
        StoreRequest::ReadSession { user } => cluster::read_session(connection, *user),
        StoreRequest::SeedHoldings {
            region,
            seed,
            holdings,
        } => holdings::seed(connection, *region, *seed, holdings),
        StoreRequest::HoldingsOnGround { region } => holdings::on_ground(connection, *region),
        StoreRequest::HoldingsOf { user } => holdings::held_by(connection, *user),
        StoreRequest::AllHoldings { after } => holdings::page(connection, *after),
        StoreRequest::CountHoldings => holdings::counts(connection),
        StoreRequest::ReadChains { users } => players::chains(connection, users),
        StoreRequest::DeleteStaleGuests { idle_ms } => {
            let idle_ms = i64::try_from(*idle_ms).unwrap_or(i64::MAX);
            cluster::delete_stale_guests(connection, at.now_ms.saturating_sub(idle_ms))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::NodeNumber;

    #[test]
    fn only_batches_of_soft_requests_are_committed_without_a_sync_and_closing_catches_up() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&dir.path().join("store.sqlite")).unwrap();
        let soft = StoreRequest::SavePlayers {
            owner: NodeNumber(1),
            saves: Vec::new(),
        };
        let standing = |store: &SqliteStore| {
            let writer = store.writer();
            let connection = writer.connection.as_ref().unwrap();
            let sync: i64 = connection
                .pragma_query_value(None, "synchronous", |row| row.get(0))
                .unwrap();
            (sync, writer.is_ahead)
        };
        let (normal, full) = (1, 2);
        assert_eq!(standing(&store), (full, false));
        store.execute(std::slice::from_ref(&soft));
        assert_eq!(standing(&store), (normal, true));
        store.execute(&[soft.clone(), StoreRequest::NextGuest]);
        assert_eq!(standing(&store), (full, false), "one that is not soft syncs all");
        store.execute(&[soft]);
        let log = || {
            std::fs::metadata(dir.path().join("store.sqlite-wal"))
                .unwrap()
                .len()
        };
        let before = log();
        store.writer().catch_up().unwrap();
        assert!(log() > before, "a commit that writes nothing syncs nothing");
        assert_eq!(standing(&store), (full, false));
    }
}
