//! Backup and restore of a store in a database, by COPY over a connection of our own. A backup is one snapshot while nodes work on
//! it; a restore is one transaction, so the store is the old one or the new one and no number comes twice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::Shown;
use protocol::ids::{NodeNumber, WorldId};
use tokio_postgres::Client;

use super::copy_file::{CopyFileError, Head, Part, Reader, Writer};
use super::link::Link;
use super::{DatabaseReport, PostgresAddress, PostgresError, PostgresStore, fault, schema};
use crate::{Reached, ReachedError, StoreError, in_place};

/// Rows are sent in pieces of about this many bytes.
const PIECE: usize = 64 * 1024;
/// The first schema version that a backup has.
const SCHEMA_FIRST: i64 = 4;
/// What there is to copy: each table with its columns, those that refer to others after those.
const TABLES: &str = "SELECT c.relname::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'regionmesh'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('login', 'region_candidate') GROUP BY c.oid, c.relname
    ORDER BY (SELECT count(*) FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'), c.relname";
/// Whether anybody has ever used a store that was prepared.
const IS_USED: &str = "SELECT c.cluster_id IS NOT NULL OR c.generation > 1 OR EXISTS (SELECT FROM regionmesh.player)
    OR EXISTS (SELECT FROM regionmesh.holding) OR EXISTS (SELECT FROM regionmesh.node_start) FROM regionmesh.cluster c";

/// The store that was there, in a schema of another name.
struct Aside {
    schema: String,
    /// One that was prepared and no more has nothing to keep but its logins, and what it was told of the topology.
    is_used: bool,
    generation: Option<u16>,
}

/// Why a backup or a restore of a database was not made.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseBackupError {
    /// The database refuses.
    #[error(transparent)]
    Database(#[from] PostgresError),
    /// It refuses in the middle; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was to be written is there already.
    #[error("{} exists; a backup replaces nothing: name another file", Shown(.0.display()))]
    Exists(PathBuf),
    /// The file system refuses.
    #[error("{}: {source}", Shown(path.display()))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be restored.
    #[error("{}: {cause}", Shown(path.display()))]
    Backup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: CopyFileError,
    },
    /// A newer program wrote it, or one before there were backups.
    #[error("{} has schema version {found}, and this program restores {SCHEMA_FIRST} to {}", Shown(path.display()), schema::KNOWN)]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// Nodes work on the store that is to be replaced.
    #[error("nodes work on it: numbers {}; end them first", nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    InUse {
        /// Which.
        nodes: Vec<NodeNumber>,
    },
    /// The backup is of another world than the store that it is to replace.
    #[error(
        "the backup is of world {backup}, and the database holds world {store}; restore into an empty database if you mean it"
    )]
    OtherWorld {
        /// The backup's.
        backup: WorldId,
        /// The database's.
        store: WorldId,
    },
    /// Numbers could come twice.
    #[error(transparent)]
    Reached(#[from] ReachedError),
}

/// What a backup of a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseCopy {
    /// Which world.
    pub world: WorldId,
    /// How many migrations it had seen.
    pub schema: i64,
    /// The generation of its epochs.
    pub generation: u16,
    /// Its tables, each with the number of its rows.
    pub tables: Vec<(String, u64)>,
}

/// Whether a file begins as a backup of a database does.
#[must_use]
pub fn is_backup(path: &Path) -> bool {
    Reader::open(path).is_ok()
}

/// Reads all of a backup of a database, and says what it holds.
///
/// # Errors
/// It is damaged, or none.
pub fn look(path: &Path) -> Result<DatabaseCopy, DatabaseBackupError> {
    let (head, tables) = Reader::check(path).map_err(|cause| of_backup(path, cause))?;
    Ok(DatabaseCopy {
        world: head.world,
        schema: head.schema,
        generation: head.generation,
        tables,
    })
}

/// Writes a copy of the store as it is now, while nodes work on it: one file, private to its user. It is read again before it gets
/// its name.
///
/// # Errors
/// [`DatabaseBackupError`]; there is no file `to` then.
pub fn backup(address: &PostgresAddress, to: &Path) -> Result<DatabaseCopy, DatabaseBackupError> {
    if to.exists() {
        return Err(DatabaseBackupError::Exists(to.to_owned()));
    }
    let part = to.with_added_extension("part");
    let _ = fs::remove_file(&part);
    let copied = alone(address, async |client| copy(client, &part).await).and_then(|()| {
        let copied = look(&part)?;
        in_place::put(&part, to).map_err(|source| of_file(to, source))?;
        Ok(copied)
    });
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    copied
}

