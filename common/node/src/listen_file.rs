//! `listen.json` in a data directory: where a running node really listens, for whoever started it with port 0.
//!
//! One flat object: `number` and `admin`, and `peer` and `proxy` of a game server, or `tcp`, `udp` (one address for
//! each shard) and `http` of a proxy, and `webtransport` of one that takes datagrams of browsers.

use crate::files::{self, Access, FileError};
use serde_json::Value;
use std::path::Path;

/// The file's name.
pub const LISTEN_FILE: &str = "listen.json";
const FILE_BYTES_MAX: usize = 16 * 1024;

/// Writes it, whole or not at all.
///
/// # Errors
/// What the file system says.
pub fn write(data: &Path, addresses: &Value) -> Result<(), FileError> {
    let text = format!("{addresses}\n");
    files::write(&data.join(LISTEN_FILE), text.as_bytes(), Access::Public)
}

/// Reads it; `None` while there is none.
#[must_use]
pub fn read(data: &Path) -> Option<Value> {
    let bytes = files::read(&data.join(LISTEN_FILE), FILE_BYTES_MAX, Access::Public).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Takes it away: nothing listens any more.
pub fn remove(data: &Path) {
    let _ = std::fs::remove_file(data.join(LISTEN_FILE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_until_it_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        let addresses = serde_json::json!({"number": 101, "tcp": "127.0.0.1:7000"});
        write(folder.path(), &addresses).unwrap();
        assert_eq!(read(folder.path()), Some(addresses));
        remove(folder.path());
        assert_eq!(read(folder.path()), None);
    }
}
