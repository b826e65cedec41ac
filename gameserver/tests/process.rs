//! A game server as a process of its own: what it says where, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod servers;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use node::telemetry::undescribed;
use serde_json::Value;
use servers::{Cluster, eventually};

/// Killed when the test is over, however that comes about.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(cluster: &Cluster, name: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gameserver"));
    command
        .args(["--name", name, "--data"])
        .arg(cluster.data("gs-a"))
        .args(more);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn ask(admin: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_serves_counts_and_drains() {
    let cluster = Cluster::new();
    let mut process = Process(
        command(&cluster, "gs-a", &["--creatures", "3"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    let mut out = BufReader::new(process.0.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let admin: SocketAddr = line.trim().rsplit_once("admin=").unwrap().1.parse().unwrap();
    let server = &cluster.topology.servers()[0];
    assert_eq!(
        line.trim(),
        format!(
            "listening peer={} proxy={} admin={admin}",
            server.peer, server.proxy
        )
    );
    let status = || serde_json::from_str::<Value>(&ask(admin, "GET /status")).unwrap();
    eventually("it is ready and ticks", || {
        let status = status();
        let region = &status["regions"][0];
        status["ready"] == true && region["tick"].as_u64() > Some(0) && region["npcs"] == 3
    })
    .await;
    let status = status();
    assert_eq!(
        (&status["name"], &status["role"], &status["number"]),
        (&"gs-a".into(), &"gameserver".into(), &1.into())
    );
    let region = &status["regions"][0];
    assert!(
        region["gems_known"] == true && !region["gems"].as_array().unwrap().is_empty(),
        "{region}"
    );
    for field in ["population", "spawned", "despawned", "frozen"] {
        assert!(region[field].is_u64(), "{field} in {region}");
    }
    let metrics = ask(admin, "GET /metrics");
    for metric in [
        "regionmesh_gameserver_tick_seconds_bucket",
        "regionmesh_gameserver_tick_phase_seconds_bucket",
    ] {
        assert!(metrics.contains(metric), "{metric}");
    }
    assert!(
        undescribed(&metrics).is_empty(),
        "no HELP: {:?}",
        undescribed(&metrics)
    );
    ask(admin, "POST /drain");
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_start_says_why_in_one_sentence() {
    let cluster = Cluster::new();
    let ended = |mut command: Command| {
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, said, _) = ended(command(&cluster, "gs-b", &[]));
    assert!(
        code == Some(2) && said.contains("`gs-b` is number 2"),
        "{code:?} {said}"
    );
    let (code, said, _) = ended(command(
        &cluster,
        "gs-a",
        &["--store", "/nonexistent/store.sqlite"],
    ));
    assert!(
        code == Some(2) && said.contains("/nonexistent/store.sqlite") && said.contains("its directory"),
        "{code:?} {said}"
    );
    let _taken = std::net::TcpListener::bind(cluster.topology.servers()[0].proxy).unwrap();
    let (code, said, _) = ended(command(&cluster, "gs-a", &[]));
    assert!(
        code == Some(2) && said.contains("cannot listen on"),
        "{code:?} {said}"
    );
    let (code, _, printed) = ended(command(&cluster, "gs-a", &["--print-config"]));
    assert!(
        code == Some(0) && printed.contains("creatures"),
        "{code:?} {printed}"
    );
}
