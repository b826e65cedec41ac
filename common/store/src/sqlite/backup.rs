//! What an operator does with a store as a file: a backup while nodes work on it, a look at its health, and a restore, after
//! which no number comes twice.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::Shown;
use protocol::ids::{ClusterId, NodeNumber, WorldId};
use rusqlite::Connection;

use super::open::{self, before_commit, schema_version};
use super::open_error::{OpenCause, OpenError};
use super::statement::query;
use super::{cluster, holdings, node_lock, of_path, place, standing};
use crate::limits::GUEST_USER_FIRST;
use crate::mark::StoreMark;
use crate::{Reached, ReachedError, StoreError, in_place};

/// Complaints about a damaged file that are told at most.
const COMPLAINTS_MAX: i64 = 20;

/// Why a backup or a restore was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store or the backup cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was to be written is there already.
    #[error("{} exists; a backup replaces nothing: name another file", Shown(.0.display()))]
    Exists(PathBuf),
    /// Numbers could come twice.
    #[error(transparent)]
    Reached(#[from] ReachedError),
    /// It is damaged.
    #[error("{} is damaged: {}", Shown(path.display()), complaints.join("; "))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the database says.
        complaints: Vec<String>,
    },
    /// Nodes work on the store that is to be replaced.
    #[error("nodes work on {}: numbers {}; end them first", Shown(path.display()), nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    InUse {
        /// The store.
        path: PathBuf,
        /// Which.
        nodes: Vec<NodeNumber>,
    },
    /// The backup is of another world than the store that it is to replace.
    #[error(
        "{} is of world {backup}, and the store holds world {store}; move the store's files away first if you mean it",
        Shown(path.display())
    )]
    OtherWorld {
        /// The backup.
        path: PathBuf,
        /// Its world.
        backup: WorldId,
        /// The store's.
        store: WorldId,
    },
    /// The file system refuses.
    #[error("{}: {source}", Shown(path.display()))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What a store holds, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreReport {
    /// Whose it is; nobody's before a node has opened it.
    pub cluster: Option<ClusterId>,
    /// Which world.
    pub world: WorldId,
    /// How many migrations it has seen.
    pub schema: i64,
    /// The generation of its epochs.
    pub generation: u16,
    /// Rounds of keepers.
    pub progress: u64,
    /// When the last one was, Unix milliseconds; 0 for never.
    pub progress_ms: u64,
    /// Players with a row.
    pub players: u64,
    /// Those of them that are guests.
    pub guests: u64,
    /// Valuables that somebody has.
    pub held: u64,
    /// Valuables that lie somewhere.
    pub on_ground: u64,
    /// Valuables that are offered in trades.
    pub in_trades: u64,
    /// Creatures that outlive the process of their region.
    pub creatures: u64,
    /// Nodes that work on it just now.
    pub nodes: Vec<NodeNumber>,
    /// What is wrong with it; nothing when it is sound.
    pub complaints: Vec<String>,
}

/// Looks at a store, or at a backup, and leaves it as it is; nodes may work on it meanwhile. Reads all of it.
///
/// # Errors
/// [`OpenError`]: it is no store of this version or of an earlier one since worlds have ids.
pub fn check(path: &Path) -> Result<StoreReport, OpenError> {
    of_path(path, || {
        let connection = look_at(path)?;
        let (generation, progress, progress_ms) = before_commit(cluster::progress(&connection))?;
        let one = |sql| before_commit(query(&connection, sql).one(|row| row.number()));
        let guests =
            query(&connection, "SELECT count(*) FROM player p WHERE p.user >= ?1 AND NOT EXISTS (SELECT 1 FROM account a WHERE a.user = p.user)")
                .number(GUEST_USER_FIRST);
        let cluster =
            query(&connection, "SELECT cluster_id FROM cluster").one(|row| row.take::<Option<Vec<u8>>>());
        Ok(StoreReport {
            cluster: before_commit(cluster)?.and_then(|id| Some(ClusterId(id.try_into().ok()?))),
            world: open::world(&connection)?,
            schema: before_commit(schema_version(&connection))?,
            generation,
            progress,
            progress_ms,
            players: one("SELECT count(*) FROM player")?,
            guests: before_commit(guests.one(|row| row.number()))?,
            held: one("SELECT count(user) FROM holding")?,
            on_ground: one("SELECT count(region) FROM holding")?,
            in_trades: one("SELECT count(trade) FROM holding")?,
            creatures: one("SELECT count(*) FROM creature")?,
            nodes: node_lock::holders(path)?,
            complaints: complaints(&connection)?,
        })
    })
}

/// Writes a copy of the store as it is now, while nodes work on it: one file, private to its user, without a log. It is
/// checked before it gets its name.
///
/// # Errors
/// [`BackupError`]; there is no file `to` then.
pub fn backup(store: &Path, to: &Path) -> Result<StoreReport, BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let part = place::beside(to, ".part");
    let copied = copy(store, &part).and_then(|()| {
        let report = sound(&part)?;
        place_file(&part, to)?;
        Ok(report)
    });
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    copied
}

