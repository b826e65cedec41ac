//! Ports for trials that run at the same time, in one process or in several.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below the ports of outgoing connections, so that a server that is started again finds its own free. Each even one has a
/// guard in the odd one after it.
const PORTS: Range<u16> = 15_000..20_000;

/// A port that no other trial of this machine has, for as long as this lives: what was found free is not in use before the
/// server has started, and another trial that looks in that moment would find it as well.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) number: u16,
    _guard: TcpListener,
}

impl Port {
    pub(super) fn take() -> io::Result<Self> {
        let draws = (0..1_000).map(|_| rand::random_range(PORTS) & !1);
        let mut taken = draws.filter_map(|number| {
            let guard = TcpListener::bind((Ipv4Addr::LOCALHOST, number + 1)).ok()?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
            Some(Self {
                number,
                _guard: guard,
            })
        });
        taken.next().ok_or_else(|| io::Error::other("no port is free"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_trials_have_one_port() {
        let ports: Vec<Port> = (0..300).map(|_| Port::take().unwrap()).collect();
        let numbers: BTreeSet<u16> = ports.iter().map(|port| port.number).collect();
        assert_eq!(
            numbers.len(),
            300,
            "of 2,500 drawn by chance some twenty would be the same"
        );
    }
}
