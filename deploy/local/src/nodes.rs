//! One node of a local cluster: its command line, its addresses, its process while it runs.

use crate::issue::Issued;
use crate::ports::PortError;
use crate::{Child, ChildSpec, Ended, admin_client, ports};
use node::authority_dir::{IssuedNode, role_name};
use protocol::Shown;
use protocol::identity::Role;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::Path;
use topology::{Proxy, Topology};

/// The store, which all nodes of a local cluster share.
const STORE_FILE: &str = "world.db";

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddresses {
    /// Its name in the topology.
    pub name: String,
    /// Game server, proxy or auth node.
    pub role: Role,
    /// Its admin endpoint.
    pub admin: SocketAddr,
    /// Purpose and address: `peer`, `proxy` of a game server; `proxy` of an auth node; `tcp`, `udp` (the first of several), `http` of a proxy.
    pub listeners: Vec<(&'static str, SocketAddr)>,
    /// Where browsers find a proxy.
    pub url: Option<String>,
    /// Where native clients find a proxy, when that is not its `tcp`.
    pub door: Option<SocketAddr>,
}

impl NodeAddresses {
    /// What its role is called on the command line and in `join.json`.
    #[must_use]
    pub fn role_name(&self) -> &'static str {
        role_name(self.role)
    }

    /// The address for one purpose.
    #[must_use]
    pub fn listener(&self, purpose: &str) -> Option<SocketAddr> {
        let found = self.listeners.iter().find(|(what, _)| *what == purpose);
        found.map(|(_, address)| *address)
    }
}

/// A node, running or not.
#[derive(Debug)]
pub(crate) struct LocalNode {
    pub(crate) spec: ChildSpec,
    pub(crate) addresses: NodeAddresses,
    pub(crate) child: Option<Child>,
}

/// How far a starting node is.
#[derive(Debug)]
pub(crate) enum Progress {
    Ready,
    /// Not yet, and why.
    Waiting(String),
    /// It will never be.
    Ended(Ended),
}

impl LocalNode {
    pub(crate) fn progress(&mut self) -> Progress {
        if let Some(ended) = self.child.as_mut().and_then(Child::ended) {
            self.child = None;
            return Progress::Ended(ended);
        }
        match admin_client::get(self.addresses.admin, "/readyz") {
            Ok((200, _)) => Progress::Ready,
            Ok((_, reasons)) => Progress::Waiting(Shown(reasons.trim().replace('\n', ", ")).to_string()),
            Err(_) => Progress::Waiting("does not answer yet".to_owned()),
        }
    }
}

/// The nodes of a topology, none of them started.
pub(crate) fn of(
    issued: &Issued,
    root: &Path,
    environment: &[(String, String)],
    database: Option<&str>,
) -> Result<Vec<LocalNode>, PortError> {
    let file = root.join(STORE_FILE);
    let store = database.map_or_else(|| text(&file), Cow::Borrowed);
    let all = ports::listeners(&issued.topology)?;
    let node = |(node, admin): &(IssuedNode, SocketAddr)| {
        let own = all.iter().filter(|listener| listener.node == node.name);
        let url = |proxy: &Proxy| (proxy.name == node.name).then(|| proxy.found_at().to_string());
        let arguments = [
            role_name(node.role).to_owned(),
            format!("--name={}", node.name),
            format!("--data={}", text(&node.data)),
            format!("--admin={admin}"),
            format!("--store={store}"),
            format!("--parent={}", std::process::id()),
        ];
        Ok(LocalNode {
            spec: ChildSpec {
                name: node.name.clone(),
                arguments: arguments.to_vec(),
                environment: environment.to_vec(),
            },
            addresses: NodeAddresses {
                name: node.name.clone(),
                role: node.role,
                admin: *admin,
                listeners: own.map(|listener| (listener.what, listener.address)).collect(),
                url: issued.topology.proxies().iter().find_map(url),
                door: door(&issued.topology, &node.name)?,
            },
            child: None,
        })
    };
    issued.nodes.iter().map(node).collect()
}

/// Where a balancer of a local cluster listens.
fn door(topology: &Topology, name: &str) -> Result<Option<SocketAddr>, PortError> {
    let proxy = topology.proxies().iter().find(|proxy| proxy.name == name);
    let door = proxy.and_then(|proxy| proxy.door.as_ref());
    let found = door.map(|door| Ok(SocketAddr::new(ports::ip_of(&door.host)?, door.port)));
    found.transpose()
}

/// A path below the data directory, which is UTF-8 or would not have been opened.
fn text(path: &Path) -> Cow<'_, str> {
    path.to_string_lossy()
}
