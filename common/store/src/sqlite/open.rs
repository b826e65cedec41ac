//! Opening the file: private to its user, migrated by one process at a time, refused with a clear sentence.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::ids::ClusterId;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, SqlitePool};

use super::fault;
use crate::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long a batch waits for another process's transaction before it fails. Transactions take milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections for reads beside the writer.
const READERS_MAX: u32 = 2;

/// Why a file could not be opened as a store.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the store {}: {cause}", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub cause: OpenCause,
}

impl OpenError {
    /// Whether it may be well the next time, without anybody changing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            &self.cause,
            OpenCause::Store(StoreError::Unavailable(_) | StoreError::Unknown(_))
        )
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum OpenCause {
    /// The file system refuses.
    #[error(
        "{0}; the file and its directory must be there and writable for this user, or name others with `store.path`"
    )]
    File(#[from] io::Error),
    /// The database refuses.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A database that no store has made.
    #[error("this is a database of something else; name another file with `store.path`")]
    NotAStore,
    /// The store of another cluster: its epochs mean nothing here, and ours would break it.
    #[error(
        "this is the store of another cluster; name this cluster's with `store.path`, or a new file to begin anew"
    )]
    OtherCluster,
}

/// One connection to write and a few to read.
pub(super) struct Connections {
    pub(super) writer: SqliteConnection,
    pub(super) readers: SqlitePool,
    /// For another writer.
    pub(super) options: SqliteConnectOptions,
}

/// Opens the file and brings its tables up to date.
pub(super) async fn open(path: &Path) -> Result<Connections, OpenError> {
    connect(path).await.map_err(|cause| OpenError {
        path: path.to_owned(),
        cause,
    })
}

async fn connect(path: &Path) -> Result<Connections, OpenCause> {
    create_private(path)?;
    let lock = lock_for_opening(path).await?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging();
    let mut writer = options
        .connect()
        .await
        .map_err(|error| fault::before_commit(&error))?;
    if is_foreign(&mut writer).await? {
        return Err(OpenCause::NotAStore);
    }
    migrate(&mut writer).await?;
    drop(lock);
    let reading = options.clone().read_only(true);
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .connect_lazy_with(reading);
    Ok(Connections {
        writer,
        readers,
        options,
    })
}

/// SQLite gives its other files the permissions of this one.
fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Several processes start at once, and migrations are not safe against each other.
async fn lock_for_opening(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(name)?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    locked.map_err(io::Error::other)?
}

/// Whether there are tables, but none that says which of our migrations have run.
async fn is_foreign(writer: &mut SqliteConnection) -> Result<bool, StoreError> {
    const TABLES: &str = "SELECT count(*), coalesce(sum(name = '_sqlx_migrations'), 0) FROM sqlite_schema \
                          WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let (tables, ours): (i64, i64) = sqlx::query_as(TABLES)
        .fetch_one(writer)
        .await
        .map_err(|error| fault::before_commit(&error))?;
    Ok(tables > 0 && ours == 0)
}

/// Makes a new store the cluster's, or checks that it is.
pub(super) async fn claim(writer: &mut SqliteConnection, cluster: ClusterId) -> Result<(), OpenCause> {
    const CLAIM: &str =
        "UPDATE cluster SET cluster_id = coalesce(cluster_id, ?1) WHERE one = 1 RETURNING cluster_id";
    let id: Vec<u8> = sqlx::query_scalar(CLAIM)
        .bind(cluster.0.as_slice())
        .fetch_one(writer)
        .await
        .map_err(|error| fault::before_commit(&error))?;
    (id == cluster.0).then_some(()).ok_or(OpenCause::OtherCluster)
}

async fn migrate(writer: &mut SqliteConnection) -> Result<(), StoreError> {
    let known = MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0);
    MIGRATIONS.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) => {
            StoreError::NewerSchema { found, known }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            fault::before_commit(&error)
        }
        other => StoreError::Corrupt(other.to_string()),
    })
}

/// SQLite never sets the limit below what the file has already.
pub(super) async fn limit_pages(writer: &mut SqliteConnection, pages: u32) -> Result<(), sqlx::Error> {
    let statement = format!("PRAGMA max_page_count = {pages}");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(writer)
        .await
        .map(drop)
}