/// Puts a backup in the place of the store in a database on which no node works, all of it or nothing. Its epochs lie above
/// all of the backup, of the store that was there and of what the operator says was `reached`; nobody owns or serves anything. The
/// tables that were there stay in a schema of another name, which is returned; where nobody had used them they go. Logins stay in either case.
///
/// # Errors
/// [`DatabaseBackupError`]; the store is as it was then.
pub fn restore(
    address: &PostgresAddress,
    backup: &Path,
    reached: &Reached,
) -> Result<(DatabaseReport, Option<String>), DatabaseBackupError> {
    let found = look(backup)?;
    if !(SCHEMA_FIRST..=schema::KNOWN).contains(&found.schema) {
        return Err(DatabaseBackupError::Schema {
            path: backup.to_owned(),
            found: found.schema,
        });
    }
    let kept = alone(address, async |client| {
        put_back(client, backup, &found, reached).await
    })?;
    Ok((PostgresStore::report(address)?, kept))
}

fn alone<T>(
    address: &PostgresAddress,
    work: impl AsyncFnOnce(&Client) -> Result<T, DatabaseBackupError>,
) -> Result<T, DatabaseBackupError> {
    let done = Link::alone(address, work);
    done.map_err(|error| PostgresError::new(address, error))?
}

async fn copy(client: &Client, part: &Path) -> Result<(), DatabaseBackupError> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    client.batch_execute(BEGIN).await.map_err(failed)?;
    let hello = schema::hello(client).await?;
    let head = Head {
        schema: schema::KNOWN,
        world: hello.world,
        generation: hello.generation,
    };
    let broken = |source| of_file(part, source);
    let mut writer = Writer::create(part, &head).map_err(broken)?;
    for table in client.query_typed(TABLES, &[]).await.map_err(failed)? {
        let name: String = table.try_get(0).map_err(failed)?;
        let columns: String = table.try_get(1).map_err(failed)?;
        writer.begin_table(&name, &columns).map_err(broken)?;
        let statement = format!("COPY regionmesh.{name} ({columns}) TO STDOUT");
        let mut rows = pin!(client.copy_out(&statement).await.map_err(failed)?);
        while let Some(piece) = rows.next().await {
            writer.write(&piece.map_err(failed)?).map_err(broken)?;
        }
        writer.end_table().map_err(broken)?;
    }
    writer.end().map_err(broken)
}

/// One transaction; whoever drops it without an end has done nothing.
async fn put_back(
    client: &Client,
    backup: &Path,
    copy: &DatabaseCopy,
    reached: &Reached,
) -> Result<Option<String>, DatabaseBackupError> {
    schema::begin(client).await?;
    let aside = set_aside(client, copy.world).await?;
    let found = aside.as_ref().and_then(|aside| aside.generation);
    let above = reached.generation(copy.world, copy.generation, found)?;
    schema::advance(client, 0, copy.schema).await?;
    let mut reader = Reader::open(backup).map_err(|cause| of_backup(backup, cause))?;
    while let Part::Table(name, columns) = reader.part().map_err(|cause| of_backup(backup, cause))? {
        fill(client, backup, &mut reader, &name, &columns).await?;
    }
    schema::advance(client, copy.schema, schema::KNOWN).await?;
    // The history in which the copy was made is nobody's here.
    let anew = format!(
        "SELECT regionmesh.begin_anew({above}::int4); UPDATE regionmesh.cluster SET timeline = regionmesh.own_timeline()"
    );
    client.batch_execute(&anew).await.map_err(failed)?;
    if let Some(Aside { schema, is_used, .. }) = &aside {
        keep_rights(client, schema).await?;
        if !is_used {
            let drop = format!("DROP SCHEMA {schema} CASCADE");
            client.batch_execute(&drop).await.map_err(failed)?;
        }
    }
    schema::commit(client).await?;
    client.batch_execute("ANALYZE").await.map_err(failed)?;
    Ok(aside.filter(|aside| aside.is_used).map(|aside| aside.schema))
}

/// Who may do what is the cluster's and not the world's: a copy brings no login back that was taken away, and takes none that was given
/// since.
async fn keep_rights(client: &Client, kept: &str) -> Result<(), DatabaseBackupError> {
    let close = format!(
        "DO $$ BEGIN
            IF to_regclass('{kept}.login') IS NOT NULL THEN
                INSERT INTO regionmesh.login (name, node, kind) SELECT l.name, l.node, l.kind FROM {kept}.login l;
            END IF;
            IF to_regclass('{kept}.region_candidate') IS NOT NULL THEN
                INSERT INTO regionmesh.region_candidate (region, node, version) SELECT c.region, c.node, c.version FROM {kept}.region_candidate c;
            END IF;
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'regionmesh_gameserver') THEN
                REVOKE ALL ON SCHEMA {kept} FROM PUBLIC, regionmesh_gameserver, regionmesh_proxy, regionmesh_auth;
            END IF;
        END $$"
    );
    client.batch_execute(&close).await.map_err(failed)
}

