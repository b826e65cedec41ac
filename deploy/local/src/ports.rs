//! The ports of a topology's nodes, and the sentence for one that is not free.

use node::ports::{NoPortFree, is_free};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use topology::{Address, Host, PortUse, Topology};

/// A port that a node was to have is not free.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The topology names it, and somebody has it.
    #[error(
        "`{node}` cannot listen on {address} ({what}): {source}; end the process that has the port, or write another one into the topology (0: a free one)"
    )]
    Busy {
        /// The node's name.
        node: String,
        /// Which of its listeners.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The topology names a host that is none.
    #[error(
        "the topology's {host} cannot be looked up: {source}; write 127.0.0.1, or another address of this machine"
    )]
    NoSuchHost {
        /// The host.
        host: Host,
        /// What the system says.
        source: io::Error,
    },
    /// None is left.
    #[error(transparent)]
    NoneFree(#[from] NoPortFree),
}

/// One listener of a topology's node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener<'a> {
    pub(crate) node: &'a str,
    pub(crate) what: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) port_use: PortUse,
}

/// An address of the host; of several the IPv4 one.
pub(crate) fn ip_of(host: &Host) -> Result<IpAddr, PortError> {
    let name = match host {
        Host::Ip(ip) => return Ok(*ip),
        Host::Name(name) => name,
    };
    let found = (name.as_str(), 0).to_socket_addrs();
    let best = found.map(|found| found.map(|at| at.ip()).min_by_key(IpAddr::is_ipv6));
    best.and_then(|best| best.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(|source| PortError::NoSuchHost {
            host: host.clone(),
            source,
        })
}

/// Every listener, in the order in which `Topology::with_ports` fills them.
pub(crate) fn listeners(topology: &Topology) -> Result<Vec<Listener<'_>>, PortError> {
    fn listener<'a>(
        node: &'a str,
        what: &'static str,
        address: &Address,
        port_use: PortUse,
    ) -> Result<Listener<'a>, PortError> {
        Ok(Listener {
            node,
            what,
            address: SocketAddr::new(ip_of(&address.host)?, address.port),
            port_use,
        })
    }
    let servers = topology.servers().iter().flat_map(|server| {
        [
            listener(server.name.as_str(), "peer", &server.peer, PortUse::Tcp),
            listener(server.name.as_str(), "proxy", &server.proxy, PortUse::Tcp),
        ]
    });
    let proxies =
        topology.proxies().iter().flat_map(|proxy| {
            let udp = PortUse::Udp(proxy.shards);
            [
                listener(proxy.name.as_str(), "tcp", &proxy.tcp, PortUse::Tcp),
                listener(proxy.name.as_str(), "udp", &proxy.udp, udp),
                listener(proxy.name.as_str(), "http", &proxy.http, PortUse::Tcp),
            ]
            .into_iter()
            .chain(proxy.webtransport.iter().map(|webtransport| {
                listener(proxy.name.as_str(), "webtransport", webtransport, PortUse::Udp(1))
            }))
        });
    let auths = topology.auths().iter();
    let auths = auths.map(|auth| listener(auth.name.as_str(), "proxy", &auth.proxy, PortUse::Tcp));
    servers.chain(proxies).chain(auths).collect()
}

/// Refuses a topology one of whose ports somebody else has; ports 0 are always free.
pub(crate) fn check_free(topology: &Topology) -> Result<(), PortError> {
    let fixed = listeners(topology)?
        .into_iter()
        .filter(|listener| listener.address.port() != 0);
    for listener in fixed {
        is_free(listener.address, listener.port_use).map_err(|source| PortError::Busy {
            node: listener.node.to_owned(),
            what: listener.what,
            address: listener.address,
            source,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_busy_port_of_the_topology_is_named_with_its_node() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let text =
            crate::DEFAULT_TOPOLOGY.replacen("tcp = \"127.0.0.1:0\"", &format!("tcp = \"{address}\""), 1);
        let topology = topology::parse("t.toml", &text).unwrap();
        let message = check_free(&topology).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("`edge-1` cannot listen on {address} (tcp): ")),
            "{message}"
        );
        drop(holder);
        check_free(&topology).unwrap();
    }
}
