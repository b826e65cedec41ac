//! The store of one machine: one SQLite file for all its processes, write-ahead logged.
//!
//! One connection writes and one reads, so that neither waits for the other. The writers of all processes queue for one
//! file lock, and not in SQLite's polling.

mod accounts;
pub mod backup;
mod cluster;
mod columns;
mod creatures;
mod credentials;
mod devices;
mod durable;
mod fault;
mod game_states;
mod guests;
mod holdings;
mod identities;
mod keeper;
mod leases;
mod moment;
mod moves;
mod node_lock;
mod open;
mod open_error;
mod place;
mod players;
mod reports;
mod savepoint;
mod standing;
mod statement;
mod trades;
mod transaction;
mod valuables;
mod writer_lock;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::ids::{ClusterId, NodeNumber};
use protocol::node_handshake::StoreIdentity;
use rusqlite::Connection;

use crate::request::RequestClass;
use crate::{Store, StoreError, StoreReply, StoreRequest, StoreResult, rules};
use fault::Failure;
use keeper::{Keeper, Rounds};
use moment::Moment;
use node_lock::NodeLock;
pub use open_error::{Behind, Mismatch, OpenCause, OpenError, Witness};
pub use standing::Accept;
use standing::Standing;
use transaction::Ended;
use writer_lock::{NoTurn, WriterLock};

/// How long a batch waits for other writers before it fails, surely not applied. Transactions take milliseconds.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// A store in a file. Any number of processes may have it open.
#[derive(Debug)]
pub struct SqliteStore {
    /// Makes its last round first.
    keeper: Option<Keeper>,
    path: PathBuf,
    identity: StoreIdentity,
    writer: Mutex<Writer>,
    reader: Mutex<Option<Connection>>,
    /// Ends last: nobody takes this node for gone while it may still write.
    node: Option<NodeLock>,
}

/// Who opens a store.
#[derive(Clone, Copy, Debug)]
pub struct Membership<'a> {
    /// Whose store it has to be.
    pub cluster: ClusterId,
    /// Which node.
    pub node: NodeNumber,
    /// The node's data directory, where it remembers its store.
    pub data: &'a Path,
    /// What it does about a store that is not as it remembers it.
    pub accept: Accept,
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

    fn identity(&self) -> StoreIdentity {
        self.identity
    }
}

impl SqliteStore {
    /// Opens the store of a cluster for one of its nodes, as [`open`](Self::open) does. A new store is that cluster's from
    /// then on. While the node has it open, no other process of that node gets it, and a keeper merges its log and has the node,
    /// and all nodes together, remember how far it was; a store that is not as they remember it is refused.
    ///
    /// # Errors
    /// [`OpenError`], also when the store is another cluster's or not as remembered.
    pub fn open_as(path: &Path, member: &Membership<'_>) -> Result<Self, OpenError> {
        of_path(path, || {
            place::check(path)?;
            let node = NodeLock::hold(path, member.node)?.ok_or(OpenCause::NodeRuns(member.node))?;
            let look = || standing::check(path, member);
            let claim = |writer: &Connection, standing| {
                open::claim(writer, member.cluster)?;
                if let Standing::SetBack(above) = standing {
                    standing::raise_above(writer, above)?;
                }
                Ok(())
            };
            let (lock, writer) = open::open(path, look, claim)?;
            let mut store = Self::of(path, lock, writer)?;
            let rounds = Rounds::new(path, member, store.identity.world)?;
            (store.keeper, store.node) = (Some(Keeper::start(rounds)?), Some(node));
            Ok(store)
        })
    }

