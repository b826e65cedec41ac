//! A local cluster's data directory: made, recognised, locked, emptied.
//!
//! ```text
//! regionmesh.local   says that the directory is ours; locked while any process of the cluster runs
//! topology.toml      the topology in force, ports filled in
//! cluster.json, authority.key, authority.json, nodes/NAME/…     node::authority_dir
//! world.db           the store
//! join.json          what players and the swarm need
//! ```

use protocol::Shown;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Marks a directory as a local cluster's; nothing is ever deleted where it is missing.
pub const MARKER_FILE: &str = "regionmesh.local";
const MARKER_TEXT: &str =
    "Data of a local Regionmesh cluster, version 1. `regionmesh up --fresh` deletes everything in here.\n";
/// What the marker of every version begins with; its number and a full stop come next.
const MARKER_START: &str = "Data of a local Regionmesh cluster, version ";
/// As much of a marker is read: more than any version writes.
const MARKER_BYTES_MAX: u64 = 4_096;
/// Children whose parent was killed need up to two seconds to notice and end; they hold the lock until then.
const LOCK_PATIENCE: Duration = Duration::from_millis(3_500);

/// Why a directory cannot be a cluster's data directory. Each is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataRootError {
    /// Somebody else's.
    #[error(
        "{} is not the data directory of a local cluster (it has content, and no file {MARKER_FILE}); name a new or empty directory with --data",
        Shown(.0.display())
    )]
    Foreign(PathBuf),
    /// A file of somebody else's is called as our marker is.
    #[error(
        "{} is not the data directory of a local cluster (its file {MARKER_FILE} was not written by Regionmesh); name a new or empty directory with --data",
        Shown(.0.display())
    )]
    ForeignMarker(PathBuf),
    /// Another version's.
    #[error(
        "{} was made by another version of Regionmesh, whose data has version {version}; this one writes version 1. Use that one, or name another directory with --data",
        Shown(path.display())
    )]
    AnotherVersion {
        /// The directory.
        path: PathBuf,
        /// The version that its marker names.
        version: u32,
    },
    /// A cluster runs in it.
    #[error("a cluster is running in {}; end it first, or name another directory with --data", Shown(.0.display()))]
    InUse(PathBuf),
    /// Children are told of it on their command lines, which are text here.
    #[error("the path {} holds bytes that are not UTF-8; name another directory with --data", Shown(.0.display()))]
    NotUtf8(PathBuf),
    /// The system refuses.
    #[error("cannot use {} as data directory: {source}; name another one with --data", Shown(path.display()))]
    Io {
        /// The directory or a file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// An opened data directory of our own. The lock ends when this and every clone of [`DataRoot::lock`] are closed.
#[derive(Debug)]
pub(crate) struct DataRoot {
    path: PathBuf,
    lock: File,
}

impl DataRoot {
    /// Opens the directory, or makes it; waits a moment for a cluster that is ending.
    pub(crate) fn open(path: &Path) -> Result<Self, DataRootError> {
        let failed = |source| DataRootError::Io {
            path: path.to_owned(),
            source,
        };
        is_text(path)?;
        fs::create_dir_all(path).map_err(failed)?;
        // Children get the path on their command lines and may run elsewhere.
        let path = &path.canonicalize().map_err(failed)?;
        is_text(path)?;
        let marker = path.join(MARKER_FILE);
        if !marker.exists() && fs::read_dir(path).map_err(failed)?.next().is_some() {
            return Err(DataRootError::Foreign(path.clone()));
        }
        let mut lock = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&marker)
            .map_err(failed)?;
        wait_for_lock(&lock, path)?;
        if !is_marked(&lock, path)? {
            lock.write_all(MARKER_TEXT.as_bytes()).map_err(failed)?;
        }
        Ok(Self {
            path: path.clone(),
            lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The lock, for a child to hold on to as long as it lives.
    pub(crate) fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// Deletes everything but the marker.
    pub(crate) fn empty(&self) -> Result<(), DataRootError> {
        let entries = fs::read_dir(&self.path).map_err(|source| self.failed(&self.path, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| self.failed(&self.path, source))?;
            if entry.file_name() == MARKER_FILE {
                continue;
            }
            let path = entry.path();
            // A link is removed, never followed.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(|source| self.failed(&path, source))?;
        }
        Ok(())
    }

    fn failed(&self, path: &Path, source: io::Error) -> DataRootError {
        DataRootError::Io {
            path: path.to_owned(),
            source,
        }
    }
}

fn is_text(path: &Path) -> Result<(), DataRootError> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(DataRootError::NotUtf8(path.to_owned())),
    }
}

/// Whether the marker says that the directory is ours; `false` when nothing is written into it yet.
fn is_marked(marker: &File, path: &Path) -> Result<bool, DataRootError> {
    let failed = |source| DataRootError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let mut limited = marker.take(MARKER_BYTES_MAX);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    if bytes == MARKER_TEXT.as_bytes() {
        return Ok(true);
    }
    // Whoever made the marker and ended before it was written had made nothing else.
    if bytes.is_empty() && fs::read_dir(path).map_err(failed)?.count() == 1 {
        return Ok(false);
    }
    let text = String::from_utf8_lossy(&bytes);
    let version = text
        .strip_prefix(MARKER_START)
        .and_then(|rest| rest.split_once('.')?.0.parse().ok());
    Err(match version {
        Some(version) if version != 1 => DataRootError::AnotherVersion {
            path: path.to_owned(),
            version,
        },
        _ => DataRootError::ForeignMarker(path.to_owned()),
    })
}

fn wait_for_lock(lock: &File, path: &Path) -> Result<(), DataRootError> {
    let started = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => return Err(DataRootError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => {
                return Err(DataRootError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_or_empty_directory_becomes_ours_and_stays_ours() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("a/b"), folder.path().join("a/b")] {
            let root = DataRoot::open(&path).unwrap();
            assert_eq!(
                fs::read_to_string(root.path().join(MARKER_FILE)).unwrap(),
                MARKER_TEXT
            );
        }
    }

    #[test]
    fn a_directory_whose_path_is_no_text_is_refused_and_left_alone() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff\x1b[2J"));
        let error = DataRoot::open(&path).unwrap_err();
        assert!(matches!(error, DataRootError::NotUtf8(_)), "{error}");
        assert!(error.to_string().contains("\\u{1b}[2J holds bytes"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_with_other_content_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "x").unwrap();
        let error = DataRoot::open(folder.path()).unwrap_err();
        assert!(matches!(error, DataRootError::Foreign(_)), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_marker_that_is_not_ours_is_refused_and_nothing_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "x").unwrap();
        let open_with = |text: &str| {
            fs::write(folder.path().join(MARKER_FILE), text).unwrap();
            DataRoot::open(folder.path()).map(|_| ())
        };
        for text in [
            "",
            "my notes",
            MARKER_START,
            "Data of a local Regionmesh cluster, version 1.",
        ] {
            let error = open_with(text).unwrap_err();
            assert!(
                matches!(error, DataRootError::ForeignMarker(_)),
                "{text}: {error}"
            );
        }
        let later = MARKER_TEXT.replace("version 1", "version 2");
        let error = open_with(&later).unwrap_err();
        assert!(
            matches!(error, DataRootError::AnotherVersion { version: 2, .. }),
            "{error}"
        );
        open_with(MARKER_TEXT).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_marker_that_was_never_written_is_written_now() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(MARKER_FILE), "").unwrap();
        DataRoot::open(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(MARKER_FILE)).unwrap();
        assert_eq!(text, MARKER_TEXT);
    }

    #[test]
    fn two_clusters_never_share_a_directory_and_a_child_keeps_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataRoot::open(folder.path()).unwrap();
        let held_by_a_child = first.lock().unwrap();
        drop(first);
        assert!(matches!(
            DataRoot::open(folder.path()),
            Err(DataRootError::InUse(_))
        ));
        drop(held_by_a_child);
        DataRoot::open(folder.path()).unwrap();
    }

    #[test]
    fn emptying_removes_links_and_not_what_they_point_to() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join("precious"), "x").unwrap();
        let root = DataRoot::open(folder.path()).unwrap();
        fs::create_dir_all(root.path().join("nodes/a")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join("link")).unwrap();
        root.empty().unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert!(elsewhere.path().join("precious").exists());
    }
}
