//! The operator's side: makes a cluster and its authority, issues, renews and revokes the papers of nodes, and signs
//! topologies.
//!
//! ```text
//! cluster.json         as in every data directory                          public
//! authority.key        the authority's secret, 32 bytes                    mode 0600
//! authority.json       topology version, who each node is, who is revoked  public
//! topology.bundle      the topology that was signed last                   public
//! nodes/NAME/…         data directories, ready to be carried to their hosts
//! ```
//!
//! No node's secret is kept beside the directory that is its own.

mod auths;
mod error;
mod state;

pub use error::AuthorityDirError;
pub use state::{NodeState, Revoked, role_name};

use crate::cluster_file::ClusterFile;
use crate::data_dir::{BUNDLE_FILE, CERTIFICATE_FILE, VOUCHER_FILE};
use crate::files::{self, Access, FileError};
use protocol::Entropy;
use protocol::entropy::array;
use protocol::identity::{
    AuthorityKey, AuthorityKeys, CERTIFICATE_BYTES, Clock, DiskCertificate, NodePublic, Role, Validity,
};
use protocol::ids::{ClusterId, NodeNumber, NodeUuid, TopologyVersion};
use protocol::limits::TOPOLOGY_BUNDLE_BYTES_MAX;
use state::State;
use std::path::{Path, PathBuf};
use topology::{Bundle, NodeEntry, Topology, TopologyView};
use zeroize::Zeroizing;

const KEY_FILE: &str = "authority.key";
const DAY_MS: i64 = 24 * 3600 * 1000;
/// A node's certificate.
const CERTIFICATE_MS: i64 = 90 * DAY_MS;
/// A proxy's voucher: bounds what a revoked proxy can phish.
const VOUCHER_MS: i64 = 7 * DAY_MS;
/// A topology bundle.
const BUNDLE_MS: i64 = 90 * DAY_MS;
/// Where the seed stands in a certificate on disk: behind magic, version, uuid and two times.
const SEED_AT: std::ops::Range<usize> = 37..69;

/// A cluster's authority with its directory.
#[derive(Debug)]
pub struct AuthorityDir {
    path: PathBuf,
    key: AuthorityKey,
    /// Which cluster, and the authority's public key.
    pub cluster: ClusterFile,
    state: State,
}

/// What a node was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    /// The data directory they lie in.
    pub data: PathBuf,
    /// Who it is, and until when.
    pub state: NodeState,
}

/// A topology as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The bundle.
    pub sealed: Vec<u8>,
    /// Its version.
    pub version: TopologyVersion,
    /// Until when it may be taken up, Unix milliseconds.
    pub not_after_ms: i64,
}

