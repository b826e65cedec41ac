//! A map gives a region to another server, beside a file, while whoever has it is still there. Nobody plays in it then, and who
//! logs in hears why; who waited plays on at its new server as soon as the former one has ended, without another login.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use client::{Client, ClientEvent, ConnectOptions, Credentials, Datagrams, JoinFile};
use nix::sys::signal::Signal;
use node::authority_dir::AuthorityDir;
use node::clock::wall_ms;
use protocol::Code;
use protocol::ids::{NodeNumber, RegionNumber};
use regionmesh::{Child, ChildSpec, Cluster, ClusterOptions};
use support::{PATIENCE, eventually, logs, program, start};
use tokio::time::timeout;

const WORLD: &str = r#"
[world]
name = "two"
size = [512, 256]
cell_size = 32
view_rings = 1
border_cells = 1
tick_hz = 20
handover_margin = 1.0

[[server]]
name = "gs-a"
number = 1
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[server]]
name = "gs-b"
number = 2
peer = "127.0.0.1:0"
proxy = "127.0.0.1:0"

[[proxy]]
name = "edge-1"
number = 101
tcp = "127.0.0.1:0"
udp = "127.0.0.1:0"
http = "127.0.0.1:0"

[grid]
columns = 2
rows = 1
servers = ["gs-a", "gs-b"]
"#;
const WEST: RegionNumber = RegionNumber(1);
const EAST: RegionNumber = RegionNumber(2);
const A: NodeNumber = NodeNumber(1);
const B: NodeNumber = NodeNumber(2);
/// Enough for both regions to have some.
const PLAYERS: usize = 8;

async fn log_in(cluster: &Cluster, number: usize) -> Option<Client> {
    let join = JoinFile::read(cluster.join_file()).unwrap();
    let options = ConnectOptions {
        proxies: join.addresses(),
        trust: join.trust().unwrap(),
        credentials: Credentials::Guest {
            name: format!("Ada {number}"),
        },
        datagrams: Datagrams::Allowed,
    };
    Client::connect(options).await.ok()
}

/// Freezes a server between two of its writes: in one of them it would hold up everybody.
async fn freeze(cluster: &mut Cluster, name: &str) -> Client {
    for _ in 0..10 {
        cluster.signal(name, Signal::SIGSTOP).unwrap();
        if let Some(first) = log_in(cluster, 0).await {
            return first;
        }
        cluster.signal(name, Signal::SIGCONT).unwrap();
    }
    panic!("nobody is let in");
}

/// The servers of the two regions change places, in the bundle of every node.
fn swap(cluster: &Cluster) {
    let text = std::fs::read_to_string(cluster.data().join("topology.toml")).unwrap();
    let swapped = text.replace(r#"["gs-a", "gs-b"]"#, r#"["gs-b", "gs-a"]"#);
    assert_ne!(text, swapped);
    let topology = topology::parse("topology.toml", &swapped).unwrap();
    let mut authority = AuthorityDir::open(cluster.data()).unwrap();
    authority.sign(&swapped, &topology, wall_ms()).unwrap();
}

/// Starts a node without waiting until it is ready.
fn by_hand(cluster: &Cluster, name: &str) -> Child {
    let line = cluster.by_hand(name).unwrap();
    let spec = ChildSpec {
        name: format!("{name}-again"),
        arguments: line.split_whitespace().skip(1).map(str::to_owned).collect(),
        environment: Vec::new(),
    };
    cluster.spawn(&spec).unwrap()
}

/// Why a node is not ready; nothing while it does not answer.
fn not_ready(cluster: &Cluster, name: &str) -> Option<String> {
    let status = cluster.status(name).ok()?;
    Some(status["not_ready"].to_string())
}

/// What a client is told first: that it plays, and where; or what there is to know.
async fn told(client: &mut Client) -> Result<(RegionNumber, NodeNumber), Code> {
    let first = async {
        loop {
            match client.next_event().await.expect("nobody is thrown out") {
                ClientEvent::Playing { region, node, .. } => return Ok((region, node)),
                ClientEvent::Notice(code, _) => return Err(code),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, first).await.expect("nothing is told")
}

/// Where each client plays, once so many do.
async fn placed(
    clients: &mut [Client],
    wanted: impl Fn(&BTreeMap<usize, (RegionNumber, NodeNumber)>) -> bool,
) {
    let mut places = BTreeMap::new();
    let all = async {
        while !wanted(&places) {
            for (number, client) in clients.iter_mut().enumerate() {
                let event = timeout(Duration::from_millis(20), client.next_event()).await;
                match event.map(|event| event.expect("nobody is thrown out")) {
                    Ok(ClientEvent::Playing { region, node, .. }) => {
                        places.insert(number, (region, node));
                    }
                    Ok(ClientEvent::Notice(code, text)) => assert_eq!(code, Code::WorldRecovering, "{text}"),
                    _ => {}
                }
            }
        }
    };
    let in_time = timeout(2 * PATIENCE, all).await;
    assert!(in_time.is_ok(), "not in time: {places:?}");
}

#[tokio::test]
async fn who_logs_in_while_a_region_waits_for_its_former_server_is_told_and_plays_when_that_one_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions {
        topology: WORLD.to_owned(),
        topology_name: "two.toml".to_owned(),
        ..ClusterOptions::new(program(), folder.path().join("d"))
    });
    swap(&cluster);
    cluster.terminate("gs-b").unwrap();
    // Frozen, it still is whoever serves the west: a file has no leases.
    let mut clients = vec![freeze(&mut cluster, "gs-a").await];
    let mut again = by_hand(&cluster, "gs-b");
    eventually("it waits for the former server", PATIENCE, || {
        let said = not_ready(&cluster, "gs-b").unwrap_or_default();
        said.contains("gs-a still serves region 1") && said.contains("or end it")
    });
    for number in 1..PLAYERS {
        clients.push(log_in(&cluster, number).await.expect("a session needs no region"));
    }
    for client in &mut clients {
        assert_eq!(told(client).await, Err(Code::WorldRecovering));
    }
    assert!(again.ended().is_none(), "{}", logs(cluster.data()));

    // With its end the west is free.
    cluster.kill("gs-a").unwrap();
    placed(&mut clients, |places| {
        assert!(places.values().all(|place| *place == (WEST, B)), "{places:?}");
        !places.is_empty()
    })
    .await;
    eventually(
        "the new server is ready but for the link to the other",
        PATIENCE,
        || not_ready(&cluster, "gs-b").is_some_and(|said| !said.contains("still serves")),
    );
    // And the east has somebody when the other one has the new map too.
    cluster.restart("gs-a").unwrap();
    placed(&mut clients, |places| {
        places.values().any(|place| *place == (EAST, A))
    })
    .await;
    let mut late = log_in(&cluster, PLAYERS).await.expect("a login");
    let place = told(&mut late).await.expect("it plays at once");
    assert!([(WEST, B), (EAST, A)].contains(&place), "{place:?}");
    drop((clients, late));
    again.signal(Signal::SIGTERM);
    assert!(again.wait(PATIENCE).is_some_and(|ended| ended.is_as_told()));
    assert!(cluster.stop().is_empty(), "{}", logs(&folder.path().join("d")));
}
