//! From a topology to running papers: ports filled in, certificates, vouchers and a signed bundle for every node.
//!
//! A data directory that is used again keeps its keys, and its ports as long as they are free; papers are renewed at
//! every start under a bundle of a higher version.

use crate::data_root::DataRoot;
use crate::ports::{self, Listener, PortError};
use node::OsEntropy;
use node::authority_dir::{AuthorityDir, AuthorityDirError, IssuedNode};
use node::cluster_file::ClusterFile;
use node::data_dir::{DataDir, DataDirError};
use node::files::{self, Access, FileError};
use node::ports::PortFinder;
use protocol::Shown;
use protocol::identity::Role;
use protocol::ids::ClusterId;
use protocol::sealed_deed::AuthNode;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use topology::{Mistakes, PortUse, Topology};

/// The topology in force, ports filled in.
const TOPOLOGY_FILE: &str = "topology.toml";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Why nodes cannot be given what they need. Each is the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The cluster's own keys.
    #[error(transparent)]
    Authority(#[from] AuthorityDirError),
    /// A node's directory, in a way that new papers do not mend.
    #[error(transparent)]
    Node(#[from] DataDirError),
    /// A node's directory of some other cluster.
    #[error(
        "{} is the data directory of another cluster: its cluster.json names another one than {}; remove it, or name another directory with --data",
        Shown(path.display()),
        Shown(root.display())
    )]
    AnotherCluster {
        /// The node's directory.
        path: PathBuf,
        /// This cluster's.
        root: PathBuf,
    },
    /// The topology of the last time.
    #[error("{}: {reason}; restore the file, or begin anew with --fresh", Shown(path.display()))]
    Previous {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Players stand at places of another world.
    #[error(
        "{} holds the world `{held}` with other regions than the topology's `{given}`; use the old topology, another --data, or --fresh to begin anew",
        Shown(root.display())
    )]
    AnotherWorld {
        /// The data directory.
        root: PathBuf,
        /// The world it holds.
        held: String,
        /// The world that the topology describes.
        given: String,
    },
    /// A file of the data directory.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What a cluster starts its nodes with.
#[derive(Debug)]
pub(crate) struct Issued {
    /// Ports filled in.
    pub(crate) topology: Topology,
    /// Whom players are to trust.
    pub(crate) cluster: ClusterFile,
    /// Whom passwords are sealed to.
    pub(crate) auths: Vec<AuthNode>,
    /// Each node with the address of its admin endpoint.
    pub(crate) nodes: Vec<(IssuedNode, SocketAddr)>,
    /// Keeps other clusters of this machine off these ports, for as long as this one runs.
    pub(crate) ports: PortFinder,
}

/// Gives every node of `given` its ports and papers.
pub(crate) fn issue(root: &DataRoot, given: &Topology) -> Result<Issued, IssueError> {
    let previous = previous(root)?;
    if let Some(previous) = &previous {
        check_same_world(root, previous, given)?;
    }
    let draw = u16::from_le_bytes(protocol::entropy::array(&mut OsEntropy));
    let mut finder = PortFinder::new(draw);
    let topology = with_ports(given, previous.as_ref(), &mut finder)?;
    let mut authority = AuthorityDir::open_or_create(root.path(), &mut OsEntropy)?;
    let wall_ms = node::clock::wall_ms();
    for (name, role) in names(&topology) {
        let folder = root.path().join("nodes").join(name);
        check_node_folder(root, &folder, name, role, authority.cluster.cluster_id, wall_ms)?;
    }
    let toml = topology.to_toml();
    let mut nodes = Vec::new();
    for node in authority.issue(&toml, &topology, &mut OsEntropy, wall_ms)? {
        let admin = SocketAddr::new(
            LOOPBACK,
            finder.find(LOOPBACK, PortUse::Tcp).map_err(PortError::from)?,
        );
        nodes.push((node, admin));
    }
    files::write(&root.path().join(TOPOLOGY_FILE), toml.as_bytes(), Access::Public)?;
    Ok(Issued {
        auths: authority.auth_nodes(&topology),
        topology,
        cluster: authority.cluster.clone(),
        nodes,
        ports: finder,
    })
}

