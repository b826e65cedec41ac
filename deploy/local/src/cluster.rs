//! A running local cluster: nodes started, watched, killed, started again, drained.

use crate::child::Ended;
use crate::data_root::{DataRoot, DataRootError};
use crate::issue::{self, IssueError};
use crate::join_file::{self, JOIN_FILE};
use crate::nodes::{LocalNode, NodeAddresses, Progress};
use crate::options::{ClusterOptions, Start};
use crate::{Child, ChildSpec, admin_client, nodes};
use nix::sys::signal::Signal;
use node::files::FileError;
use node::life::Exit;
use node::ports::PortFinder;
use protocol::Shown;
use protocol::identity::Role;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use topology::Mistakes;

/// How often waiting nodes are asked.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How much later than a node this process may hear of a signal that went to all.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// Why a cluster does not start, or a request to it fails.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The topology file has mistakes; displays as the whole report.
    #[error(transparent)]
    Topology(#[from] Mistakes),
    /// The data directory.
    #[error(transparent)]
    DataRoot(#[from] DataRootError),
    /// Ports, keys, papers.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// No such process can be started.
    #[error("cannot start `{name}` from {}: {source}", Shown(program.display()))]
    Spawn {
        /// The node.
        name: String,
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A node ended instead of becoming ready.
    #[error("`{name}` {ended} before it was ready: {}", ended.last_line)]
    Ended {
        /// The node.
        name: String,
        /// How.
        ended: Ended,
    },
    /// Nodes took too long.
    #[error("not ready after {} s: {}", waited.as_secs(), waiting.join("; "))]
    NotReady {
        /// How long they had.
        waited: Duration,
        /// Each node that is not ready, and what it says why.
        waiting: Vec<String>,
    },
    /// A signal came while nodes were starting.
    #[error("ended while starting")]
    Interrupted,
    /// The topology has no such node.
    #[error("the topology has no node `{0}`")]
    NoSuchNode(String),
    /// A node's admin endpoint.
    #[error("`{name}` does not answer {path}: {source}")]
    Ask {
        /// The node.
        name: String,
        /// What it was asked.
        path: &'static str,
        /// What happened.
        source: io::Error,
    },
}

impl ClusterError {
    /// The exit code it leads to.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Topology(_) | Self::DataRoot(_) | Self::Issue(_) | Self::File(_) | Self::NoSuchNode(_) => {
                Exit::BadInput
            }
            Self::Ended { ended, .. } if ended.code() == Some(Exit::BadInput as u8) => Exit::BadInput,
            Self::Interrupted => Exit::Ok,
            Self::Spawn { .. } | Self::Ended { .. } | Self::NotReady { .. } => Exit::Failed,
            Self::Ask { .. } => Exit::Unreachable,
        }
    }
}

/// A running cluster. Dropping it kills every process of it.
#[derive(Debug)]
pub struct Cluster {
    options: ClusterOptions,
    root: DataRoot,
    nodes: Vec<LocalNode>,
    join_file: PathBuf,
    /// Other clusters of this machine keep off its ports until it is gone.
    _ports: PortFinder,
}

