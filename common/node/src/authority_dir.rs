//! The operator's side: makes a cluster, its authority, and a data directory for each node of a topology.
//!
//! ```text
//! cluster.json         as in every data directory                          public
//! authority.key        the authority's secret, 32 bytes                    mode 0600
//! authority.json       topology version, uuid of each node                 public
//! nodes/NAME/…         data directories, ready to be carried to their hosts
//! ```
//!
//! No node's secret is kept beside the directory that is its own.

use crate::cluster_file::{ClusterFile, ClusterFileError};
use crate::data_dir::{BUNDLE_FILE, CERTIFICATE_FILE, VOUCHER_FILE};
use crate::files::{self, Access, FileError, hex, parse_hex};
use protocol::Entropy;
use protocol::Shown;
use protocol::entropy::array;
use protocol::identity::{
    AuthorityKey, AuthorityKeys, CERTIFICATE_BYTES, DiskCertificate, NodePublic, Role, Validity,
};
use protocol::ids::{ClusterId, NodeNumber, NodeUuid, TopologyVersion};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use topology::{Bundle, BundleError, NodeEntry, Topology};
use zeroize::Zeroizing;

const KEY_FILE: &str = "authority.key";
const STATE_FILE: &str = "authority.json";
const STATE_BYTES_MAX: usize = 1 << 20;
const DAY_MS: i64 = 24 * 3600 * 1000;
/// A node's certificate.
const CERTIFICATE_MS: i64 = 90 * DAY_MS;
/// A proxy's voucher: bounds what a revoked proxy can phish.
const VOUCHER_MS: i64 = 7 * DAY_MS;
/// A topology bundle.
const BUNDLE_MS: i64 = 90 * DAY_MS;
/// Where the seed stands in a certificate on disk: behind magic, version, uuid and two times.
const SEED_AT: std::ops::Range<usize> = 37..69;

/// Why a cluster cannot be made or renewed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityDirError {
    /// A file of it.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its `cluster.json`.
    #[error(transparent)]
    Cluster(#[from] ClusterFileError),
    /// Key or state are not what they should be.
    #[error("{}: {what}; restore the file, or start a new cluster in an empty directory", Shown(path.display()))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The topology cannot be signed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// What the operator knows beside the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    topology_version: u64,
    nodes: BTreeMap<String, String>,
}

/// A cluster's authority with its directory.
#[derive(Debug)]
pub struct AuthorityDir {
    path: PathBuf,
    key: AuthorityKey,
    /// Which cluster, and the authority's public key.
    pub cluster: ClusterFile,
    state: State,
}

/// A node's data directory as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedNode {
    /// Its name in the topology.
    pub name: String,
    /// Its number in the topology.
    pub number: NodeNumber,
    /// Game server or proxy.
    pub role: Role,
    /// Who it is for good.
    pub uuid: NodeUuid,
    /// Its data directory.
    pub data: PathBuf,
}

impl AuthorityDir {
    /// Opens the authority in `path`, or makes a new cluster there when there is none.
    ///
    /// # Errors
    /// `AuthorityDirError`; a half-present cluster is never overwritten.
    pub fn open_or_create(path: &Path, entropy: &mut dyn Entropy) -> Result<Self, AuthorityDirError> {
        let exists = [crate::cluster_file::CLUSTER_FILE, KEY_FILE, STATE_FILE]
            .iter()
            .any(|name| path.join(name).exists());
        if exists {
            Self::open(path)
        } else {
            Self::create(path, entropy)
        }
    }

    fn create(path: &Path, entropy: &mut dyn Entropy) -> Result<Self, AuthorityDirError> {
        let seed = Zeroizing::new(array::<32>(entropy));
        let key = AuthorityKey::from_seed(&seed);
        let cluster = ClusterFile {
            cluster_id: ClusterId(array(entropy)),
            authorities: AuthorityKeys::new(key.public()),
        };
        files::write(&path.join(KEY_FILE), seed.as_slice(), Access::Secret)?;
        cluster.write(path)?;
        let made = Self {
            path: path.to_owned(),
            key,
            cluster,
            state: State::default(),
        };
        made.write_state()?;
        Ok(made)
    }

    fn open(path: &Path) -> Result<Self, AuthorityDirError> {
        let key_path = path.join(KEY_FILE);
        let wrong = |path: &Path, what: &str| AuthorityDirError::Content {
            path: path.to_owned(),
            what: what.to_owned(),
        };
        let seed = Zeroizing::new(files::read(&key_path, 32, Access::Secret)?);
        let seed: &[u8; 32] = seed
            .as_slice()
            .try_into()
            .map_err(|_| wrong(&key_path, "it is not 32 bytes"))?;
        let key = AuthorityKey::from_seed(seed);
        let cluster = ClusterFile::read(path)?;
        if cluster.authorities.current != key.public() {
            return Err(wrong(
                &key_path,
                "it is the key of another cluster than cluster.json names",
            ));
        }
        let state_path = path.join(STATE_FILE);
        let state = files::read(&state_path, STATE_BYTES_MAX, Access::Public)?;
        let state = serde_json::from_slice(files::unmarked(&state))
            .map_err(|error| wrong(&state_path, &error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            key,
            cluster,
            state,
        })
    }