    /// Opens the store in `path`, creating the file (mode 0600) and its tables where missing. The directory must
    /// exist and must be on a local disk. Waits while another process does the same.
    ///
    /// # Errors
    /// [`OpenError`] names the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        of_path(path, || {
            let (lock, writer) = open::open(path, || Ok(()), |_, ()| Ok(()))?;
            Self::of(path, lock, writer)
        })
    }

    fn of(path: &Path, lock: WriterLock, writer: Connection) -> Result<Self, OpenCause> {
        let identity = StoreIdentity {
            world: open::world(&writer)?,
            copy: place::copy(path)?,
        };
        Ok(Self {
            keeper: None,
            path: path.to_owned(),
            identity,
            writer: Mutex::new(Writer {
                lock,
                connection: Some(writer),
                sync: Durability::AtOnce,
                is_ahead: false,
            }),
            reader: Mutex::new(None),
            node: None,
        })
    }

    /// Whether a process of this node works on the store.
    ///
    /// # Errors
    /// What the file system says.
    pub fn has(&self, node: NodeNumber) -> io::Result<bool> {
        node_lock::is_held(&self.path, node)
    }

    /// Which nodes have processes that work on the store at `path`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn nodes_at(path: &Path) -> io::Result<Vec<NodeNumber>> {
        node_lock::holders(path)
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
    pub fn close(mut self) {
        drop(self.keeper.take());
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

fn of_path<T>(path: &Path, open: impl FnOnce() -> Result<T, OpenCause>) -> Result<T, OpenError> {
    open().map_err(|cause| OpenError {
        path: path.to_owned(),
        cause,
    })
}

fn carry_out(connection: &Connection, request: &StoreRequest, at: Moment) -> Result<StoreReply, Failure> {
    rules::check(request).map_err(Failure::Request)?;
    match request {
        StoreRequest::StartNode { node } => leases::start(connection, *node),
        StoreRequest::Probe => cluster::probe(connection),
        StoreRequest::StoreGeneration => Ok(StoreReply::StoreGeneration(at.generation)),
        StoreRequest::RaiseStoreGeneration => cluster::raise_generation(connection),
        StoreRequest::ServeRegion { region, node, after } => {
            cluster::serve_region(connection, *region, *node, *after, at.generation)
        }
        StoreRequest::ReadService { region } => cluster::read_service(connection, *region),
        StoreRequest::ReadHolder { region } => Ok(StoreReply::Holder(cluster::holder(connection, *region)?)),
        StoreRequest::RenewLease { lease } => leases::renew(connection, *lease),
        StoreRequest::TakeOver { taker, holder } => leases::take_over(connection, *taker, holder, at),
        StoreRequest::GiveRegion { from, to } => leases::give(connection, *from, *to, at),
        StoreRequest::NoteTopology { version } => cluster::note_topology(connection, *version),
        StoreRequest::RegionsInUse => cluster::regions_in_use(connection),
        StoreRequest::CloseRegion { serving, ground } => cluster::close_region(connection, *serving, ground),
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
        StoreRequest::SavePlayers { owner, saves } => players::save_all(connection, *owner, saves, at),
        StoreRequest::CommitDurable { serving, commits } => {
            durable::commit_all(connection, *serving, commits, at)
        }
        StoreRequest::Release { serving, save } => players::release(connection, *serving, save, at),
        StoreRequest::RebindSession { serving, save } => players::rebind(connection, *serving, save, at),
        StoreRequest::NextGuest => cluster::next_guest(connection),
        StoreRequest::RaiseSession { user } => cluster::raise_session(connection, *user, at),
        StoreRequest::ExtendSession { user, generation } => {
            cluster::extend_session(connection, *user, *generation, at)
        }
        StoreRequest::EndSession { user, generation } => cluster::end_session(connection, *user, *generation),
        StoreRequest::ReadSession { user } => cluster::read_session(connection, *user),
        StoreRequest::Account(request) => credentials::carry_out(connection, request, at),
        StoreRequest::ReadChains { users } => players::chains(connection, users),
        StoreRequest::WriteCreatures { .. } | StoreRequest::ReadCreatures { .. } => {
            creatures::carry_out(connection, request)
        }
        // All others are about holdings, guests and what games keep.
        _ => carry_out_of_holdings(connection, request, at),
    }
}

fn carry_out_of_holdings(
    connection: &Connection,
    request: &StoreRequest,
    at: Moment,
) -> Result<StoreReply, Failure> {
    match request {
        StoreRequest::SeedHoldings {
            region,
            seed,
            holdings,
        } => holdings::seed(connection, *region, *seed, holdings),
        StoreRequest::HoldingsOnGround { region } => holdings::on_ground(connection, *region),
        StoreRequest::HoldingsOf { user } => holdings::held_by(connection, *user, at),
        StoreRequest::AllHoldings { after } => holdings::page(connection, *after),
        StoreRequest::CountHoldings => holdings::counts(connection),
        StoreRequest::CommitGround {
            serving,
            version,
            changes,
        } => valuables::commit_ground(connection, *serving, *version, changes),
        StoreRequest::ReadGameState { of, after } => game_states::read(connection, *of, *after),
        StoreRequest::SaveGameState {
            serving,
            of,
            version,
            state,
        } => game_states::save(connection, *serving, *of, *version, state),
        StoreRequest::CancelOverdue { user } => {
            let cancelled = trades::cancel_overdue(connection, *user, at)?;
            Ok(StoreReply::TradesCancelled(cancelled))
        }
        StoreRequest::OverdueOffers { since_ms } => trades::overdue(connection, *since_ms, at),
        StoreRequest::StaleGuests { idle_ms, after } => guests::stale(connection, *idle_ms, *after, at),
        StoreRequest::ForgetGuests {
            serving,
            idle_ms,
            guests,
        } => guests::forget(connection, *serving, *idle_ms, guests, at),
        StoreRequest::ForgetSessions { idle_ms, after } => {
            guests::forget_sessions(connection, *idle_ms, *after, at)
        }
        // `carry_out` knows the others.
        _ => Err(Failure::Request(StoreError::Invalid("a request of another kind"))),
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
