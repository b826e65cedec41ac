//! Where else a client may go: the other proxies of the topology, the least loaded first, as game servers tell.

use std::net::SocketAddr;

use net::link::PeerLoad;
use protocol::ids::NodeNumber;
use protocol::limits::PROXIES_NAMED_MAX;
use topology::Topology;

use super::known_names::KnownNames;

/// The other proxies' addresses, best first, at most as many as a client is told. Those whose names nobody knows are left out.
pub(super) fn other_proxies(
    topology: &Topology,
    own: NodeNumber,
    loads: &[(NodeNumber, PeerLoad)],
    names: &KnownNames,
) -> Vec<SocketAddr> {
    let load_of = |number: NodeNumber| {
        let known = loads.iter().find(|(node, _)| *node == number)?;
        let load = &known.1.load;
        Some(u64::from(load.players) * 1000 / u64::from(load.players_max.max(1)))
    };
    let others = topology
        .proxies()
        .iter()
        .filter(|proxy| proxy.number != own && proxy.entrance().port != 0);
    // One that nobody hears of comes last: it may be down, or draining.
    let mut ranked: Vec<_> = others
        .filter_map(|proxy| {
            let load = load_of(proxy.number).unwrap_or(u64::MAX);
            let entrance = proxy.entrance();
            let ip = names.address(&entrance.host, None)?;
            Some((load, proxy.number, SocketAddr::new(ip, entrance.port)))
        })
        .collect();
    ranked.sort_unstable();
    let mut addresses: Vec<SocketAddr> = Vec::with_capacity(PROXIES_NAMED_MAX);
    for (_, _, address) in ranked {
        // Proxies behind one balancer have one address.
        if addresses.len() < PROXIES_NAMED_MAX && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::node::Load;

    #[test]
    fn the_emptiest_comes_first_the_unheard_of_last_and_this_one_never() {
        let mut text = "[world]\nname = \"w\"\nsize = [64, 64]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n[[server]]\nname = \"a\"\nnumber = 1\npeer = \"127.0.0.1:1\"\nproxy = \"127.0.0.1:2\"\n[grid]\ncolumns = 1\nrows = 1\nservers = [\"a\"]\n".to_owned();
        for (number, host, port) in [
            (101, "127.0.0.1", 7001),
            (102, "127.0.0.1", 7002),
            (103, "[::1]", 7003),
            (104, "127.0.0.1", 7004),
            (105, "nobody-knows.example", 7005),
        ] {
            text += &format!(
                "[[proxy]]\nname = \"p{number}\"\nnumber = {number}\ntcp = \"{host}:{port}\"\nudp = \"{host}:{port}\"\nhttp = \"127.0.0.1:{}\"\n",
                port + 1000
            );
        }
        let topology = topology::parse("t", &text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let load = |players| PeerLoad {
            load: Load {
                players,
                players_max: 100,
                ..Load::default()
            },
            ..PeerLoad::default()
        };
        let loads = [(NodeNumber(104), load(5)), (NodeNumber(102), load(50))];
        let ports: Vec<u16> = other_proxies(&topology, NodeNumber(101), &loads, &KnownNames::default())
            .iter()
            .map(SocketAddr::port)
            .collect();
        assert_eq!(ports, [7004, 7002, 7003]);
    }
}