/// A node's data directory as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedNode {
    /// Its name in the topology.
    pub name: String,
    /// Its number in the topology.
    pub number: NodeNumber,
    /// What it is.
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
        match is_there(path) {
            true => Self::read(path),
            false => Self::create(path, entropy),
        }
    }

    /// Makes a new cluster.
    ///
    /// # Errors
    /// `Exists`, also when only a part is there: nothing is overwritten.
    pub fn init(path: &Path, entropy: &mut dyn Entropy) -> Result<Self, AuthorityDirError> {
        match is_there(path) {
            true => Err(AuthorityDirError::Exists(path.to_owned())),
            false => Self::create(path, entropy),
        }
    }

    /// Opens an authority.
    ///
    /// # Errors
    /// `None` when there is none; otherwise what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, AuthorityDirError> {
        match is_there(path) {
            true => Self::read(path),
            false => Err(AuthorityDirError::None(path.to_owned())),
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
        made.state.write(&made.path)?;
        Ok(made)
    }

    fn read(path: &Path) -> Result<Self, AuthorityDirError> {
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
        let state = State::read(path)?;
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

    /// Who has papers, by name.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &NodeState)> {
        self.state.nodes.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// Where a node's papers are written, unless another place is named.
    #[must_use]
    pub fn folder_of(&self, name: &str) -> PathBuf {
        self.path.join("nodes").join(name)
    }

    /// Issues the papers of a node that has none. It counts once a topology that lists it is signed.
    ///
    /// # Errors
    /// `BadName`, `IssuedAlready`, or what the file system says.
    pub fn issue_node(
        &mut self,
        name: &str,
        role: Role,
        entropy: &mut dyn Entropy,
        wall_ms: u64,
    ) -> Result<Papers, AuthorityDirError> {
        if !topology::is_name(name) {
            return Err(AuthorityDirError::BadName(name.to_owned()));
        }
        if self.state.nodes.contains_key(name) {
            return Err(AuthorityDirError::IssuedAlready(name.to_owned()));
        }
        let (data, uuid) = (self.folder_of(name), NodeUuid(array(entropy)));
        let seed = Zeroizing::new(array(entropy));
        let papers = self.write_papers(&data, (uuid, role), &seed, wall_ms)?;
        self.state.nodes.insert(name.to_owned(), papers.state.clone());
        self.state.write(&self.path)?;
        Ok(papers)
    }

    /// Renews the papers of a node, whose key lies in `data`, or where it was issued: it stays who it is.
    ///
    /// # Errors
    /// `NotIssued`, `NoKey`, or what the file system says.
    pub fn renew_node(
        &mut self,
        name: &str,
        data: Option<&Path>,
        wall_ms: u64,
    ) -> Result<Papers, AuthorityDirError> {
        let known = self.state.nodes.get(name).cloned();
        let known = known.ok_or_else(|| AuthorityDirError::NotIssued(name.to_owned()))?;
        let data = data.map_or_else(|| self.folder_of(name), Path::to_owned);
        let no_key = |what: &str| AuthorityDirError::NoKey {
            path: data.join(CERTIFICATE_FILE),
            what: what.to_owned(),
        };
        let certificate = certificate_in(&data).map_err(|why| no_key(&why))?;
        if certificate.wire().claimed_uuid() != known.uuid {
            return Err(no_key("it is the certificate of another node"));
        }
        let seed = seed_of(&certificate).ok_or_else(|| no_key("it has no key"))?;
        let papers = self.write_papers(&data, (known.uuid, known.role), &seed, wall_ms)?;
        self.state.nodes.insert(name.to_owned(), papers.state.clone());
        self.state.write(&self.path)?;
        Ok(papers)
    }

    /// Takes a node's papers away: the next topology that is signed says so to everybody. Its name is free again.
    ///
    /// # Errors
    /// `NotIssued`, or what the file system says.
    pub fn revoke_node(&mut self, name: &str) -> Result<Revoked, AuthorityDirError> {
        let node = self.state.nodes.remove(name);
        let node = node.ok_or_else(|| AuthorityDirError::NotIssued(name.to_owned()))?;
        let revoked = Revoked {
            name: name.to_owned(),
            uuid: node.uuid,
            until_ms: node.certificate_until_ms,
        };
        self.state.revoked.push(revoked.clone());
        self.state.write(&self.path)?;
        Ok(revoked)
    }

    /// Signs a topology for machines, under a version above all before. Beside the authority it is written to each
    /// node's directory that is still here.
    ///
    /// # Errors
    /// `NotIssued` or `AnotherRole` for the first node whose papers do not fit, `FreePorts`, `Bundle`.
    pub fn sign(
        &mut self,
        toml: &str,
        topology: &Topology,
        wall_ms: u64,
    ) -> Result<Signed, AuthorityDirError> {
        let signed = self.sign_only(toml, topology, wall_ms)?;
        self.keep(topology, &signed)?;
        Ok(signed)
    }

    /// Signs a topology, and writes it nowhere: it is to be shown to a running node first.
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    pub fn sign_only(
        &mut self,
        toml: &str,
        topology: &Topology,
        wall_ms: u64,
    ) -> Result<Signed, AuthorityDirError> {
        if topology.has_free_ports() {
            return Err(AuthorityDirError::FreePorts);
        }
        self.seal(toml, topology, wall_ms)
    }

    /// Writes what was signed beside the authority, and to each node's directory that is still here.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep(&self, topology: &Topology, signed: &Signed) -> Result<(), AuthorityDirError> {
        files::write(&self.path.join(BUNDLE_FILE), &signed.sealed, Access::Public)?;
        for (name, ..) in nodes_of(topology) {
            let data = self.folder_of(&name);
            if data.join(CERTIFICATE_FILE).exists() {
                files::write(&data.join(BUNDLE_FILE), &signed.sealed, Access::Public)?;
            }
        }
        Ok(())
    }

    /// The topology that was signed last and kept here, opened as nodes open it; `None` when there is none.
    ///
    /// # Errors
    /// `Bundle`, or what the file system says.
    pub fn signed(&self, wall_ms: u64) -> Result<Option<TopologyView>, AuthorityDirError> {
        let path = self.path.join(BUNDLE_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let sealed = files::read(&path, TOPOLOGY_BUNDLE_BYTES_MAX, Access::Public)?;
        let (cluster, clock) = (&self.cluster, Clock::of_node(wall_ms));
        let opened = TopologyView::open(&sealed, &cluster.authorities, cluster.cluster_id, clock);
        Ok(Some(opened?))
    }

    /// Issues or renews a data directory for each node of the topology under a bundle of a new version: all that a local
    /// cluster needs. Nodes keep uuid and key over renewals.
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
        let mut issued = Vec::new();
        for (name, number, role) in nodes_of(topology) {
            let known = self.state.nodes.get(&name);
            let uuid = known.map_or_else(|| NodeUuid(array(entropy)), |node| node.uuid);
            let data = self.folder_of(&name);
            // A node keeps its key; it gets a new one when there is none to keep.
            let kept = certificate_in(&data).ok().and_then(|kept| seed_of(&kept));
            let seed = kept.unwrap_or_else(|| Zeroizing::new(array(entropy)));
            let papers = self.write_papers(&data, (uuid, role), &seed, wall_ms)?;
            self.state.nodes.insert(name.clone(), papers.state);
            issued.push(IssuedNode {
                name,
                number,
                role,
                uuid,
                data,
            });
        }
        let signed = self.seal(toml, topology, wall_ms)?;
        for node in &issued {
            files::write(&node.data.join(BUNDLE_FILE), &signed.sealed, Access::Public)?;
        }
        Ok(issued)
    }

    fn write_papers(
        &self,
        data: &Path,
        (uuid, role): (NodeUuid, Role),
        seed: &[u8; 32],
        wall_ms: u64,
    ) -> Result<Papers, AuthorityDirError> {
        let cluster_id = self.cluster.cluster_id;
        let validity = validity(wall_ms, CERTIFICATE_MS);
        let certificate = self.key.issue(cluster_id, uuid, validity, seed);
        let encoded = certificate.encode();
        files::write(&data.join(CERTIFICATE_FILE), encoded.as_slice(), Access::Secret)?;
        self.cluster.write(data)?;
        let mut voucher_until_ms = None;
        if role == Role::Proxy {
            let validity = self::validity(wall_ms, VOUCHER_MS);
            let voucher = self.key.vouch(cluster_id, uuid, role, validity);
            files::write(&data.join(VOUCHER_FILE), &voucher.encode(), Access::Public)?;
            voucher_until_ms = Some(validity.until_ms);
        }
        Ok(Papers {
            data: data.to_owned(),
            state: NodeState {
                uuid,
                role,
                public: Some(certificate.node_key().public()),
                certificate_until_ms: validity.until_ms,
                voucher_until_ms,
            },
        })
    }

    fn seal(&mut self, toml: &str, topology: &Topology, wall_ms: u64) -> Result<Signed, AuthorityDirError> {
        let mut nodes = Vec::new();
        for (name, number, role) in nodes_of(topology) {
            let known = self.state.nodes.get(&name);
            let known = known.ok_or_else(|| AuthorityDirError::NotIssued(name.clone()))?;
            if known.role != role {
                return Err(AuthorityDirError::AnotherRole {
                    name,
                    wanted: role_name(role),
                    issued: role_name(known.role),
                });
            }
            let public = known
                .public
                .ok_or_else(|| AuthorityDirError::NotIssued(name.clone()))?;
            nodes.extend(entries_of(number, role, known.uuid, public));
        }
        let not_after_ms = validity(wall_ms, BUNDLE_MS).until_ms;
        let now_ms = validity(wall_ms, 0).from_ms;
        // Whose certificate has expired needs no revocation any more.
        self.state.revoked.retain(|revoked| revoked.until_ms > now_ms);
        self.state.topology_version += 1;
        let version = TopologyVersion(self.state.topology_version);
        let bundle = Bundle {
            cluster_id: self.cluster.cluster_id,
            version,
            not_after_ms,
            toml: toml.to_owned(),
            nodes,
            revoked: self.state.revoked.iter().map(|revoked| revoked.uuid).collect(),
        };
        let sealed = bundle.seal(&self.key)?;
        // The version is used up before anybody can have seen it.
        self.state.write(&self.path)?;
        Ok(Signed {
            sealed,
            version,
            not_after_ms,
        })
    }
}

