//! The local cluster: game servers and proxies as real processes of one binary, on this machine only.
//!
//! [`Cluster`] is what `regionmesh up` runs and what the tests with real processes use; there is no second way to
//! start nodes. Everything a cluster knows stands in one data directory (`data_root.rs` has its layout).

mod admin_client;
mod child;
mod cluster;
mod data_root;
mod issue;
mod join_file;
mod nodes;
mod options;
mod output;
mod ports;

pub use admin_client::post;
pub use child::{Child, ChildSpec, Ended, quoted};
pub use cluster::{Cluster, ClusterError};
pub use data_root::{DataRootError, MARKER_FILE};
pub use issue::IssueError;
pub use join_file::{JOIN_FILE, write_advertised};
pub use nodes::NodeAddresses;
pub use options::{ClusterOptions, Start};
pub use output::Output;
pub use ports::PortError;

/// The topology that a cluster gets when none is named: four game servers, two proxies, ports as they are free.
pub const DEFAULT_TOPOLOGY: &str = include_str!("../../topologies/two-by-two.toml");
/// What reports call the built-in topology.
pub const DEFAULT_TOPOLOGY_NAME: &str = "deploy/topologies/two-by-two.toml (built in)";
