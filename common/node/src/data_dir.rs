//! A node's data directory: who it is, what it may do, and the topology it starts with.
//!
//! ```text
//! cluster.json      which cluster, whose signatures count        public
//! node.cert         certificate with the node's secret key       mode 0600
//! role.voucher      a proxy's role, for players                  public, proxies only
//! topology.bundle   the newest topology this node has accepted   public
//! topology.former   the one before, if it has seen one           public
//! node.lock         held by the process that runs on it          public
//! ```
//!
//! Everything is checked against everything else before the node speaks to anybody; each refusal is one sentence.

mod held;
pub mod inspect;

pub use held::{HeldDir, LOCK_FILE};

use crate::cluster_file::{ClusterFile, ClusterFileError};
use crate::files::{self, Access, FileError};
use protocol::Shown;
use protocol::identity::{
    CERTIFICATE_BYTES, CertificateError, Clock, DiskCertificate, OutsideValidity, Role, RoleVoucher,
    VOUCHER_BYTES, VerifiedCertificate, VoucherError,
};
use protocol::ids::{NodeNumber, NodeUuid};
use protocol::limits::TOPOLOGY_BUNDLE_BYTES_MAX;
use std::path::{Path, PathBuf};
use topology::{BundleError, Standing, TopologyView};

/// The node's certificate with its secret.
pub const CERTIFICATE_FILE: &str = "node.cert";
/// The node's role, for players.
pub const VOUCHER_FILE: &str = "role.voucher";
/// The topology.
pub const BUNDLE_FILE: &str = "topology.bundle";
/// The topology before.
pub const FORMER_FILE: &str = "topology.former";

/// Why a data directory is refused. Each is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// A file of it.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its `cluster.json`.
    #[error(transparent)]
    Cluster(#[from] ClusterFileError),
    /// Its parts are of different clusters.
    #[error("{} is the data directory of another cluster: {file} is not signed by the authority that cluster.json names; use the directory made for this cluster", Shown(path.display()))]
    AnotherCluster {
        /// The directory.
        path: PathBuf,
        /// The file that does not belong.
        file: &'static str,
    },
    /// The certificate cannot be used.
    #[error("{}: {source}; {remedy}", Shown(path.display()))]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CertificateError,
        /// What to do.
        remedy: String,
    },
    /// The voucher cannot be used.
    #[error("{}: {source}; {remedy}", Shown(path.display()))]
    Voucher {
        /// The file.
        path: PathBuf,
        /// Why.
        source: VoucherError,
        /// What to do.
        remedy: String,
    },
    /// The bundle cannot be used.
    #[error("{}: {source}; {remedy}", Shown(path.display()))]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BundleError,
        /// What to do.
        remedy: String,
    },
    /// Another process runs on it.
    #[error(
        "{}: process {pid} runs on this data directory; end it first, or have the operator issue papers for a node of its own",
        Shown(path.display())
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Which process, as it wrote itself.
        pid: String,
    },
    /// The node is not who `--name` says, or may not do what the command line says.
    #[error("{}: {what}; correct --name and --data, or the topology", Shown(path.display()))]
    NotThisNode {
        /// The directory.
        path: PathBuf,
        /// Which contradiction.
        what: String,
    },
}

/// An opened and checked data directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Which cluster, and whose signatures count.
    pub cluster: ClusterFile,
    /// Proves who this node is; holds its secret key.
    pub certificate: DiskCertificate,
    /// What peers will make of the certificate.
    pub verified: VerifiedCertificate,
    /// This node's number in the topology.
    pub number: NodeNumber,
    /// A proxy's role, for players.
    pub voucher: Option<RoleVoucher>,
    /// The topology in force when this node last ran.
    pub view: TopologyView,
    /// The one before: whoever it lists may not have given its regions away yet.
    pub former: Option<TopologyView>,
}

