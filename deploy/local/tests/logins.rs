//! Players who cannot be let in hear why: the store is somebody else's just now, or nobody serves their part of the world.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use client::{Client, ClientEvent, ConnectOptions, ConnectionError, Credentials, Datagrams, JoinFile};
use protocol::Code;
use regionmesh::ClusterOptions;
use rusqlite::Connection;
use support::{PATIENCE, eventually, finish, one, program, start};
use tokio::time::timeout;

async fn connect(join: &Path) -> Result<Client, ConnectionError> {
    let join = JoinFile::read(join).unwrap();
    let options = ConnectOptions {
        proxies: join.addresses(),
        trust: join.trust().unwrap(),
        credentials: Credentials::Guest {
            name: "Ada".to_owned(),
        },
        datagrams: Datagrams::Allowed,
    };
    Client::connect(options).await
}

/// All know one proxy, and are spread over both.
#[test]
fn newcomers_are_sent_to_the_proxy_that_has_fewer() {
    const PLAYERS: u64 = 100;
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(ClusterOptions::new(program(), folder.path().join("d")));
    let known = folder.path().join("join.json");
    let join = std::fs::read(cluster.join_file()).unwrap();
    let mut join: serde_json::Value = serde_json::from_slice(&join).unwrap();
    join["proxies"].as_array_mut().unwrap().truncate(1);
    std::fs::write(&known, join.to_string()).unwrap();
    let players = PLAYERS.to_string();
    let line = [
        "loadtest",
        "--players",
        &players,
        "--for",
        "30s",
        "--logins",
        "25",
        "--join",
    ];
    let mut swarm = std::process::Command::new(program())
        .args(line)
        .arg(&known)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let at = |edge, what: &str| cluster.status(edge).unwrap()[what].as_u64().unwrap();
    eventually("everybody plays", PATIENCE, || {
        at("edge-1", "playing") + at("edge-2", "playing") == PLAYERS
    });
    let players = ["edge-1", "edge-2"].map(|edge| at(edge, "playing"));
    eventually(
        "all of the other proxy's are counted as sent there",
        PATIENCE,
        || cluster.status("edge-1").unwrap()["refused"]["login_sent_on"] == players[1],
    );
    let _ = swarm.kill();
    let _ = swarm.wait();
    // Figures travel for a second, in which as many as have just been sent there count twice.
    assert!(players[0].abs_diff(players[1]) <= 30, "{players:?}");
}

/// A swarm that nobody lets in; what it says at its end.
fn swarm(join: &Path) -> String {
    let join = join.to_str().unwrap();
    let (code, out, error) = finish(&["loadtest", "--join", join, "--players", "2", "--for", "1s"]);
    assert_eq!(code, 3, "{out}{error}");
    error
}

#[tokio::test]
async fn whoever_comes_while_the_store_is_locked_hears_that_it_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(one(&folder.path().join("d")));
    let writer = Connection::open(cluster.data().join("world.db")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = connect(cluster.join_file()).await.err().unwrap();
    assert_eq!(error.code(), Some(Code::Busy), "{error}");
    assert!(error.to_string().contains("the store does not answer"), "{error}");
    let said = swarm(cluster.join_file());
    let why = said
        .lines()
        .find(|line| line.contains("no bot could log in"))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(why.contains("the store does not answer"), "{why}");
    assert!(why.contains("edge-1 is not ready: store"), "{why}");
    writer.execute_batch("ROLLBACK").unwrap();
    let mut last = None;
    for _ in 0..10 {
        match connect(cluster.join_file()).await {
            Ok(_) => return,
            Err(error) => last = Some(error),
        }
    }
    panic!("nobody is let in again: {last:?}");
}

#[tokio::test]
async fn whoever_comes_while_nobody_serves_the_world_hears_that_it_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(one(&folder.path().join("d")));
    cluster.kill("gs-a").unwrap();
    eventually("the proxy misses its game server", PATIENCE, || {
        cluster.status("edge-1").unwrap()["not_ready"]
            .to_string()
            .contains("links")
    });
    let mut client = connect(cluster.join_file()).await.unwrap();
    let told = async {
        loop {
            if let ClientEvent::Notice(code, text) = client.next_event().await.unwrap() {
                return (code, text);
            }
        }
    };
    let (code, text) = timeout(PATIENCE, told).await.expect("nothing is told");
    assert_eq!(code, Code::WorldRecovering, "{text}");
    // The cluster's own pages name the server; whoever has none of them hears what players hear.
    assert!(swarm(cluster.join_file()).contains("the cluster cannot be counted: gs-a: "));
    let blind = folder.path().join("join.json");
    let mut join: serde_json::Value =
        serde_json::from_slice(&std::fs::read(cluster.join_file()).unwrap()).unwrap();
    join["observe"] = serde_json::Value::Array(Vec::new());
    std::fs::write(&blind, join.to_string()).unwrap();
    let said = swarm(&blind);
    assert!(
        said.contains("no bot could log in: This part of the world is being recovered"),
        "{said}"
    );
}
