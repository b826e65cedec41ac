//! `listen.json` in a data directory: where a running node really listens, for whoever started it with port 0.

use crate::files::{self, Access, FileError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

/// The file's name.
pub const LISTEN_FILE: &str = "listen.json";
const FILE_BYTES_MAX: usize = 16 * 1024;

/// Everything a node listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenFile {
    /// The process that wrote it: a file of an earlier run names another one.
    pub pid: u32,
    /// Purpose (`tcp`, `udp`, `peer`, `proxy`, `admin`) and address; `udp` has one address for each shard.
    pub addresses: BTreeMap<String, Vec<SocketAddr>>,
}

impl ListenFile {
    /// What this process listens on.
    #[must_use]
    pub fn of_process<const N: usize>(addresses: [(&str, Vec<SocketAddr>); N]) -> Self {
        Self {
            pid: std::process::id(),
            addresses: addresses.map(|(purpose, at)| (purpose.to_owned(), at)).into(),
        }
    }

    /// Writes it into a data directory, whole or not at all.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, data: &Path) -> Result<(), FileError> {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        files::write(&data.join(LISTEN_FILE), text.as_bytes(), Access::Public)
    }

    /// Reads it; `None` while there is none that is whole.
    #[must_use]
    pub fn read(data: &Path) -> Option<Self> {
        let bytes = files::read(&data.join(LISTEN_FILE), FILE_BYTES_MAX, Access::Public).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ListenFile::read(folder.path()), None);
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let file = ListenFile::of_process([("tcp", vec![at(7000)]), ("udp", vec![at(7001), at(7002)])]);
        file.write(folder.path()).unwrap();
        assert_eq!(ListenFile::read(folder.path()), Some(file));
    }
}