fn is_there(path: &Path) -> bool {
    [crate::cluster_file::CLUSTER_FILE, KEY_FILE, state::STATE_FILE]
        .iter()
        .any(|name| path.join(name).exists())
}

fn validity(wall_ms: u64, life_ms: i64) -> Validity {
    let from_ms = i64::try_from(wall_ms).unwrap_or(i64::MAX / 2);
    Validity {
        from_ms,
        until_ms: from_ms.saturating_add(life_ms),
    }
}

fn nodes_of(topology: &Topology) -> Vec<(String, NodeNumber, Role)> {
    let servers = topology
        .servers()
        .iter()
        .map(|server| (server.name.clone(), server.number, Role::GameServer));
    let proxies = topology
        .proxies()
        .iter()
        .map(|proxy| (proxy.name.clone(), proxy.number, Role::Proxy));
    let auths = topology
        .auths()
        .iter()
        .map(|auth| (auth.name.clone(), auth.number, Role::Auth));
    servers.chain(proxies).chain(auths).collect()
}

/// A proxy also lets guests in and renews tickets: it signs them, as nodes of the auth role do.
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

fn certificate_in(data: &Path) -> Result<DiskCertificate, String> {
    let bytes = files::read(&data.join(CERTIFICATE_FILE), CERTIFICATE_BYTES, Access::Secret);
    let bytes = Zeroizing::new(bytes.map_err(|error| match error {
        FileError::Read { source, .. } => source.to_string(),
        other => other.to_string(),
    })?);
    DiskCertificate::parse(&bytes).map_err(|error| error.to_string())
}

/// The secret of a certificate, to issue another one for the same key.
fn seed_of(certificate: &DiskCertificate) -> Option<Zeroizing<[u8; 32]>> {
    let encoded = certificate.encode();
    <[u8; 32]>::try_from(encoded.get(SEED_AT)?)
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests;
