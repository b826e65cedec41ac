//! The mesh as a library: a game's own program is [`Program`] with its rules, and has all commands that `regionmesh` has.
//!
//! [`Cluster`] is the local cluster, game servers and proxies as real processes of one binary on this machine only: what
//! `up` runs and what the tests with real processes use; there is no second way to start nodes. Everything a cluster
//! knows stands in one data directory (`data_root.rs` has its layout).

mod account_command;
mod account_store;
mod admin_client;
mod answers;
mod authority_command;
mod candidates_command;
mod child;
mod cluster;
mod command_line;
mod data_root;
mod database_command;
mod entry;
mod grant_command;
mod issue;
mod join_file;
mod next_steps;
mod nodes;
mod options;
mod output;
mod ports;
mod prune_command;
mod region_command;
mod reports_command;
mod settings_command;
mod store_command;
mod topology_command;
mod topology_file;
mod up;

pub use admin_client::{post, post_bytes};
pub use child::{Child, ChildSpec, Ended, quoted};
pub use cluster::{Cluster, ClusterError};
pub use data_root::{DataRootError, MARKER_FILE};
pub use entry::Program;
/// A small world for the tests of a game.
pub use game_testing as testing;
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
