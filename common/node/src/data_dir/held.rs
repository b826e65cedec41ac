//! A data directory is one process's: two with the same papers would take each other's links and regions for ever.

use super::{DataDir, DataDirError};
use crate::files::{self, Access, FileError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

/// Its lock, which the kernel takes from a process that dies. Holds the number of the process.
pub const LOCK_FILE: &str = "node.lock";
/// More digits than a process number has.
const PID_BYTES_MAX: usize = 32;

/// A directory that no other process gets until this is dropped.
#[derive(Debug)]
pub struct HeldDir {
    _lock: File,
}

impl DataDir {
    /// Takes the directory for this process.
    ///
    /// # Errors
    /// `DataDirError`: another process has it, or the file system refuses.
    pub fn hold(&self) -> Result<HeldDir, DataDirError> {
        let path = self.path.join(LOCK_FILE);
        let failed = |source: io::Error| FileError::Write {
            path: path.clone(),
            source,
        };
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o644)
            .open(&path)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = files::read(&path, PID_BYTES_MAX, Access::Public).unwrap_or_default();
                return Err(DataDirError::InUse {
                    path: self.path.clone(),
                    pid: String::from_utf8_lossy(&pid).trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error).into()),
        }
        let written = lock
            .set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        written.map_err(failed)?;
        Ok(HeldDir { _lock: lock })
    }
}
