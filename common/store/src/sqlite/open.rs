//! Opening the file: private to its user, migrated by one process at a time, refused with a clear sentence.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use protocol::ids::{ClusterId, WorldId};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::open_error::OpenCause;
use super::statement::query;
use super::writer_lock::{NoTurn, WriterLock};
use super::{fault, place};
use crate::StoreError;

/// What brought the tables to where they are, in order. Only ever added to.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_ground.sql"),
    include_str!("../../migrations/sqlite/0002_cluster_id.sql"),
    include_str!("../../migrations/sqlite/0003_seeded.sql"),
    include_str!("../../migrations/sqlite/0004_world.sql"),
    include_str!("../../migrations/sqlite/0005_progress.sql"),
    include_str!("../../migrations/sqlite/0006_holder.sql"),
    include_str!("../../migrations/sqlite/0007_session_age.sql"),
    include_str!("../../migrations/sqlite/0008_node_mark.sql"),
    include_str!("../../migrations/sqlite/0009_lease.sql"),
    include_str!("../../migrations/sqlite/0010_topology.sql"),
    include_str!("../../migrations/sqlite/0011_valuables.sql"),
    include_str!("../../migrations/sqlite/0012_creatures.sql"),
    include_str!("../../migrations/sqlite/0013_game_state.sql"),
    include_str!("../../migrations/sqlite/0014_sanction.sql"),
    include_str!("../../migrations/sqlite/0015_ends.sql"),
    include_str!("../../migrations/sqlite/0016_account.sql"),
    include_str!("../../migrations/sqlite/0017_device.sql"),
    include_str!("../../migrations/sqlite/0019_report.sql"),
    include_str!("../../migrations/sqlite/0020_identity.sql"),
];

/// Marks a file as a store: "RMSH". Its schema version is the number of migrations that it has seen.
const APPLICATION_ID: i64 = 0x524d_5348;
/// How long an opening waits for other processes, which may be migrating.
const OPENING_WITHIN: Duration = Duration::from_secs(60);
/// How long a statement outside of a batch waits for somebody else's lock.
const BUSY: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared: all that there are.
const STATEMENTS_KEPT: usize = 120;
/// A merged log is cut to so many bytes when it is begun anew. Its length tells keepers when it is long.
const LOG_BYTES_KEPT: i64 = 1 << 20;
/// A log of so many pages is merged by whoever commits; before that a keeper does, beside everybody's work.
const LOG_PAGES_MAX: i64 = 4_096;

/// The statement that marks a file as ours. It writes whether or not the mark is there.
pub(super) fn mark() -> String {
    format!("PRAGMA application_id = {APPLICATION_ID}")
}

/// Opens the file and brings its tables up to date: the lock to write it, and a connection.
/// `first` looks at it before anything is done, and `last` has a word afterwards, both while nobody else writes.
pub(super) fn open<T>(
    path: &Path,
    first: impl FnOnce() -> Result<T, OpenCause>,
    last: impl FnOnce(&Connection, T) -> Result<(), OpenCause>,
) -> Result<(WriterLock, Connection), OpenCause> {
    place::check(path)?;
    let mut lock = WriterLock::open(path)?;
    // Several processes start at once, and migrations are not safe against each other.
    let turn = lock.wait(OPENING_WITHIN).map_err(|error| match error {
        NoTurn::TooLong => OpenCause::Store(fault::held_too_long()),
        NoTurn::File(error) => OpenCause::File(error),
    })?;
    let found = first()?;
    create_private(path)?;
    let writer = before_commit(to_write(path))?;
    prepare(&writer)?;
    last(&writer, found)?;
    drop(turn);
    Ok((lock, writer))
}

/// A connection of its own to write.
pub(super) fn to_write(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    Ok(connection)
}

/// A connection of its own to look, which leaves the log as it is, also when it is closed last.
pub(super) fn to_look(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// A connection of its own to read.
pub(super) fn to_read(path: &Path) -> rusqlite::Result<Connection> {
    connection(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn connection(path: &Path, how: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection belongs to one thread at a time.
    let connection = Connection::open_with_flags(path, how | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(connection)
}

/// SQLite gives its other files the permissions of this one.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

fn prepare(writer: &Connection) -> Result<(), OpenCause> {
    if before_commit(is_foreign(writer))? {
        return Err(OpenCause::NotAStore);
    }
    before_commit(writer.pragma_update(None, "journal_mode", "wal"))?;
    migrate(writer)?;
    Ok(())
}

/// Whether somebody else has made this database.
pub(super) fn is_foreign(writer: &Connection) -> rusqlite::Result<bool> {
    const TABLES: &str =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: i64 = query(writer, TABLES).one(|row| row.take())?;
    let mark: i64 = writer.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(mark != APPLICATION_ID && (tables > 0 || mark != 0))
}

/// How many migrations the file has seen.
pub(super) fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Refuses the tables of a newer program, and those that lack what can be looked at.
pub(super) fn is_current(connection: &Connection) -> Result<(), OpenCause> {
    let (found, known) = (
        before_commit(schema_version(connection))?,
        MIGRATIONS.len() as i64,
    );
    if found > known {
        return Err(StoreError::NewerSchema { found, known }.into());
    }
    if found < known {
        return Err(OpenCause::OlderSchema { found, known });
    }
    Ok(())
}

fn migrate(writer: &Connection) -> Result<(), StoreError> {
    let found = before_commit(schema_version(writer))?;
    let known = MIGRATIONS.len() as i64;
    let missing = usize::try_from(found)
        .ok()
        .and_then(|seen| MIGRATIONS.get(seen..));
    let Some(missing) = missing else {
        return Err(StoreError::NewerSchema { found, known });
    };
    if missing.is_empty() {
        return Ok(());
    }
    let marks = format!("{}; PRAGMA user_version = {known};", mark());
    let all = format!("BEGIN IMMEDIATE; {} {marks} COMMIT;", missing.concat());
    before_commit(writer.execute_batch(&all))
}

/// Makes a new store the cluster's, or checks that it is.
pub(super) fn claim(writer: &Connection, cluster: ClusterId) -> Result<(), OpenCause> {
    const CLAIM: &str =
        "UPDATE cluster SET cluster_id = coalesce(cluster_id, ?1) WHERE one = 1 RETURNING cluster_id";
    let claimed = query(writer, CLAIM)
        .bind(cluster.0.as_slice())
        .one(|row| row.take::<Vec<u8>>());
    let id = before_commit(claimed)?;
    (id == cluster.0).then_some(()).ok_or(OpenCause::OtherCluster)
}

/// Which world it holds.
pub(super) fn world(connection: &Connection) -> Result<WorldId, StoreError> {
    let id = query(connection, "SELECT world_id FROM cluster").one(|row| row.take::<Vec<u8>>());
    let id = <[u8; 16]>::try_from(before_commit(id)?);
    id.map(WorldId)
        .map_err(|_| StoreError::Corrupt("the id of the world is missing".to_owned()))
}

pub(super) fn before_commit<T>(result: rusqlite::Result<T>) -> Result<T, StoreError> {
    result.map_err(|error| fault::before_commit(&error))
}
