//! The store of one machine: one SQLite file for all its processes, write-ahead logged, fsynced at each commit.
//!
//! One writer connection per process, so that its batches queue here and not in SQLite's busy loop; reads go past it.

mod cluster;
mod columns;
mod durable;
mod fault;
mod holdings;
mod open;
mod players;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::ids::ClusterId;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use crate::request::RequestClass;
use crate::{Store, StoreError, StoreReply, StoreRequest, StoreResult, rules};
use fault::Failure;
pub use open::{OpenCause, OpenError};
use players::Moment;

/// A store in a file. Any number of processes may have it open.
#[derive(Debug)]
pub struct SqliteStore {
    // Empty after a failure: SQLite may have ended the transaction by itself, so only a fresh connection is sure.
    writer: Mutex<Option<SqliteConnection>>,
    options: SqliteConnectOptions,
    readers: SqlitePool,
}

#[async_trait::async_trait]
impl Store for SqliteStore {
    async fn execute(&self, requests: Vec<StoreRequest>) -> Vec<StoreResult> {
        let result = if requests
            .iter()
            .all(|request| request.class() == RequestClass::Read)
        {
            self.read(&requests).await
        } else {
            self.write(&requests).await
        };
        result.unwrap_or_else(|error| vec![Err(error); requests.len()])
    }
}

impl SqliteStore {
    /// Opens the store of one cluster, as [`open`](Self::open) does. A new store is that cluster's from then on.
    ///
    /// # Errors
    /// [`OpenError`], also when the store is another cluster's.
    pub async fn open_for(path: &Path, cluster: ClusterId) -> Result<Self, OpenError> {
        let store = Self::open(path).await?;
        let mut slot = store.writer.lock().await;
        let claimed = match slot.as_mut() {
            Some(writer) => open::claim(writer, cluster).await,
            None => Ok(()),
        };
        drop(slot);
        claimed.map_err(|cause| OpenError {
            path: path.to_owned(),
            cause,
        })?;
        Ok(store)
    }

    /// Opens the store in `path`, creating the file (mode 0600) and its tables where missing. The directory must
    /// exist and must be on a local disk.
    ///
    /// # Errors
    /// [`OpenError`] names the file and what is wrong with it.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let open::Connections {
            writer,
            readers,
            options,
        } = open::open(path).await?;
        Ok(Self {
            writer: Mutex::new(Some(writer)),
            options,
            readers,
        })
    }

    /// Refuses to grow the file beyond `pages` of 4 KiB, as a full disk would, until the next failure: for tests.
    ///
    /// # Errors
    /// As any request.
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        let mut slot = self.writer.lock().await;
        let limited = match slot.as_mut() {
            Some(writer) => open::limit_pages(writer, pages).await,
            None => Ok(()),
        };
        limited.map_err(|error| fault::before_commit(&error))
    }

    /// Closes all connections and merges the log into the file.
    pub async fn close(self) {
        self.readers.close().await;
        let Some(writer) = self.writer.into_inner() else {
            return;
        };
        if let Err(error) = writer.close().await {
            tracing::warn!(%error, "the store was not closed cleanly; its log is replayed at the next start");
        }
    }

    async fn read(&self, requests: &[StoreRequest]) -> Result<Vec<StoreResult>, StoreError> {
        let mut reader = self
            .readers
            .acquire()
            .await
            .map_err(|error| fault::before_commit(&error))?;
        let at = moment(&mut reader)
            .await
            .map_err(|error| fault::before_commit(&error))?;
        carry_out_all(&mut reader, requests, at).await
    }

    /// The connection is put back only after a commit: dropped half-way, by an error or by a caller that gave up, it
    /// takes its transaction with it.
    async fn write(&self, requests: &[StoreRequest]) -> Result<Vec<StoreResult>, StoreError> {
        let mut slot = self.writer.lock().await;
        let mut writer = match slot.take() {
            Some(writer) => writer,
            None => self
                .options
                .connect()
                .await
                .map_err(|error| fault::before_commit(&error))?,
        };
        let results = transact(&mut writer, requests).await?;
        *slot = Some(writer);
        Ok(results)
    }
}

async fn transact(
    writer: &mut SqliteConnection,
    requests: &[StoreRequest],
) -> Result<Vec<StoreResult>, StoreError> {
    // IMMEDIATE: the write lock before the first read, or two processes could both read and then wait for each other.
    let begun = writer.begin_with("BEGIN IMMEDIATE").await;
    let mut transaction = begun.map_err(|error| fault::before_commit(&error))?;
    let at = moment(&mut transaction)
        .await
        .map_err(|error| fault::before_commit(&error))?;
    let results = carry_out_all(&mut transaction, requests, at).await?;
    transaction
        .commit()
        .await
        .map_err(|error| fault::at_commit(&error))?;
    Ok(results)
}

