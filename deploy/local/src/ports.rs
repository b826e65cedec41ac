//! Free ports for nodes, and the sentence for a port that is not free.
//!
//! A node that was killed gets its port back when it is started again. So ports are looked for outside the range from
//! which the system takes ports for outgoing connections (32768 and up on Linux): there, somebody's connection could
//! sit on the port while its node is down.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use topology::{PortUse, Topology};

const PORTS: Range<u16> = 20_000..32_000;

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
    /// None is left.
    #[error("no port between {} and {} is free on {ip}; end other clusters on this machine", PORTS.start, PORTS.end)]
    NoneFree {
        /// On which address of this machine.
        ip: IpAddr,
    },
}

/// Finds ports nobody has, each only once. Others may take one between the search and its use: nodes say so then.
#[derive(Debug)]
pub(crate) struct PortFinder {
    next: u16,
    given: BTreeSet<u16>,
}

impl PortFinder {
    /// Begins at a place drawn by the caller, so that clusters started at the same time do not meet.
    pub(crate) fn new(draw: u16) -> Self {
        Self {
            next: PORTS.start + draw % (PORTS.end - PORTS.start),
            given: BTreeSet::new(),
        }
    }

    /// Never gives these.
    pub(crate) fn keep_off(&mut self, listeners: &[Listener<'_>]) {
        for listener in listeners {
            self.given.extend(run(listener.address.port(), listener.port_use));
        }
    }

    /// The first of as many consecutive free ports as the use needs.
    pub(crate) fn find(&mut self, ip: IpAddr, wanted: PortUse) -> Result<u16, PortError> {
        for _ in PORTS {
            let first = self.next;
            self.next = if first + 1 < PORTS.end {
                first + 1
            } else {
                PORTS.start
            };
            let ports: Vec<u16> = run(first, wanted).collect();
            let fits = ports
                .iter()
                .all(|port| PORTS.contains(port) && !self.given.contains(port));
            if fits && is_free(SocketAddr::new(ip, first), wanted).is_ok() {
                self.given.extend(ports);
                return Ok(first);
            }
        }
        Err(PortError::NoneFree { ip })
    }
}

/// One listener of a topology's node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener<'a> {
    pub(crate) node: &'a str,
    pub(crate) what: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) port_use: PortUse,
}

/// Every listener, in the order in which `Topology::with_ports` fills them.
pub(crate) fn listeners(topology: &Topology) -> Vec<Listener<'_>> {
    let listener = |node, what, address, port_use| Listener {
        node,
        what,
        address,
        port_use,
    };
    let servers = topology.servers().iter().flat_map(|server| {
        [
            listener(server.name.as_str(), "peer", server.peer, PortUse::Tcp),
            listener(server.name.as_str(), "proxy", server.proxy, PortUse::Tcp),
        ]
    });
    let proxies = topology.proxies().iter().flat_map(|proxy| {
        let udp = PortUse::Udp(proxy.shards);
        [
            listener(proxy.name.as_str(), "tcp", proxy.tcp, PortUse::Tcp),
            listener(proxy.name.as_str(), "udp", proxy.udp, udp),
            listener(proxy.name.as_str(), "http", proxy.http, PortUse::Tcp),
        ]
    });
    servers.chain(proxies).collect()
}

/// Refuses a topology one of whose ports somebody else has; ports 0 are always free.
pub(crate) fn check_free(topology: &Topology) -> Result<(), PortError> {
    let fixed = listeners(topology)
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

fn run(first: u16, wanted: PortUse) -> impl Iterator<Item = u16> {
    let count = match wanted {
        PortUse::Tcp => 1,
        PortUse::Udp(count) => count,
    };
    (0..count).filter_map(move |more| first.checked_add(more))
}

fn is_free(address: SocketAddr, wanted: PortUse) -> io::Result<()> {
    for port in run(address.port(), wanted) {
        let address = SocketAddr::new(address.ip(), port);
        match wanted {
            PortUse::Tcp => TcpListener::bind(address).map(drop)?,
            PortUse::Udp(_) => UdpSocket::bind(address).map(drop)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn ports_are_given_once_and_never_when_somebody_has_them() {
        let mut first = PortFinder::new(77);
        let taken = first.find(LOOPBACK, PortUse::Tcp).unwrap();
        let _holder = TcpListener::bind((LOOPBACK, taken)).unwrap();
        let mut second = PortFinder::new(77);
        let run = second.find(LOOPBACK, PortUse::Udp(3)).unwrap();
        let after = second.find(LOOPBACK, PortUse::Tcp).unwrap();
        assert!(
            after != taken && !(run..run + 3).contains(&after),
            "{taken} {run} {after}"
        );
    }

    #[test]
    fn the_search_wraps_at_the_end_of_the_range() {
        let mut finder = PortFinder::new(PORTS.end - PORTS.start - 1);
        let run = finder.find(LOOPBACK, PortUse::Udp(2)).unwrap();
        assert!((PORTS.start..PORTS.end - 1).contains(&run));
    }

    #[test]
    fn a_busy_port_of_the_topology_is_named_with_its_node() {
        let holder = TcpListener::bind((LOOPBACK, 0)).unwrap();
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