impl Cluster {
    /// Makes or opens the data directory, starts every node of the topology and waits until all of them are ready.
    ///
    /// # Errors
    /// `ClusterError`; no process of the cluster is left then.
    pub fn start(options: ClusterOptions) -> Result<Self, ClusterError> {
        let topology = topology::parse(&options.topology_name, &options.topology)?;
        let root = DataRoot::open(&options.data)?;
        if options.start == Start::Fresh {
            root.empty()?;
        }
        let issued = issue::issue(&root, &topology)?;
        let database = options.database.as_deref();
        let nodes =
            nodes::of(&issued, root.path(), &options.environment, database).map_err(IssueError::from)?;
        let join_file = root.path().join(JOIN_FILE);
        join_file::write(
            &join_file,
            &issued.cluster,
            &issued.auths,
            nodes.iter().map(|node| &node.addresses),
        )?;
        let mut cluster = Self {
            options,
            root,
            nodes,
            join_file,
            _ports: issued.ports,
        };
        for index in 0..cluster.nodes.len() {
            cluster.spawn_node(index)?;
        }
        let all: Vec<usize> = (0..cluster.nodes.len()).collect();
        match cluster.wait_ready(all) {
            Ok(()) => Ok(cluster),
            Err(ClusterError::Interrupted) => {
                // Those that are ready have a world to write down.
                cluster.stop();
                Err(ClusterError::Interrupted)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends a node at once, as a crash would, and waits until it is gone.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn kill(&mut self, name: &str) -> Result<(), ClusterError> {
        let node = self.node_mut(name)?;
        if let Some(child) = &mut node.child {
            child.kill();
        }
        node.child = None;
        Ok(())
    }

    /// Lets a node drain and waits for its end; kills it when it takes too long. `None` when it was down already.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn terminate(&mut self, name: &str) -> Result<Option<Ended>, ClusterError> {
        let grace = self.options.grace;
        let node = self.node_mut(name)?;
        let ended = node.child.take().and_then(|mut child| {
            child.signal(Signal::SIGTERM);
            if child.wait(grace).is_none() {
                child.kill();
            }
            child.ended()
        });
        Ok(ended)
    }

    /// Starts a node that is down, or kills it first, and waits until it is ready again.
    ///
    /// # Errors
    /// When there is no such node, or it does not become ready.
    pub fn restart(&mut self, name: &str) -> Result<(), ClusterError> {
        self.kill(name)?;
        let index = self.index(name)?;
        self.spawn_node(index)?;
        self.wait_ready(vec![index])
    }

    /// Sends any signal to a node, such as SIGSTOP and SIGCONT.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn signal(&mut self, name: &str, signal: Signal) -> Result<(), ClusterError> {
        if let Some(child) = &mut self.node_mut(name)?.child {
            child.signal(signal);
        }
        Ok(())
    }

    /// Starts another process of the same program that ends with this one, such as the swarm.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, spec: &ChildSpec) -> Result<Child, ClusterError> {
        let lock = self.root.lock();
        lock.and_then(|lock| Child::spawn(&self.options.program, spec, lock, &self.options.output))
            .map_err(|source| ClusterError::Spawn {
                name: spec.name.clone(),
                program: self.options.program.clone(),
                source,
            })
    }

    /// Every node and where it listens, in the order of the topology, game servers first.
    pub fn addresses(&self) -> impl Iterator<Item = &NodeAddresses> {
        self.nodes.iter().map(|node| &node.addresses)
    }

