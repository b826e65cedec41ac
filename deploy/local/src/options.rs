//! What a cluster is started with.

use crate::Output;
use node::life::Shutdown;
use std::path::PathBuf;
use std::time::Duration;

/// Whether a data directory goes on from where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Keys, world and players of the last time, if there was one.
    #[default]
    GoOn,
    /// Everything in the data directory is deleted first, provided the directory is a local cluster's.
    Fresh,
}

/// What a cluster is started with.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The `regionmesh` binary.
    pub program: PathBuf,
    /// What reports call the topology.
    pub topology_name: String,
    /// The topology file's text; ports 0 become free ports.
    pub topology: String,
    /// Where keys, world and logs live.
    pub data: PathBuf,
    /// The address of a PostgreSQL database for the world, without its password; else it is a file in `data`.
    pub database: Option<String>,
    /// Go on or begin anew.
    pub start: Start,
    /// Where the children's lines go.
    pub output: Output,
    /// More environment for every node, such as `REGIONMESH_NODE__LOG_LEVEL`.
    pub environment: Vec<(String, String)>,
    /// How long all nodes together may take to become ready.
    pub ready_timeout: Duration,
    /// How long a child may take to drain before it is killed.
    pub grace: Duration,
    /// Ends a start that is still waiting for nodes.
    pub shutdown: Shutdown,
}

impl ClusterOptions {
    /// The built-in topology in the data directory `data`, run by `program`; lines go to files in `data/logs`.
    #[must_use]
    pub fn new(program: PathBuf, data: PathBuf) -> Self {
        let logs = data.join("logs");
        Self {
            program,
            topology_name: crate::DEFAULT_TOPOLOGY_NAME.to_owned(),
            topology: crate::DEFAULT_TOPOLOGY.to_owned(),
            data,
            database: None,
            start: Start::default(),
            output: Output::Files(logs),
            environment: Vec::new(),
            ready_timeout: Duration::from_secs(60),
            // More than a node's own limit for its drain, so that a slow one can say so itself.
            grace: Duration::from_secs(12),
            shutdown: Shutdown::new(),
        }
    }
}