/// Puts the rows of the backup into a table, in place of those with which it was made.
async fn fill(
    client: &Client,
    backup: &Path,
    reader: &mut Reader,
    name: &str,
    columns: &str,
) -> Result<(), DatabaseBackupError> {
    let empty = format!("DELETE FROM regionmesh.{name}");
    client.batch_execute(&empty).await.map_err(failed)?;
    let statement = format!("COPY regionmesh.{name} ({columns}) FROM STDIN");
    let mut rows = pin!(client.copy_in::<_, Bytes>(&statement).await.map_err(failed)?);
    let mut piece = Vec::with_capacity(2 * PIECE);
    while let Some(row) = reader.row().map_err(|cause| of_backup(backup, cause))? {
        piece.extend_from_slice(row);
        piece.push(b'\n');
        if piece.len() >= PIECE {
            let full = Bytes::from(std::mem::take(&mut piece));
            rows.send(full).await.map_err(failed)?;
        }
    }
    rows.send(Bytes::from(piece)).await.map_err(failed)?;
    rows.as_mut().finish().await.map_err(failed)?;
    Ok(())
}

/// Moves the store that is there to another schema.
async fn set_aside(client: &Client, world: WorldId) -> Result<Option<Aside>, DatabaseBackupError> {
    if schema::version(client).await.map_err(failed)? == 0 {
        return Ok(None);
    }
    let nodes = schema::nodes(client).await?;
    if !nodes.is_empty() {
        return Err(DatabaseBackupError::InUse { nodes });
    }
    let lock = "LOCK TABLE regionmesh.cluster IN ACCESS EXCLUSIVE MODE";
    client.batch_execute(lock).await.map_err(failed)?;
    let is_used = column::<bool>(client, IS_USED).await?.contains(&true);
    let worlds: Vec<Vec<u8>> = column(client, "SELECT world_id FROM regionmesh.cluster").await?;
    let generations: Vec<i32> = column(client, "SELECT generation FROM regionmesh.cluster").await?;
    let store = worlds.into_iter().find_map(|id| id.try_into().ok()).map(WorldId);
    match store {
        Some(store) if is_used && store != world => {
            return Err(DatabaseBackupError::OtherWorld { backup: world, store });
        }
        _ => {}
    }
    let schema = free_name(client).await?;
    let rename = format!("ALTER SCHEMA regionmesh RENAME TO {schema}");
    client.batch_execute(&rename).await.map_err(failed)?;
    let generation = generations.first().and_then(|number| u16::try_from(*number).ok());
    Ok(Some(Aside {
        schema,
        is_used,
        // That of one that nobody has used says nothing of how far a world was.
        generation: generation.filter(|_| is_used),
    }))
}

/// A schema that there is not yet: two restores within a second are kept beside each other.
async fn free_name(client: &Client) -> Result<String, DatabaseBackupError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = format!("regionmesh_before_{}", since.as_secs());
    let mut name = first.clone();
    for further in 2.. {
        let is_taken = format!("SELECT to_regnamespace('{name}') IS NOT NULL");
        if !column::<bool>(client, &is_taken).await?.contains(&true) {
            break;
        }
        name = format!("{first}_{further}");
    }
    Ok(name)
}

async fn column<T: tokio_postgres::types::FromSqlOwned>(
    client: &Client,
    statement: &str,
) -> Result<Vec<T>, DatabaseBackupError> {
    let rows = client.query_typed(statement, &[]).await.map_err(failed)?;
    let values = rows.iter().map(|row| row.try_get(0).map_err(failed));
    values.collect()
}

/// By value, as `map_err` has it.
#[allow(clippy::needless_pass_by_value)]
fn failed(error: tokio_postgres::Error) -> DatabaseBackupError {
    fault::of_connecting(&error).into()
}

fn of_backup(path: &Path, cause: CopyFileError) -> DatabaseBackupError {
    let path = path.to_owned();
    DatabaseBackupError::Backup { path, cause }
}

fn of_file(path: &Path, source: io::Error) -> DatabaseBackupError {
    let path = path.to_owned();
    DatabaseBackupError::File { path, source }
}
