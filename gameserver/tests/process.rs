//! A game server as a process of its own: what it says where, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod servers;

use std::process::{Command, Stdio};

use node::telemetry::undescribed;
use servers::process::{Process, command};
use servers::{Cluster, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_serves_counts_and_drains() {
    let cluster = Cluster::new();
    let mut process =
        Process::start(command(&cluster, "gs-a", &["--game", "creatures=3"]).stderr(Stdio::null()));
    let server = &cluster.topology.servers()[0];
    assert_eq!(
        process.line,
        format!(
            "listening peer={} proxy={} admin={}",
            server.peer, server.proxy, process.admin
        )
    );
    eventually("it is ready and ticks", || {
        let status = process.status();
        let region = &status["regions"][0];
        // What lies there comes from the store, and may come later than the first tick.
        let knows_all = region["npcs"] == 3 && region["holdings_known"] == true;
        status["ready"] == true && region["tick"].as_u64() > Some(0) && knows_all
    })
    .await;
    let status = process.status();
    assert_eq!(
        (&status["name"], &status["role"], &status["number"]),
        (&"gs-a".into(), &"gameserver".into(), &1.into())
    );
    let region = &status["regions"][0];
    assert!(
        region["holdings_known"] == true && !region["holdings"].as_array().unwrap().is_empty(),
        "{region}"
    );
    for field in ["population", "spawned", "despawned", "frozen"] {
        assert!(region[field].is_u64(), "{field} in {region}");
    }
    assert_eq!(process.ask("GET /census?players=7"), r#"{"players":[]}"#);
    let metrics = process.ask("GET /metrics");
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
    process.ask("POST /drain");
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_game_are_read_anew_while_the_process_runs_and_with_a_mistake_they_are_not() {
    let cluster = Cluster::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gs.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("[game]\ncreatures = 3\n");
    let from_file = ["--config", file.to_str().unwrap()];
    let process = Process::start(command(&cluster, "gs-a", &from_file).stderr(Stdio::null()));
    let creatures = |count: u64| {
        let process = &process;
        move || process.status()["regions"][0]["npcs"] == count
    };
    eventually("there are three", creatures(3)).await;
    write("[game]\ncreatures = 5\ncretures = 6\n");
    let why = process.ask("POST /reload");
    assert!(
        why.contains("game.cretures") && why.contains("gs.toml:3:1"),
        "{why}"
    );
    write("[game]\ncreatures = 5\n");
    let said = process.ask("POST /reload");
    assert!(
        said.starts_with("in force: game.creatures; regions that play by them: "),
        "{said}"
    );
    eventually("there are five", creatures(5)).await;
    assert_eq!(
        process.ask("POST /reload"),
        "the settings of the game are as they were\n"
    );
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
    let _taken = std::net::TcpListener::bind(cluster.topology.servers()[0].proxy.socket().unwrap()).unwrap();
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