/// What of a data directory the authority renews: read while the node runs.
#[derive(Debug)]
pub struct OwnPapers {
    /// Which cluster, and whose signatures count.
    pub cluster: ClusterFile,
    /// Proves who this node is; holds its secret key.
    pub certificate: DiskCertificate,
    /// What peers will make of the certificate.
    pub verified: VerifiedCertificate,
    /// A proxy's role, for players.
    pub voucher: Option<RoleVoucher>,
}

impl OwnPapers {
    /// Reads certificate and voucher of a node that runs in `role`, at this wall clock (Unix milliseconds).
    ///
    /// # Errors
    /// As [`DataDir::open`].
    pub fn read(path: &Path, role: Role, wall_ms: u64) -> Result<Self, DataDirError> {
        let cluster = ClusterFile::read(path)?;
        let (certificate, verified) = read_certificate(path, &cluster, wall_ms)?;
        let voucher = match role {
            Role::Proxy => Some(read_voucher(path, &cluster, verified.uuid(), wall_ms)?),
            _ => None,
        };
        Ok(Self {
            cluster,
            certificate,
            verified,
            voucher,
        })
    }
}

impl DataDir {
    /// Opens the directory of the node `name`, which is to run in `role`, at this wall clock (Unix milliseconds).
    ///
    /// # Errors
    /// `DataDirError`: the first contradiction found; nothing has been said to any peer then.
    pub fn open(path: &Path, name: &str, role: Role, wall_ms: u64) -> Result<Self, DataDirError> {
        let cluster = ClusterFile::read(path)?;
        let (certificate, verified) = read_certificate(path, &cluster, wall_ms)?;
        let view = read_bundle(path, &cluster, wall_ms)?;
        let former = read_former(path, &cluster);
        let number = number_of(path, name, role, &verified, &view)?;
        let voucher = match role {
            Role::Proxy => Some(read_voucher(path, &cluster, verified.uuid(), wall_ms)?),
            _ => None,
        };
        Ok(Self {
            path: path.to_owned(),
            cluster,
            certificate,
            verified,
            number,
            voucher,
            view,
            former,
        })
    }

    /// The directory, for what else the node keeps there.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who this node is.
    #[must_use]
    pub fn uuid(&self) -> NodeUuid {
        self.verified.uuid()
    }
}

/// What to do about a paper that does not count: what is wrong may be this host's clock.
fn renew(paper: &str, outside: Option<OutsideValidity>, wall_ms: u64) -> String {
    let now = crate::clock::utc(wall_ms);
    match outside {
        Some(OutsideValidity::NotYet) => {
            format!("this host's clock is behind: it says {now}; set it right, and start the node again")
        }
        Some(OutsideValidity::Expired) => format!(
            "have the operator issue a new {paper}; if this one is new, the host's clock is ahead: it says {now}"
        ),
        None => format!("have the operator issue a new {paper}"),
    }
}

fn read_certificate(
    folder: &Path,
    cluster: &ClusterFile,
    wall_ms: u64,
) -> Result<(DiskCertificate, VerifiedCertificate), DataDirError> {
    let path = folder.join(CERTIFICATE_FILE);
    let bytes = zeroize::Zeroizing::new(files::read(&path, CERTIFICATE_BYTES, Access::Secret)?);
    let refused = |source| match source {
        CertificateError::NotSigned => DataDirError::AnotherCluster {
            path: folder.to_owned(),
            file: CERTIFICATE_FILE,
        },
        source => {
            let outside = match source {
                CertificateError::OutsideValidity(outside) => Some(outside),
                _ => None,
            };
            DataDirError::Certificate {
                path: path.clone(),
                source,
                remedy: renew("certificate", outside, wall_ms),
            }
        }
    };
    let certificate = DiskCertificate::parse(&bytes).map_err(refused)?;
    let verified = certificate
        .wire()
        .verify(&cluster.authorities, cluster.cluster_id, Clock::of_node(wall_ms))
        .map_err(refused)?;
    Ok((certificate, verified))
}

