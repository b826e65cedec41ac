//! Which nodes work on a store: each holds a lock beside it for as long as its process lives. The kernel lets go of the lock
//! of a process that dies, so a free one says that nobody is there, without anybody's clock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use protocol::ids::NodeNumber;

use super::place;

/// Whoever looks whether a node is there has its lock for a moment; a node that starts just then tries again.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Held for as long as a node works on a store.
#[derive(Debug)]
pub(super) struct NodeLock {
    _file: File,
}

impl NodeLock {
    /// Takes the lock of a node; `None` when another process has it.
    pub(super) fn hold(store: &Path, node: NodeNumber) -> io::Result<Option<Self>> {
        let folder = folder(store);
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join(node.to_string()))?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Whether a process of this node works on the store.
pub(super) fn is_held(store: &Path, node: NodeNumber) -> io::Result<bool> {
    let file = match File::open(folder(store).join(node.to_string())) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// All nodes that work on the store.
pub(super) fn holders(store: &Path) -> io::Result<Vec<NodeNumber>> {
    let entries = match fs::read_dir(folder(store)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut holders = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok()).map(NodeNumber);
        if let Some(node) = number
            && is_held(store, node)?
        {
            holders.push(node);
        }
    }
    holders.sort_unstable();
    Ok(holders)
}

fn folder(store: &Path) -> PathBuf {
    place::beside(store, ".nodes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_there_once_and_no_longer_than_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store.sqlite");
        let (a, b) = (NodeNumber(1), NodeNumber(2));
        assert_eq!(holders(&store).unwrap(), []);
        let held = NodeLock::hold(&store, a).unwrap();
        assert!(held.is_some());
        assert!(NodeLock::hold(&store, a).unwrap().is_none());
        let other = NodeLock::hold(&store, b).unwrap();
        assert_eq!(holders(&store).unwrap(), [a, b]);
        drop(held);
        assert!(!is_held(&store, a).unwrap() && is_held(&store, b).unwrap());
        assert_eq!(holders(&store).unwrap(), [b]);
        drop(other);
        assert!(NodeLock::hold(&store, a).unwrap().is_some());
    }
}