    /// Where one node listens.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn addresses_of(&self, name: &str) -> Result<&NodeAddresses, ClusterError> {
        self.index(name).map(|index| &self.nodes[index].addresses)
    }

    /// What players and the swarm need to join.
    #[must_use]
    pub fn join_file(&self) -> &Path {
        &self.join_file
    }

    /// The data directory, absolute.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.root.path()
    }

    /// A node's process id; `None` when it is down.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn pid(&mut self, name: &str) -> Result<Option<u32>, ClusterError> {
        let child = self.node_mut(name)?.child.as_mut();
        Ok(child.and_then(|child| child.ended().is_none().then(|| child.pid())))
    }

    /// Whether a node's process runs; it may hang all the same.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn is_alive(&mut self, name: &str) -> Result<bool, ClusterError> {
        self.pid(name).map(|pid| pid.is_some())
    }

    /// A node's `/status`.
    ///
    /// # Errors
    /// When there is no such node or it does not answer.
    pub fn status(&self, name: &str) -> Result<Value, ClusterError> {
        let text = self.ask(name, "/status")?;
        serde_json::from_str(&text).map_err(|error| ClusterError::Ask {
            name: name.to_owned(),
            path: "/status",
            source: error.into(),
        })
    }

    /// A node's `/metrics`, as Prometheus reads them.
    ///
    /// # Errors
    /// When there is no such node or it does not answer.
    pub fn metrics(&self, name: &str) -> Result<String, ClusterError> {
        self.ask(name, "/metrics")
    }

    /// Nodes that ended since the last call, though not by this cluster's doing. They are not started again.
    pub fn take_deaths(&mut self) -> Vec<(String, Ended)> {
        let died = self.nodes.iter_mut().filter_map(|node| {
            let ended = node.child.as_mut()?.ended()?;
            node.child = None;
            Some((node.addresses.name.clone(), ended))
        });
        died.collect()
    }

    /// The command line with which a user can start a node that is down, in a shell of this machine.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn by_hand(&self, name: &str) -> Result<String, ClusterError> {
        let index = self.index(name)?;
        Ok(self.nodes[index].spec.by_hand(&self.options.program))
    }

    /// How many nodes run.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.nodes.iter().filter(|node| node.child.is_some()).count()
    }

    /// Drains proxies, then auth nodes, then game servers, and kills what takes too long or when the shutdown is forced.
    /// Returns what did not end as it was told.
    pub fn stop(mut self) -> Vec<(String, Ended)> {
        let mut failed = Vec::new();
        for role in [Role::Proxy, Role::Auth, Role::GameServer] {
            failed.extend(self.drain(role));
        }
        failed
    }

    fn drain(&mut self, role: Role) -> Vec<(String, Ended)> {
        let children = self.nodes.iter_mut().filter(|node| node.addresses.role == role);
        let mut children: Vec<(String, Child)> = children
            .filter_map(|node| Some((node.addresses.name.clone(), node.child.take()?)))
            .collect();
        for (_, child) in &mut children {
            child.signal(Signal::SIGTERM);
        }
        let started = Instant::now();
        while !self.options.shutdown.is_forced() && started.elapsed() < self.options.grace {
            if children.iter_mut().all(|(_, child)| child.ended().is_some()) {
                break;
            }
            std::thread::sleep(ASK_EVERY);
        }
        let ended = children.into_iter().filter_map(|(name, mut child)| {
            child.kill();
            let ended = child.ended()?;
            (!ended.is_as_told()).then_some((name, ended))
        });
        ended.collect()
    }

    fn spawn_node(&mut self, index: usize) -> Result<(), ClusterError> {
        let child = self.spawn(&self.nodes[index].spec)?;
        self.nodes[index].child = Some(child);
        Ok(())
    }

    fn wait_ready(&mut self, mut waiting: Vec<usize>) -> Result<(), ClusterError> {
        let started = Instant::now();
        loop {
            if self.options.shutdown.is_draining() {
                return Err(ClusterError::Interrupted);
            }
            let mut reasons = Vec::new();
            for index in std::mem::take(&mut waiting) {
                let name = self.nodes[index].addresses.name.clone();
                match self.nodes[index].progress() {
                    Progress::Ready => self.options.output.say(&format!("{name} is ready")),
                    Progress::Waiting(reason) => {
                        waiting.push(index);
                        reasons.push(format!("{name}: {reason}"));
                    }
                    Progress::Ended(ended) if ended.is_as_told() && self.is_told_too() => {
                        return Err(ClusterError::Interrupted);
                    }
                    Progress::Ended(ended) => return Err(ClusterError::Ended { name, ended }),
                }
            }
            if waiting.is_empty() {
                return Ok(());
            }
            if started.elapsed() >= self.options.ready_timeout {
                return Err(ClusterError::NotReady {
                    waited: self.options.ready_timeout,
                    waiting: reasons,
                });
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    /// Whether whoever told a node to end tells this process too, which may hear of it a moment later.
    fn is_told_too(&self) -> bool {
        let started = Instant::now();
        while !self.options.shutdown.is_draining() && started.elapsed() < SAME_SIGNAL {
            std::thread::sleep(ASK_EVERY);
        }
        self.options.shutdown.is_draining()
    }

    fn ask(&self, name: &str, path: &'static str) -> Result<String, ClusterError> {
        let admin = self.addresses_of(name)?.admin;
        let answered = admin_client::get(admin, path).and_then(|(code, body)| match code {
            200 => Ok(body),
            code => Err(io::Error::other(format!("HTTP {code}"))),
        });
        answered.map_err(|source| ClusterError::Ask {
            name: name.to_owned(),
            path,
            source,
        })
    }

    fn index(&self, name: &str) -> Result<usize, ClusterError> {
        let at = self.nodes.iter().position(|node| node.addresses.name == name);
        at.ok_or_else(|| ClusterError::NoSuchNode(name.to_owned()))
    }

    fn node_mut(&mut self, name: &str) -> Result<&mut LocalNode, ClusterError> {
        let index = self.index(name)?;
        Ok(&mut self.nodes[index])
    }
}
