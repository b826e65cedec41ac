//! The swarm's verdict where it is not alone, and where the cluster fails: it judges its own players and names what broke.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use regionmesh::ClusterOptions;
use serde_json::Value;
use support::{Up, errors_of, finish, program, send, start, topology_file};

fn loadtest(join: &Path, result: &Path, more: &str) -> (i32, String, String) {
    let line = format!(
        "loadtest --join {} --players 6 --for 4s --warm-up 2s --command-every 1 {more} --json {}",
        join.display(),
        result.display()
    );
    finish(&line.split_whitespace().collect::<Vec<_>>())
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The join file, changed.
fn join_file(from: &Path, to: &Path, change: impl Fn(&mut Value)) {
    let mut join = read(from);
    change(&mut join);
    std::fs::write(to, join.to_string()).unwrap();
}

#[test]
fn beside_other_bots_and_right_after_them_a_swarm_judges_its_own_players() {
    let folder = tempfile::tempdir().unwrap();
    let (data, result) = (folder.path().join("d"), folder.path().join("result.json"));
    let topology = topology_file(folder.path(), |text| text);
    let up = Up::start(&data, &["--topology", &topology, "--players=7"]);
    let join = data.join("join.json");
    for _ in 0..2 {
        let (code, out, error) = loadtest(&join, &result, "--behaviour trader");
        let result = read(&result);
        assert_eq!((code, &result["verdict"]), (0, &"ok".into()), "{out}{error}");
        let population = &result["population"];
        assert_eq!(
            (&population["players"], &population["entities_wrong"]),
            (&6.into(), &0.into())
        );
        assert!(population["others"].as_u64().unwrap() >= 7, "{population}");
        assert!(
            result["commands"]["durable"]["applied"].as_u64().unwrap() > 0,
            "{result:#}"
        );
    }
    // Without status pages, and with some that nobody answers at.
    let other = folder.path().join("join.json");
    join_file(&join, &other, |join| join["observe"] = Value::Array(Vec::new()));
    let (code, out, error) = loadtest(&other, &result, "");
    assert_eq!(code, 0, "{out}{error}");
    let first = out.lines().next().unwrap();
    assert!(
        first.contains("will not be judged: the join file names no status pages"),
        "{out}"
    );
    assert!(
        out.trim_end()
            .lines()
            .last()
            .unwrap()
            .contains("ok, without a word on commands"),
        "{out}"
    );
    join_file(&join, &other, |join| {
        join["observe"][0]["status_url"] = "http://127.0.0.1:1/status".into();
    });
    let (code, out, error) = loadtest(&other, &result, "");
    assert_eq!((code, out.as_str()), (3, ""), "{error}");
    assert!(
        error.contains("the cluster cannot be counted: gs-a: cannot read"),
        "{error}"
    );
    send(up.pid(), Signal::SIGTERM);
    assert_eq!(up.end().0, Some(0), "{}", errors_of(&data));
}

/// Ends with the test.
struct Swarm(Child);

impl Drop for Swarm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_frozen_game_server_is_a_finding_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions::new(program(), folder.path().join("d")));
    let result = folder.path().join("result.json");
    let mut swarm = Swarm(
        Command::new(program())
            .args(["loadtest", "--players", "24", "--for", "9s", "--warm-up", "1s"])
            .arg("--join")
            .arg(cluster.join_file())
            .arg("--json")
            .arg(&result)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(swarm.0.stdout.take().unwrap()).lines();
    let mut until = |what: &str| {
        let line = lines.find(|line| line.as_ref().unwrap().contains(what));
        assert!(line.is_some(), "no line with `{what}`");
    };
    until("playing: up 24");
    let server = cluster.pid("gs-b").unwrap().unwrap();
    send(server, Signal::SIGSTOP);
    // Of some of its players first; a look later of the whole region.
    until("without news for a second");
    until("without news for a second");
    send(server, Signal::SIGCONT);
    for _ in lines {}
    let code = swarm.0.wait().unwrap().code();
    let result = read(&result);
    assert_eq!(code, Some(99), "{result:#}");
    assert!(result["continuity"]["stalls"].as_u64().unwrap() > 0, "{result:#}");
    let silent = result["silent_regions"].as_array().unwrap();
    assert!(
        silent.iter().any(|region| region["server"] == "gs-b"),
        "{result:#}"
    );
    assert!(
        result["incidents"][0]
            .as_str()
            .unwrap()
            .contains("no new own state"),
        "{result:#}"
    );
}