fn read_bundle(folder: &Path, cluster: &ClusterFile, wall_ms: u64) -> Result<TopologyView, DataDirError> {
    let path = folder.join(BUNDLE_FILE);
    let bytes = files::read(&path, TOPOLOGY_BUNDLE_BYTES_MAX, Access::Public)?;
    let clock = Clock::of_node(wall_ms);
    TopologyView::open(&bytes, &cluster.authorities, cluster.cluster_id, clock).map_err(|source| match source
    {
        BundleError::NotSigned | BundleError::WrongCluster => DataDirError::AnotherCluster {
            path: folder.to_owned(),
            file: BUNDLE_FILE,
        },
        source => {
            let outside = matches!(source, BundleError::Expired).then_some(OutsideValidity::Expired);
            let remedy = renew("topology bundle", outside, wall_ms);
            DataDirError::Bundle { path, source, remedy }
        }
    })
}

/// None that cannot be read any more is missed: it only says who else may speak for a while.
fn read_former(folder: &Path, cluster: &ClusterFile) -> Option<TopologyView> {
    let bytes = files::read(
        &folder.join(FORMER_FILE),
        TOPOLOGY_BUNDLE_BYTES_MAX,
        Access::Public,
    );
    // It was in force, whatever the time is now.
    let clock = Clock::of_node(0);
    TopologyView::open(&bytes.ok()?, &cluster.authorities, cluster.cluster_id, clock).ok()
}

fn read_voucher(
    folder: &Path,
    cluster: &ClusterFile,
    uuid: NodeUuid,
    wall_ms: u64,
) -> Result<RoleVoucher, DataDirError> {
    let path = folder.join(VOUCHER_FILE);
    let bytes = files::read(&path, VOUCHER_BYTES, Access::Public)?;
    let refused = |source| match source {
        VoucherError::NotSigned | VoucherError::WrongCluster => DataDirError::AnotherCluster {
            path: folder.to_owned(),
            file: VOUCHER_FILE,
        },
        source => {
            let outside = match source {
                VoucherError::OutsideValidity(outside) => Some(outside),
                _ => None,
            };
            DataDirError::Voucher {
                path: path.clone(),
                source,
                remedy: renew("role voucher", outside, wall_ms),
            }
        }
    };
    let clock = Clock::of_node(wall_ms);
    let voucher = RoleVoucher::parse(&bytes).map_err(refused)?;
    voucher
        .verify(&cluster.authorities, cluster.cluster_id, uuid, Role::Proxy, clock)
        .map_err(refused)?;
    Ok(voucher)
}

/// The number that name, certificate and node table agree on.
fn number_of(
    path: &Path,
    name: &str,
    role: Role,
    verified: &VerifiedCertificate,
    view: &TopologyView,
) -> Result<NodeNumber, DataDirError> {
    let wrong = |what: String| {
        Err(DataDirError::NotThisNode {
            path: path.to_owned(),
            what,
        })
    };
    let uuid = verified.uuid();
    let record = match view.standing(uuid) {
        Standing::Listed(record) => record,
        Standing::Revoked => return wrong(format!("the certificate of node {uuid} is revoked")),
        Standing::Unknown => return wrong(format!("the topology does not list node {uuid}")),
    };
    let topology = view.topology();
    let named = match role {
        Role::GameServer => topology
            .servers()
            .iter()
            .find(|server| server.name == name)
            .map(|server| server.number),
        Role::Auth => topology.auth_by_name(name).map(|auth| auth.number),
        _ => topology
            .proxies()
            .iter()
            .find(|proxy| proxy.name == name)
            .map(|proxy| proxy.number),
    };
    let Some(named) = named else {
        return wrong(format!("the topology has no such node `{name}` in this role"));
    };
    if record.number != named || record.public != verified.public() {
        return wrong(format!(
            "the directory is that of node number {}, and `{name}` is number {named}",
            record.number
        ));
    }
    if !record.roles.contains(&role) {
        return wrong(format!("`{name}` is not listed in this role"));
    }
    Ok(named)
}

#[cfg(test)]
mod tests;