async fn moment(connection: &mut SqliteConnection) -> Result<Moment, sqlx::Error> {
    let generation = cluster::generation(connection).await?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Moment {
        generation,
        now_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
    })
}

async fn carry_out_all(
    connection: &mut SqliteConnection,
    requests: &[StoreRequest],
    mut at: Moment,
) -> Result<Vec<StoreResult>, StoreError> {
    let mut results = Vec::with_capacity(requests.len());
    for request in requests {
        results.push(match carry_out(connection, request, at).await {
            Ok(reply) => Ok(reply),
            Err(Failure::Request(error)) => Err(error),
            Err(Failure::Batch(error)) => return Err(error),
        });
        if let (StoreRequest::RaiseStoreGeneration, Some(Ok(StoreReply::StoreGeneration(raised)))) =
            (request, results.last())
        {
            at.generation = *raised;
        }
    }
    Ok(results)
}

async fn carry_out(
    connection: &mut SqliteConnection,
    request: &StoreRequest,
    at: Moment,
) -> Result<StoreReply, Failure> {
    rules::check(request).map_err(Failure::Request)?;
    match request {
        StoreRequest::StartNode { node } => cluster::start_node(connection, *node).await,
        StoreRequest::StoreGeneration => Ok(StoreReply::StoreGeneration(at.generation)),
        StoreRequest::RaiseStoreGeneration => cluster::raise_generation(connection).await,
        StoreRequest::ServeRegion { region, node, after } => {
            cluster::serve_region(connection, *region, *node, *after, at.generation).await
        }
        StoreRequest::ReadService { region } => {
            Ok(StoreReply::Service(cluster::service(connection, *region).await?))
        }
        StoreRequest::LoadPlayer { user } => Ok(StoreReply::Player(players::load(connection, *user).await?)),
        StoreRequest::ReadOwner { user } => {
            let row = players::load(connection, *user).await?;
            Ok(StoreReply::Owner(row.map(|row| row.owner_record())))
        }
        StoreRequest::InsertPlayer { row } => players::insert(connection, row, at).await,
        StoreRequest::Activate {
            user,
            serving,
            expected,
            binding,
        } => players::activate(connection, *user, *serving, *expected, *binding, at).await,
        StoreRequest::PassPlayers {
            from,
            to,
            attempt,
            passengers,
        } => players::pass(connection, *from, *to, *attempt, passengers, at).await,
        StoreRequest::Reclaim {
            user,
            serving,
            expected,
        } => players::reclaim(connection, *user, *serving, *expected, at).await,
        StoreRequest::SavePlayers { owner, saves } => {
            let mut outcomes = Vec::with_capacity(saves.len());
            for save in saves {
                outcomes.push(players::save(connection, *owner, save, at).await?);
            }
            Ok(StoreReply::Saved(outcomes))
        }
        StoreRequest::CommitDurable { owner, commits } => {
            let mut outcomes = Vec::with_capacity(commits.len());
            for commit in commits {
                outcomes.push(durable::commit(connection, *owner, commit, at).await?);
            }
            Ok(StoreReply::Committed(outcomes))
        }
        StoreRequest::Release { owner, save } => players::release(connection, *owner, save, at).await,
        StoreRequest::RebindSession { owner, save } => players::rebind(connection, *owner, save, at).await,
        StoreRequest::NextGuest => cluster::next_guest(connection).await,
        StoreRequest::RaiseSession { user } => cluster::raise_session(connection, *user, at.generation).await,
        StoreRequest::ReadSession { user } => cluster::read_session(connection, *user).await,
        StoreRequest::SeedHoldings { seed, holdings } => holdings::seed(connection, *seed, holdings).await,
        StoreRequest::HoldingsOnGround { region } => holdings::on_ground(connection, *region).await,
        StoreRequest::HoldingsOf { user } => holdings::held_by(connection, *user).await,
        StoreRequest::AllHoldings { after } => holdings::page(connection, *after).await,
        StoreRequest::CountHoldings => holdings::counts(connection).await,
        StoreRequest::ReadChains { users } => players::chains(connection, users).await,
        StoreRequest::DeleteStaleGuests { idle_ms } => {
            let idle_ms = i64::try_from(*idle_ms).unwrap_or(i64::MAX);
            cluster::delete_stale_guests(connection, at.now_ms.saturating_sub(idle_ms)).await
        }
    }
}