/// Puts a backup in the place of a store that nobody works on. Its epochs lie above all of the backup, of the store that
/// was there, of what the mark beside it says and of what the operator says was `reached`; nobody owns or serves anything. What was there is
/// kept beside it, under the name that is returned.
///
/// # Errors
/// [`BackupError`]; the store is as it was then.
pub fn restore(
    backup: &Path,
    store: &Path,
    reached: &Reached,
) -> Result<(StoreReport, Option<PathBuf>), BackupError> {
    place::check(store).map_err(|cause| open_error(store, cause))?;
    let nodes = node_lock::holders(store).map_err(|source| file_error(store, source))?;
    if !nodes.is_empty() {
        let path = store.to_owned();
        return Err(BackupError::InUse { path, nodes });
    }
    let of_backup = sound(backup)?;
    // A store that is too damaged to be looked at has its generation in the marks, beside it and of the nodes.
    let replaced = check(store).ok();
    if let Some(replaced) = &replaced
        && replaced.world != of_backup.world
    {
        return Err(BackupError::OtherWorld {
            path: backup.to_owned(),
            backup: of_backup.world,
            store: replaced.world,
        });
    }
    let remembered = StoreMark::read_file(&place::beside(store, place::MARK));
    let remembered = remembered
        .ok()
        .flatten()
        .filter(|mark| mark.world == of_backup.world);
    let found = replaced.map(|replaced| replaced.generation);
    let found = found.max(remembered.map(|mark| mark.generation));
    let above = reached.generation(of_backup.world, of_backup.generation, found)?;
    let part = place::beside(store, ".part");
    let _ = fs::remove_file(&part);
    copy(backup, &part)?;
    raise(&part, above).map_err(|error| open_error(&part, error.into()))?;
    let report = sound(&part)?;
    let kept = set_aside(store)?;
    place_file(&part, store)?;
    Ok((report, kept))
}

fn raise(path: &Path, above: u16) -> Result<(), StoreError> {
    let connection = before_commit(Connection::open(path))?;
    standing::raise_above(&connection, above)?;
    before_commit(connection.close().map_err(|(_, error)| error))
}

fn look_at(path: &Path) -> Result<Connection, OpenCause> {
    place::check(path)?;
    fs::metadata(path)?;
    let connection = before_commit(open::to_look(path))?;
    if before_commit(open::is_foreign(&connection))? {
        return Err(OpenCause::NotAStore);
    }
    open::is_current(&connection)?;
    Ok(connection)
}

fn complaints(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let sql = format!("PRAGMA integrity_check({COMPLAINTS_MAX})");
    let lines = before_commit(query(connection, &sql).rows(|row| row.take::<String>()))?;
    let mut complaints: Vec<String> = lines.into_iter().filter(|line| line != "ok").collect();
    if complaints.is_empty() && !before_commit(holdings::add_up(connection))? {
        complaints
            .push("the holdings that are there are not those that were made and not destroyed".to_owned());
    }
    Ok(complaints)
}

fn sound(path: &Path) -> Result<StoreReport, BackupError> {
    let report = check(path)?;
    if report.complaints.is_empty() {
        return Ok(report);
    }
    Err(BackupError::Damaged {
        path: path.to_owned(),
        complaints: report.complaints,
    })
}

/// One snapshot of all of it, with what is in the log.
fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let copying = || {
        let connection = look_at(from)?;
        let name = to
            .to_str()
            .ok_or(OpenCause::NotAFile("a name that is no UTF-8"))?;
        open::create_private(to)?;
        before_commit(query(&connection, "VACUUM INTO ?1").bind(name).run())?;
        // SQLite does not wait for the disk here.
        File::open(to)?.sync_all()?;
        Ok(())
    };
    copying().map_err(|cause| open_error(from, cause))
}

fn place_file(part: &Path, to: &Path) -> Result<(), BackupError> {
    in_place::put(part, to).map_err(|source| file_error(to, source))
}

/// Moves a store, its log and the mark beside it to another name.
fn set_aside(store: &Path) -> Result<Option<PathBuf>, BackupError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let kept = place::beside(store, &format!(".before-{}", since.as_secs()));
    let mut is_kept = false;
    for ending in ["", "-wal", "-shm", place::MARK] {
        let (from, to) = (place::beside(store, ending), place::beside(&kept, ending));
        match fs::rename(&from, to) {
            Ok(()) => is_kept |= ending != place::MARK,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(file_error(&from, source)),
        }
    }
    Ok(is_kept.then_some(kept))
}

fn open_error(path: &Path, cause: OpenCause) -> BackupError {
    let path = path.to_owned();
    OpenError { path, cause }.into()
}

fn file_error(path: &Path, source: io::Error) -> BackupError {
    let path = path.to_owned();
    BackupError::File { path, source }
}
