//! The swarm must find every kind of mistake that must never happen. Here game servers make one on purpose: a build of
//! its own, with the feature `fault-injection`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use regionmesh::ClusterOptions;
use serde_json::Value;

/// Exit code of a swarm whose oracle found something.
const BROKEN: i32 = 99;

/// Eight bots with a lot to say play in one region that makes this mistake. The swarm's exit code and its result.
fn play(fault: &str) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let cluster = support::start(ClusterOptions {
        environment: vec![("FAULT_INJECTION".to_owned(), fault.to_owned())],
        ..support::one(&folder.path().join("d"))
    });
    let result = folder.path().join("result.json");
    let join = cluster.join_file().to_str().unwrap().to_owned();
    let line =
        format!("loadtest --join {join} --players 8 --for 15s --behaviour trader --command-every 0.4 --json");
    let mut arguments: Vec<&str> = line.split(' ').collect();
    arguments.push(result.to_str().unwrap());
    let (code, out, error) = support::finish(&arguments);
    let result = std::fs::read(result).unwrap_or_else(|_| panic!("no result: {out}{error}"));
    drop(cluster);
    (code, serde_json::from_slice(&result).unwrap())
}

/// The sum over both classes of commands.
fn commands(result: &Value, what: &str) -> u64 {
    let of = |class: &str| {
        let count = result["commands"][class][what].as_u64();
        count.unwrap_or_else(|| panic!("not counted: {result:#}"))
    };
    of("durable") + of("soft")
}

#[test]
fn without_a_mistake_nothing_is_found() {
    let (code, result) = play("");
    assert_eq!((code, &result["verdict"]), (0, &"ok".into()), "{result:#}");
    assert!(commands(&result, "applied") > 100, "{result:#}");
    assert!(
        result["holdings"]["collected"].as_u64().unwrap() > 0,
        "{result:#}"
    );
}

#[test]
fn a_dropped_command_is_found() {
    let (code, result) = play("drop-command");
    assert_eq!((code, commands(&result, "lost")), (BROKEN, 1), "{result:#}");
}

#[test]
fn a_doubled_command_is_found() {
    let (code, result) = play("double-command");
    assert_eq!((code, commands(&result, "duplicated")), (BROKEN, 1), "{result:#}");
}

#[test]
fn swapped_commands_are_found() {
    let (code, result) = play("swap-commands");
    assert_eq!((code, commands(&result, "reordered")), (BROKEN, 1), "{result:#}");
}

#[test]
fn a_doubled_holding_is_found() {
    let (code, result) = play("double-holding");
    assert_eq!(
        (code, &result["holdings"]["doubled"]),
        (BROKEN, &1.into()),
        "{result:#}"
    );
}
