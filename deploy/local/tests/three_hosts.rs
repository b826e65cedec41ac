//! A cluster on three hosts from nothing, as the chapter of docs/operating.md has it: three network namespaces with two game
//! servers and a proxy each, joined by a bridge, started from the files of deploy/three-hosts with the commands that an
//! operator gives; the swarm plays from a fourth, and the database is in a fifth. Needs root, `ip` and PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod balancer;
mod chaos;
mod hosts;
mod support;

use std::path::Path;

use hosts::network::Network;
use hosts::{FILES, Mesh};
use support::{PATIENCE, eventually};

#[test]
fn a_cluster_on_three_hosts_from_nothing_plays() {
    let network = Network::bridged();
    // The first host looks for the third where nobody is.
    network.name_hosts(1, [1, 2, 33]);
    let topology = Path::new(FILES).join("topology.toml");
    let mesh = Mesh::start(network, &topology, |_| Vec::new());
    let said = || mesh.ready(mesh.node("edge-1"));
    let is_lost = || said().contains("not linked: gs-e");
    assert!(is_lost(), "{}", said());
    // A name that is mended is found at the next dial.
    mesh.network.name_hosts(1, [1, 2, 3]);
    eventually("edge-1 has found the third host", PATIENCE, || !is_lost());
    let players = std::env::var("THREE_HOSTS_PLAYERS").unwrap_or_else(|_| "30".to_owned());
    let line = format!("--players {players} --for 8s --warm-up 4s --behaviour border");
    let result = mesh.swarm(&line).ended(&mesh);
    assert!(result["crossings"].as_u64() > Some(0), "{result:#}");
    mesh.stop();
}