/// The topology of the last time; `None` in a new directory.
fn previous(root: &DataRoot) -> Result<Option<Topology>, IssueError> {
    let path = root.path().join(TOPOLOGY_FILE);
    let wrong = |reason: String| IssueError::Previous {
        path: path.clone(),
        reason,
    };
    let text = match files::read_text(&path, topology::limits::FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let first = |mistakes: Mistakes| match mistakes.diagnostics().first() {
        Some(mistake) => format!("{} {}", mistake.code, mistake.message),
        None => "it has mistakes".to_owned(),
    };
    topology::parse(TOPOLOGY_FILE, &text)
        .map(Some)
        .map_err(|mistakes| wrong(first(mistakes)))
}

fn check_same_world(root: &DataRoot, held: &Topology, given: &Topology) -> Result<(), IssueError> {
    let rects = |topology: &Topology| -> Vec<_> {
        let mut all: Vec<_> = topology
            .regions()
            .iter()
            .map(|region| (region.number, format!("{:?}", region.rect)))
            .collect();
        all.sort();
        all
    };
    let (old, new) = (held.world(), given.world());
    if (old.size, old.cell_size) == (new.size, new.cell_size) && rects(held) == rects(given) {
        return Ok(());
    }
    Err(IssueError::AnotherWorld {
        root: root.path().to_owned(),
        held: old.name.clone(),
        given: new.name.clone(),
    })
}

/// Fills in free ports: those of the last time if all of them are free, so that addresses stay what they were.
fn with_ports(
    given: &Topology,
    previous: Option<&Topology>,
    finder: &mut PortFinder,
) -> Result<Topology, PortError> {
    // What the topology names itself is never given away, and refused before anything else when somebody has it.
    ports::check_free(given)?;
    if let Some(kept) = previous
        .map(|previous| with_ports_of(given, previous))
        .transpose()?
        .flatten()
        && take_again(finder, &kept)?
        && ports::check_free(&kept).is_ok()
    {
        return Ok(kept);
    }
    keep_off(finder, given)?;
    let mut refused = None;
    let filled = given.clone().with_ports(&mut |host, wanted| {
        let found = ports::ip_of(host).and_then(|ip| Ok(finder.find(ip, wanted)?));
        found.unwrap_or_else(|error| {
            refused = Some(error);
            0
        })
    });
    refused.map_or(Ok(filled), Err)
}

fn keep_off(finder: &mut PortFinder, topology: &Topology) -> Result<(), PortError> {
    for listener in ports::listeners(topology)? {
        finder.keep_off(listener.address.port(), listener.port_use);
    }
    Ok(())
}

fn take_again(finder: &mut PortFinder, topology: &Topology) -> Result<bool, PortError> {
    let listeners = ports::listeners(topology)?;
    let mut all = listeners.iter();
    Ok(all.all(|listener| finder.take_again(listener.address.port(), listener.port_use)))
}

/// `given` with the ports of `previous`, provided that they differ in nothing else.
fn with_ports_of(given: &Topology, previous: &Topology) -> Result<Option<Topology>, PortError> {
    let (wanted, had) = (ports::listeners(given)?, ports::listeners(previous)?);
    let open = |(wanted, had): (&Listener<'_>, &Listener<'_>)| {
        (wanted.address.port() == 0).then(|| had.address.port())
    };
    let mut had = wanted
        .iter()
        .zip(&had)
        .filter_map(open)
        .collect::<Vec<_>>()
        .into_iter();
    let filled = given.clone().with_ports(&mut |_, _| had.next().unwrap_or(0));
    Ok((filled == *previous).then_some(filled))
}

fn names(topology: &Topology) -> impl Iterator<Item = (&str, Role)> {
    let servers = topology
        .servers()
        .iter()
        .map(|server| (server.name.as_str(), Role::GameServer));
    let proxies = topology
        .proxies()
        .iter()
        .map(|proxy| (proxy.name.as_str(), Role::Proxy));
    let auths = topology
        .auths()
        .iter()
        .map(|auth| (auth.name.as_str(), Role::Auth));
    servers.chain(proxies).chain(auths)
}

/// Refuses what renewing would hide: a key that others can read or nobody, a directory of somebody else.
fn check_node_folder(
    root: &DataRoot,
    folder: &Path,
    name: &str,
    role: Role,
    cluster_id: ClusterId,
    wall_ms: u64,
) -> Result<(), IssueError> {
    if ClusterFile::read(folder).is_ok_and(|file| file.cluster_id != cluster_id) {
        return Err(IssueError::AnotherCluster {
            path: folder.to_owned(),
            root: root.path().to_owned(),
        });
    }
    match DataDir::open(folder, name, role, wall_ms) {
        Err(DataDirError::File(FileError::Read { source, .. }))
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        Err(error @ (DataDirError::File(_) | DataDirError::AnotherCluster { .. })) => Err(error.into()),
        // Expired, or of another topology: new papers mend that.
        Ok(_) | Err(_) => Ok(()),
    }
}
