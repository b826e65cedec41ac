//! A local cluster in a folder of its own that ends, folder and all, with its value.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use client::JoinFile;
use nix::sys::signal::Signal;
use regionmesh::{Cluster, ClusterOptions};

use super::fresh_folder;
use super::processes::Processes;

pub(crate) use protocol::identity::Role;

/// Running nodes.
pub(crate) struct LiveCluster {
    /// `None` only while it ends.
    cluster: Option<Cluster>,
    folder: PathBuf,
}

impl LiveCluster {
    /// Starts the cluster that a topology describes, or the built-in one, and waits until all nodes are ready.
    pub(crate) fn start(
        program: &Path,
        topology: Option<String>,
        ready_timeout: Duration,
    ) -> anyhow::Result<Self> {
        Self::start_on(program, topology, None, ready_timeout)
    }

    /// The same with its world in a database, where an address of one is given.
    pub(crate) fn start_on(
        program: &Path,
        topology: Option<String>,
        database: Option<String>,
        ready_timeout: Duration,
    ) -> anyhow::Result<Self> {
        let folder = fresh_folder(&std::env::temp_dir())?;
        let mut live = Self {
            cluster: None,
            folder,
        };
        let mut options = ClusterOptions::new(program.to_owned(), live.folder.clone());
        (options.ready_timeout, options.database) = (ready_timeout, database);
        if let Some(topology) = topology {
            options.topology_name = "generated".to_owned();
            options.topology = topology;
        }
        live.cluster = Some(Cluster::start(options)?);
        Ok(live)
    }

    /// What the swarm needs to join.
    pub(crate) fn join_file(&self) -> anyhow::Result<&Path> {
        Ok(self.cluster()?.join_file())
    }

    /// The processes of all nodes of a role.
    pub(crate) fn processes(&mut self, role: Role) -> anyhow::Result<Processes> {
        let names = self.names(role)?;
        let pids = names.iter().map(|name| self.pid(name));
        pids.collect::<anyhow::Result<Vec<u32>>>().map(Processes::new)
    }

    /// The names of all nodes of a role, in the order of the topology.
    pub(crate) fn names(&self, role: Role) -> anyhow::Result<Vec<String>> {
        let nodes = self.cluster()?.addresses().filter(|node| node.role == role);
        Ok(nodes.map(|node| node.name.clone()).collect())
    }

    /// A join file that lets players in at one proxy only.
    pub(crate) fn join_file_of(&self, proxy: &str) -> anyhow::Result<PathBuf> {
        let mut join = JoinFile::read(self.join_file()?)?;
        join.proxies.retain(|address| address.name == proxy);
        let path = self.folder.join(format!("join-{proxy}.json"));
        std::fs::write(&path, serde_json::to_vec(&join)?)?;
        Ok(path)
    }

    /// Sends a signal to a node.
    pub(crate) fn signal(&mut self, name: &str, signal: Signal) -> anyhow::Result<()> {
        Ok(self.cluster_mut()?.signal(name, signal)?)
    }

    /// Ends a node as a crash would.
    pub(crate) fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        Ok(self.cluster_mut()?.kill(name)?)
    }

    /// Starts a node that is down, and waits until it is ready.
    pub(crate) fn restart(&mut self, name: &str) -> anyhow::Result<()> {
        Ok(self.cluster_mut()?.restart(name)?)
    }

    /// The process of a node.
    pub(crate) fn pid(&mut self, name: &str) -> anyhow::Result<u32> {
        let pid = self.cluster_mut()?.pid(name)?;
        pid.with_context(|| format!("`{name}` has ended"))
    }

    /// Where the store is, of a cluster on a file.
    pub(crate) fn store_file(&self) -> anyhow::Result<PathBuf> {
        Ok(self.cluster()?.data().join("world.db"))
    }

    /// A node's `/status`.
    #[cfg(feature = "postgres")]
    pub(crate) fn status(&self, name: &str) -> anyhow::Result<serde_json::Value> {
        Ok(self.cluster()?.status(name)?)
    }

    /// A node's `/metrics`.
    pub(crate) fn metrics(&self, name: &str) -> anyhow::Result<String> {
        Ok(self.cluster()?.metrics(name)?)
    }

    fn cluster(&self) -> anyhow::Result<&Cluster> {
        self.cluster.as_ref().context("the cluster has ended")
    }

    fn cluster_mut(&mut self) -> anyhow::Result<&mut Cluster> {
        self.cluster.as_mut().context("the cluster has ended")
    }
}

impl Drop for LiveCluster {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            for (name, ended) in cluster.stop() {
                program::note(format_args!("{name} {ended}; its last line: {}", ended.last_line));
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
