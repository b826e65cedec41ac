//! `join.json`: all a client needs to know of a cluster before it knows anybody in it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use protocol::client_handshake::ClientTrust;
use protocol::identity::{AuthorityKeys, AuthorityPublic};
use protocol::ids::ClusterId;
use serde::{Deserialize, Serialize};

/// The version of the format that this SDK reads.
const VERSION: u32 = 1;
/// A larger file is not a join file, bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// The file as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JoinFile {
    /// Format, 1.
    pub version: u32,
    /// 32 hexadecimal digits.
    pub cluster_id: String,
    /// The authority's Ed25519 public key, 64 hexadecimal digits.
    pub authority_public_key: String,
    /// Any of them will do.
    pub proxies: Vec<ProxyAddress>,
    /// Status pages of the nodes, in local clusters only.
    #[serde(default)]
    pub observe: Vec<ObservedNode>,
}

/// Where a proxy takes players.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProxyAddress {
    /// Its name in the topology.
    pub name: String,
    /// Its TCP address.
    pub tcp: SocketAddr,
}

/// A node whose status may be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObservedNode {
    /// Its name in the topology.
    pub name: String,
    /// `gameserver` or `proxy`.
    pub role: String,
    /// Its `/status`.
    pub status_url: String,
}

/// Why a join file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JoinFileError {
    /// The file could not be read.
    #[error("cannot read the join file {path}: {error}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is too large to be one.
    #[error("{0} is too large to be a join file")]
    TooLarge(PathBuf),
    /// It is not JSON of this shape.
    #[error("the join file {path} is malformed: {error}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        error: serde_json::Error,
    },
    /// It is of another version.
    #[error("the join file is of version {0}, this client reads version {VERSION}")]
    Version(u32),
    /// A field is not what it must be.
    #[error("the join file's `{0}` is not valid")]
    Field(&'static str),
}

impl JoinFile {
    /// Reads a file.
    ///
    /// # Errors
    /// `JoinFileError` names the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, JoinFileError> {
        let unreadable = |error| JoinFileError::Unreadable {
            path: path.to_owned(),
            error,
        };
        if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
            return Err(JoinFileError::TooLarge(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        serde_json::from_str(&text).map_err(|error| JoinFileError::Malformed {
            path: path.to_owned(),
            error,
        })
    }

    /// The cluster and the key that this client will trust.
    ///
    /// # Errors
    /// `Version` or `Field`.
    pub fn trust(&self) -> Result<ClientTrust, JoinFileError> {
        if self.version != VERSION {
            return Err(JoinFileError::Version(self.version));
        }
        let cluster_id = parse_hex(&self.cluster_id).map(ClusterId);
        let key = parse_hex(&self.authority_public_key).and_then(|bytes| AuthorityPublic::parse(&bytes).ok());
        Ok(ClientTrust {
            cluster_id: cluster_id.ok_or(JoinFileError::Field("cluster_id"))?,
            authorities: AuthorityKeys::new(key.ok_or(JoinFileError::Field("authority_public_key"))?),
        })
    }

    /// The proxies' addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.proxies.iter().map(|proxy| proxy.tcp).collect()
    }
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> JoinFile {
        let text = r#"{"version": 1, "cluster_id": "000102030405060708090a0b0c0d0e0f",
            "authority_public_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "proxies": [{"name": "edge-1", "tcp": "127.0.0.1:7000"}]}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_join_file_names_cluster_key_and_proxies() {
        let trust = file().trust().unwrap();
        assert_eq!(trust.cluster_id.0[15], 15);
        assert_eq!(file().addresses(), ["127.0.0.1:7000".parse().unwrap()]);
    }

    #[test]
    fn what_is_not_valid_is_named() {
        let mut other = file();
        other.version = 2;
        assert!(matches!(other.trust(), Err(JoinFileError::Version(2))));
        let mut other = file();
        other.cluster_id.replace_range(0..1, "g");
        assert!(matches!(other.trust(), Err(JoinFileError::Field("cluster_id"))));
        let mut other = file();
        other.authority_public_key.pop();
        assert!(matches!(
            other.trust(),
            Err(JoinFileError::Field("authority_public_key"))
        ));
        let missing = JoinFile::read(Path::new("/nonexistent/join.json")).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/join.json"));
    }
}
