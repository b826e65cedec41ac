//! Free ports of this machine, for nodes that are started again.
//!
//! A node that was killed gets its port back when it is started again. So ports are looked for outside the range from
//! which the system takes ports for outgoing connections (32768 and up on Linux): there, somebody's connection could
//! sit on the port while its node is down.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use topology::PortUse;

const PORTS: Range<u16> = 20_000..32_000;

/// None is left.
#[derive(Debug, thiserror::Error)]
#[error("no port between {} and {} is free on {ip}; end other clusters on this machine", PORTS.start, PORTS.end)]
pub struct NoPortFree {
    /// On which address of this machine.
    pub ip: IpAddr,
}

/// Finds ports nobody has, each only once. Others may take one between the search and its use: nodes say so then.
#[derive(Debug)]
pub struct PortFinder {
    next: u16,
    given: BTreeSet<u16>,
}

impl PortFinder {
    /// Begins at a place drawn by the caller, so that clusters started at the same time do not meet.
    #[must_use]
    pub fn new(draw: u16) -> Self {
        Self {
            next: PORTS.start + draw % (PORTS.end - PORTS.start),
            given: BTreeSet::new(),
        }
    }

    /// Never gives the ports of this use that begin at `first`.
    pub fn keep_off(&mut self, first: u16, used: PortUse) {
        self.given.extend(run(first, used));
    }

    /// The first of as many consecutive free ports as the use needs.
    ///
    /// # Errors
    /// [`NoPortFree`], after a look at every port.
    pub fn find(&mut self, ip: IpAddr, wanted: PortUse) -> Result<u16, NoPortFree> {
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
        Err(NoPortFree { ip })
    }
}

fn run(first: u16, wanted: PortUse) -> impl Iterator<Item = u16> {
    let count = match wanted {
        PortUse::Tcp => 1,
        PortUse::Udp(count) => count,
    };
    (0..count).filter_map(move |more| first.checked_add(more))
}

/// Whether the ports of this use that begin at `address` can be had, each tried and let go again.
///
/// # Errors
/// What the system says.
pub fn is_free(address: SocketAddr, wanted: PortUse) -> io::Result<()> {
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
}