    /// The authority's key, to sign what this module does not.
    #[must_use]
    pub fn key(&self) -> &AuthorityKey {
        &self.key
    }

    /// Issues a data directory for each node of the topology under a bundle of a new version. Nodes keep uuid and
    /// key over renewals; certificates last 90 days, vouchers of proxies 7. Proxies also get the auth role.
    ///
    /// # Errors
    /// `AuthorityDirError`; the topology in `toml` must be valid.
    pub fn issue(
        &mut self,
        toml: &str,
        topology: &Topology,
        entropy: &mut dyn Entropy,
        wall_ms: u64,
    ) -> Result<Vec<IssuedNode>, AuthorityDirError> {
        let from_ms = i64::try_from(wall_ms).unwrap_or(i64::MAX / 2);
        let until = |life_ms: i64| Validity {
            from_ms,
            until_ms: from_ms.saturating_add(life_ms),
        };
        self.state.topology_version += 1;
        let mut issued = Vec::new();
        let mut entries = Vec::new();
        for (name, number, role) in nodes_of(topology) {
            let uuid = self.uuid_of(&name, entropy)?;
            let data = self.path.join("nodes").join(&name);
            let seed = seed_of(&data, entropy);
            let certificate = self
                .key
                .issue(self.cluster.cluster_id, uuid, until(CERTIFICATE_MS), &seed);
            files::write(
                &data.join(CERTIFICATE_FILE),
                certificate.encode().as_slice(),
                Access::Secret,
            )?;
            self.cluster.write(&data)?;
            if role == Role::Proxy {
                let voucher = self
                    .key
                    .vouch(self.cluster.cluster_id, uuid, role, until(VOUCHER_MS));
                files::write(&data.join(VOUCHER_FILE), &voucher.encode(), Access::Public)?;
            }
            entries.extend(entries_of(number, role, uuid, certificate.node_key().public()));
            issued.push(IssuedNode {
                name,
                number,
                role,
                uuid,
                data,
            });
        }
        let bundle = Bundle {
            cluster_id: self.cluster.cluster_id,
            version: TopologyVersion(self.state.topology_version),
            not_after_ms: until(BUNDLE_MS).until_ms,
            toml: toml.to_owned(),
            nodes: entries,
            revoked: Vec::new(),
        };
        let sealed = bundle.seal(&self.key)?;
        // The version is used up before anybody can have seen it.
        self.write_state()?;
        for node in &issued {
            files::write(&node.data.join(BUNDLE_FILE), &sealed, Access::Public)?;
        }
        Ok(issued)
    }

    fn uuid_of(&mut self, name: &str, entropy: &mut dyn Entropy) -> Result<NodeUuid, AuthorityDirError> {
        if let Some(known) = self.state.nodes.get(name) {
            let wrong = || AuthorityDirError::Content {
                path: self.path.join(STATE_FILE),
                what: format!("the uuid of `{name}` is not 32 hexadecimal digits"),
            };
            return parse_hex(known).map(NodeUuid).ok_or_else(wrong);
        }
        let uuid = NodeUuid(array(entropy));
        self.state.nodes.insert(name.to_owned(), hex(&uuid.0));
        Ok(uuid)
    }

    fn write_state(&self) -> Result<(), FileError> {
        let mut text = serde_json::to_string_pretty(&self.state).unwrap_or_default();
        text.push('\n');
        files::write(&self.path.join(STATE_FILE), text.as_bytes(), Access::Public)
    }
}

fn nodes_of(topology: &Topology) -> Vec<(String, NodeNumber, Role)> {
    let servers = topology
        .servers()
        .iter()
        .map(|server| (server.name.clone(), server.number, Role::GameServer));
    servers
        .chain(
            topology
                .proxies()
                .iter()
                .map(|proxy| (proxy.name.clone(), proxy.number, Role::Proxy)),
        )
        .collect()
}

/// A proxy also logs users in: it has the auth role too.
fn entries_of(number: NodeNumber, role: Role, uuid: NodeUuid, public: NodePublic) -> Vec<NodeEntry> {
    let roles = if role == Role::Proxy {
        vec![Role::Proxy, Role::Auth]
    } else {
        vec![role]
    };
    roles
        .into_iter()
        .map(|role| NodeEntry {
            number,
            role,
            uuid,
            public,
        })
        .collect()
}

/// The seed of the certificate that is there, so that a node keeps its key; a new one when there is none to keep.
fn seed_of(data: &Path, entropy: &mut dyn Entropy) -> Zeroizing<[u8; 32]> {
    let bytes =
        files::read(&data.join(CERTIFICATE_FILE), CERTIFICATE_BYTES, Access::Secret).map(Zeroizing::new);
    let certificate = bytes.ok().filter(|bytes| DiskCertificate::parse(bytes).is_ok());
    let seed = certificate.and_then(|bytes| <[u8; 32]>::try_from(bytes.get(SEED_AT)?).ok());
    seed.map_or_else(|| Zeroizing::new(array(entropy)), Zeroizing::new)
}
