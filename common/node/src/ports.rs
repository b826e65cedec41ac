//! Free ports of this machine, for nodes that are started again.
//!
//! A node that was killed gets its port back when it is started again. So ports are looked for outside the range from
//! which the system takes ports for outgoing connections (32768 and up on Linux): there, somebody's connection could
//! sit on the port while its node is down.
//!
//! A port that was found free is not in use yet, and whoever looks at the same moment would find it as well. So the range
//! is cut into blocks. A finder listens on the first port of each block that it gives ports from, and two finders of one
//! machine never give from the same block: the system decides, and lets go of a block when its process ends.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use topology::PortUse;

const PORTS: Range<u16> = 20_000..32_000;
/// Enough for a cluster of ten nodes with four shards each; larger ones take several blocks.
const BLOCK: u16 = 120;
const BLOCKS: u16 = (PORTS.end - PORTS.start) / BLOCK;

/// None is left.
#[derive(Debug, thiserror::Error)]
#[error("no port between {} and {} is free on {ip}; end other clusters on this machine", PORTS.start, PORTS.end)]
pub struct NoPortFree {
    /// On which address of this machine.
    pub ip: IpAddr,
}

/// Finds ports nobody has, each only once, and keeps other finders of this machine off them for as long as it lives.
#[derive(Debug)]
pub struct PortFinder {
    /// The block to try first.
    draw: u16,
    given: BTreeSet<u16>,
    held: Vec<Block>,
}

/// A block whose first port this process listens on.
#[derive(Debug)]
struct Block {
    number: u16,
    _guard: TcpListener,
}

impl Block {
    fn take(number: u16) -> Option<Self> {
        let guard = TcpListener::bind((Ipv4Addr::LOCALHOST, ports_of(number).start)).ok()?;
        Some(Self {
            number,
            _guard: guard,
        })
    }
}

fn ports_of(block: u16) -> Range<u16> {
    let first = PORTS.start + block * BLOCK;
    first..first + BLOCK
}

impl PortFinder {
    /// Begins at a place drawn by the caller, so that clusters started at the same time seldom ask for the same block.
    #[must_use]
    pub fn new(draw: u16) -> Self {
        Self {
            draw: draw % BLOCKS,
            given: BTreeSet::new(),
            held: Vec::new(),
        }
    }

    /// Never gives the ports of this use that begin at `first`.
    pub fn keep_off(&mut self, first: u16, used: PortUse) {
        self.given.extend(run(first, used));
    }

    /// Takes the ports of this use that begin at `first`, given at an earlier time: `false` if another finder may give them.
    pub fn take_again(&mut self, first: u16, used: PortUse) -> bool {
        let blocks: BTreeSet<u16> = run(first, used)
            .filter(|port| PORTS.contains(port))
            .map(|port| (port - PORTS.start) / BLOCK)
            .collect();
        self.keep_off(first, used);
        blocks
            .into_iter()
            .all(|block| self.holds(block) || self.take(block))
    }

    /// The first of as many consecutive free ports as the use needs.
    ///
    /// # Errors
    /// [`NoPortFree`], after a look at every port.
    pub fn find(&mut self, ip: IpAddr, wanted: PortUse) -> Result<u16, NoPortFree> {
        let held = self.held.iter().map(|block| block.number);
        let others = (0..BLOCKS).map(|more| (self.draw + more) % BLOCKS);
        let blocks: Vec<u16> = held.chain(others).collect();
        let found = blocks.into_iter().find_map(|block| {
            let is_mine = self.holds(block) || self.take(block);
            is_mine.then(|| self.find_in(block, ip, wanted)).flatten()
        });
        let first = found.ok_or(NoPortFree { ip })?;
        self.given.extend(run(first, wanted));
        Ok(first)
    }

    fn find_in(&self, block: u16, ip: IpAddr, wanted: PortUse) -> Option<u16> {
        let Range { start, end } = ports_of(block);
        (start + 1..end).find(|first| {
            let mut ports = run(*first, wanted);
            let fits = ports.all(|port| port < end && !self.given.contains(&port));
            fits && is_free(SocketAddr::new(ip, *first), wanted).is_ok()
        })
    }

    fn holds(&self, block: u16) -> bool {
        self.held.iter().any(|held| held.number == block)
    }

    fn take(&mut self, block: u16) -> bool {
        let taken = Block::take(block);
        let is_taken = taken.is_some();
        self.held.extend(taken);
        is_taken
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

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn ports_are_given_once_and_never_when_somebody_has_them() {
        let mut finder = PortFinder::new(77);
        let first = finder.find(LOOPBACK, PortUse::Tcp).unwrap();
        let holder = TcpListener::bind((LOOPBACK, first + 1)).unwrap();
        let run = finder.find(LOOPBACK, PortUse::Udp(3)).unwrap();
        let after = finder.find(LOOPBACK, PortUse::Tcp).unwrap();
        let given = [first, run, run + 1, run + 2, after];
        assert_eq!(BTreeSet::from(given).len(), given.len(), "{given:?}");
        let held = holder.local_addr().unwrap().port();
        assert!(after != held, "somebody listens there");
    }

    #[test]
    fn two_finders_never_give_the_same_port_although_nobody_uses_it_yet() {
        let (mut one, mut other) = (PortFinder::new(33), PortFinder::new(33));
        let mut given = BTreeSet::new();
        for _ in 0..150 {
            for finder in [&mut one, &mut other] {
                let port = finder.find(LOOPBACK, PortUse::Tcp).unwrap();
                assert!(given.insert(port), "{port} was given twice");
            }
        }
    }

    #[test]
    fn ports_of_an_earlier_time_are_taken_again_unless_another_finder_may_give_them() {
        let mut earlier = PortFinder::new(55);
        let port = earlier.find(LOOPBACK, PortUse::Tcp).unwrap();
        assert!(!PortFinder::new(0).take_again(port, PortUse::Tcp));
        drop(earlier);
        let mut again = PortFinder::new(0);
        assert!(again.take_again(port, PortUse::Tcp));
        assert!(again.take_again(port + 1, PortUse::Udp(2)), "of the same block");
        assert!(again.take_again(80, PortUse::Tcp), "nobody gives this one");
        let next = again.find(LOOPBACK, PortUse::Tcp).unwrap();
        assert!(!(port..port + 3).contains(&next), "{next} was taken again");
    }

    #[test]
    fn the_search_wraps_at_the_end_of_the_range() {
        let mut finder = PortFinder::new(BLOCKS - 1);
        let mut next = || finder.find(LOOPBACK, PortUse::Udp(BLOCK - 1)).unwrap();
        let ports = [next(), next()];
        assert!(
            ports.iter().any(|port| *port < ports_of(BLOCKS - 1).start),
            "{ports:?}"
        );
    }
}
