//! Why the operator's papers cannot be made. Each is one sentence with what to do.

use crate::cluster_file::ClusterFileError;
use crate::files::FileError;
use protocol::Shown;
use std::path::PathBuf;
use topology::BundleError;

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
    /// There is one already.
    #[error("{} has an authority already; name another directory, or go on with this one", Shown(.0.display()))]
    Exists(PathBuf),
    /// There is none.
    #[error("{} has no authority; make one with `regionmesh authority init`, or name its directory with --authority", Shown(.0.display()))]
    None(PathBuf),
    /// No name of a node.
    #[error("`{}` cannot be a node's name: 1 to 32 letters, digits, '-', '_' or '.', beginning with a letter or digit", Shown(.0))]
    BadName(String),
    /// It has papers.
    #[error("`{0}` has papers already; renew them with `regionmesh node renew`, or revoke them first")]
    IssuedAlready(String),
    /// It has none.
    #[error("`{0}` has no papers here; issue them with `regionmesh node issue`")]
    NotIssued(String),
    /// Its papers are those of another role.
    #[error(
        "`{name}` is a {wanted} in the topology, and its papers are those of a {issued}; give one of them another name, or revoke these papers and issue others"
    )]
    AnotherRole {
        /// The node.
        name: String,
        /// Its role in the topology.
        wanted: &'static str,
        /// That of its papers.
        issued: &'static str,
    },
    /// Its key is elsewhere.
    #[error("{}: {what}, so its papers cannot be renewed there; name the node's data directory with --data, or revoke them and issue others", Shown(path.display()))]
    NoKey {
        /// Where it should be.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Ports that nobody could know.
    #[error("the topology has a port 0, which is for local clusters only (`regionmesh up`); write the ports")]
    FreePorts,
}
