//! `cluster.json`: which cluster a directory belongs to, and whom its nodes trust.

use crate::files::{self, Access, FileError, hex, parse_hex};
use protocol::Shown;
use protocol::identity::{AuthorityKeys, AuthorityPublic};
use protocol::ids::ClusterId;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file's name.
pub const CLUSTER_FILE: &str = "cluster.json";
const FILE_BYTES_MAX: usize = 16 * 1024;
const VERSION: u32 = 1;

/// Which cluster, and the authority's public key, current and next.
#[derive(Clone, Debug)]
pub struct ClusterFile {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Whose signatures count.
    pub authorities: AuthorityKeys,
}

/// Why `cluster.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterFileError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its content.
    #[error("{}: {what}; restore the file that was made with the cluster", Shown(path.display()))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        what: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    cluster_id: String,
    authority_public_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_authority_public_key: Option<String>,
}

impl ClusterFile {
    /// Reads `cluster.json` of a directory.
    ///
    /// # Errors
    /// `ClusterFileError`: unreadable, no JSON of this kind, another version, or values that are no ids and keys.
    pub fn read(folder: &Path) -> Result<Self, ClusterFileError> {
        let path = folder.join(CLUSTER_FILE);
        let bytes = files::read(&path, FILE_BYTES_MAX, Access::Public)?;
        let wrong = |what: String| ClusterFileError::Content {
            path: path.clone(),
            what,
        };
        let raw: Raw =
            serde_json::from_slice(files::unmarked(&bytes)).map_err(|error| wrong(error.to_string()))?;
        if raw.version != VERSION {
            return Err(wrong(format!("version {} is not {VERSION}", raw.version)));
        }
        let key = |text: &str| parse_hex(text).and_then(|bytes| AuthorityPublic::parse(&bytes).ok());
        let no_key =
            || wrong("an authority key is not the 64 hexadecimal digits of an Ed25519 key".to_owned());
        let cluster_id = parse_hex(&raw.cluster_id).map(ClusterId);
        let mut authorities = AuthorityKeys::new(key(&raw.authority_public_key).ok_or_else(no_key)?);
        if let Some(next) = raw.next_authority_public_key {
            authorities = authorities.with_next(key(&next).ok_or_else(no_key)?);
        }
        let cluster_id =
            cluster_id.ok_or_else(|| wrong("cluster_id is not 32 hexadecimal digits".to_owned()))?;
        Ok(Self {
            cluster_id,
            authorities,
        })
    }

    /// Writes it into a directory.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, folder: &Path) -> Result<(), FileError> {
        let raw = Raw {
            version: VERSION,
            cluster_id: hex(&self.cluster_id.0),
            authority_public_key: hex(&self.authorities.current.to_bytes()),
            next_authority_public_key: self.authorities.next.map(|key| hex(&key.to_bytes())),
        };
        let mut text = serde_json::to_string_pretty(&raw).unwrap_or_default();
        text.push('\n');
        files::write(&folder.join(CLUSTER_FILE), text.as_bytes(), Access::Public)
    }
}
