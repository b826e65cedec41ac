//! The file of a store as the system sees it: what may be one, what lies beside it, and what tells it from a copy.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::open_error::OpenCause;

/// Where the nodes of a store remember together how far it was. What is beside a file stays there when its log is lost.
pub(super) const MARK: &str = ".mark";

/// 2⁶⁴ divided by the golden ratio: spreads the bits of a number.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Refuses what cannot be shared by processes or does not last, whatever SQLite would make of it.
pub(super) fn check(path: &Path) -> Result<(), OpenCause> {
    let name = path.to_string_lossy();
    if name.starts_with(':') || name.starts_with("file:") {
        return Err(OpenCause::NotAFile("the name of a database in memory or a URI"));
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(OpenCause::NotAFile("a directory")),
        Ok(found) if !found.is_file() => Err(OpenCause::NotAFile("a device, a pipe or a socket")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Which of all copies of a world this file is. SQLite's processes share memory, so all of them see the same device and
/// inode, wherever they have the directory mounted.
pub(super) fn copy(path: &Path) -> io::Result<u64> {
    fs::metadata(path).map(|found: Metadata| found.dev().wrapping_mul(SPREAD) ^ found.ino())
}

/// What belongs to the store and has its name with an ending.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}
