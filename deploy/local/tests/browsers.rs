//! Browsers' sockets beside datagrams on a real cluster: bots by both ways in one world, a proxy killed under them, and the oracle
//! content with all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use regionmesh::{Cluster, ClusterOptions};
use serde_json::Value;
use support::{eventually, logs, program, start};

/// Of each kind.
const PLAYERS: u64 = 8;
/// Longest that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bots that are not left behind.
struct Swarm(Child);

impl Drop for Swarm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn swarm(cluster: &Cluster, transport: &str, result: &Path) -> Swarm {
    let players = PLAYERS.to_string();
    let child = Command::new(program())
        .arg("loadtest")
        .arg("--join")
        .arg(cluster.join_file())
        .args(["--players", &players, "--transport", transport])
        .args(["--for", "20s", "--warm-up", "1s", "--command-every", "1"])
        .args(["--faults", "proxies", "--json"])
        .arg(result)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Swarm(child.unwrap())
}

/// The sum over the proxies that answer.
fn playing(cluster: &Cluster) -> u64 {
    let of = |proxy| cluster.status(proxy).ok()?["playing"].as_u64();
    ["edge-1", "edge-2"].into_iter().filter_map(of).sum()
}

fn get(url: &str) -> String {
    let place = url.strip_prefix("http://").unwrap();
    let mut io = TcpStream::connect(place).unwrap();
    write!(
        io,
        "GET /join.json HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn bots_on_websockets_and_on_datagrams_share_a_world_and_survive_their_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions::new(program(), folder.path().join("d")));
    // What a proxy tells is what the file says, but for whom to look at.
    let written: Value = serde_json::from_slice(&std::fs::read(cluster.join_file()).unwrap()).unwrap();
    let told: Value = serde_json::from_str(&get(written["proxies"][1]["url"].as_str().unwrap())).unwrap();
    for key in ["version", "cluster_id", "authority_public_key", "proxies"] {
        assert_eq!(told[key], written[key], "{key}");
    }
    let results = ["udp", "ws"].map(|transport| folder.path().join(transport));
    let [udp, ws] = &results;
    let mut swarms = [swarm(&cluster, "udp", udp), swarm(&cluster, "ws", ws)];
    eventually("all bots play", PATIENCE, || playing(&cluster) == 2 * PLAYERS);
    // What happens in the warm-up does not count.
    std::thread::sleep(Duration::from_secs(3));
    cluster.kill("edge-1").unwrap();
    eventually("everybody plays at the other proxy", PATIENCE, || {
        playing(&cluster) == 2 * PLAYERS
    });
    for (swarm, result) in swarms.iter_mut().zip(&results) {
        let mut code = None;
        eventually("the swarm ends", 2 * PATIENCE, || {
            code = swarm.0.try_wait().unwrap();
            code.is_some()
        });
        let code = code.unwrap().code().unwrap();
        let text = std::fs::read(result).unwrap_or_else(|_| panic!("{code}\n{}", logs(cluster.data())));
        let result: Value = serde_json::from_slice(&text).unwrap();
        // 4: too busy a machine for the bots' own timing; what they found holds all the same.
        assert!([0, 4].contains(&code), "exit code {code}: {result:#}");
        for class in ["durable", "soft"] {
            for what in ["lost", "duplicated", "reordered"] {
                assert_eq!(result["commands"][class][what], 0, "{class} {what}: {result:#}");
            }
        }
        assert!(result["resumes"].as_u64().unwrap() > 0, "{result:#}");
        assert_eq!(result["disconnects"], 0, "{result:#}");
    }
}

#[test]
fn a_python_script_joins_walks_and_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(support::one(&folder.path().join("d")));
    let url = cluster.addresses().find_map(|node| node.url.clone()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client/examples/walk.py");
    let text = std::fs::read_to_string(&script).unwrap();
    assert!(text.lines().count() <= 60, "it is to stay short");
    let played = Command::new("python3")
        .arg(script)
        .args([&url, "Snake"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&played.stdout);
    let errors = String::from_utf8_lossy(&played.stderr);
    let logs = || logs(cluster.data());
    assert!(played.status.success(), "{said}{errors}\n{}", logs());
    assert!(said.starts_with("Snake walked "), "{said}");
}
