//! `regionmesh up` from its first line to its last child's end, however it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use nix::sys::signal::Signal;
use std::path::Path;
use std::time::Duration;
use support::{Up, errors_of, eventually, finish, runs, send, topology_file};

fn one(folder: &Path) -> String {
    topology_file(folder, |text| text)
}

#[test]
fn a_signal_drains_every_node_leaves_no_process_and_says_what_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let up = Up::start(&data, &["--topology", &one(folder.path())]);
        assert!(up.ready.trim_end().ends_with("d/join.json"), "{}", up.ready);
        let children = up.children();
        assert_eq!(children.len(), 2, "one game server, one proxy");
        assert!(children.iter().all(|pid| runs(*pid)));
        send(up.pid(), signal);
        let (code, out) = up.end();
        let errors = errors_of(&data);
        assert_eq!(code, Some(0), "{errors}");
        assert!(!children.iter().any(|pid| runs(*pid)));
        assert_eq!(errors.matches("drained").count(), 2, "{errors}");
        for hint in [
            "to load it: ",
            "to look at it: gs-",
            "to stop it: ",
            "ended with exit code 0",
            "to go on where it was: ",
        ] {
            assert!(out.contains(hint), "{hint}: {out}");
        }
        let (_, fresh) = out.split_once("to begin anew: ").unwrap();
        let script = fresh.trim().replace(" --fresh", " --help");
        let told = std::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .output();
        assert!(told.unwrap().status.success(), "a shell takes it: {fresh}");
    }
}

#[test]
fn children_end_within_two_seconds_when_their_parent_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(
        &folder.path().join("d"),
        &["--topology", &one(folder.path()), "--players=2"],
    );
    let mut children = Vec::new();
    eventually("the swarm is started too", support::PATIENCE, || {
        children = up.children();
        children.len() == 3
    });
    send(up.pid(), Signal::SIGKILL);
    eventually(
        "children of a killed parent end",
        Duration::from_millis(2_500),
        || !children.iter().any(|pid| runs(*pid)),
    );
    // The directory is free again as soon as they are gone.
    let again = Up::start(&folder.path().join("d"), &["--topology", &one(folder.path())]);
    send(again.pid(), Signal::SIGTERM);
    assert_eq!(again.end().0, Some(0));
}

#[test]
fn bots_play_and_their_verdict_is_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let up = Up::start(
        &data,
        &["--topology", &one(folder.path()), "--players=5", "--for", "3"],
    );
    let (code, out) = up.end();
    assert!(out.contains("5 of 5 bots are home"), "{out}");
    let ended = format!("swarm ended with exit code {}", code.unwrap());
    assert!(
        out.contains(&ended) && code == Some(0),
        "{code:?} {out}{}",
        errors_of(&data)
    );
}

#[test]
fn a_dead_node_is_told_and_not_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(
        &folder.path().join("d"),
        &["--topology", &one(folder.path()), "--for", "3"],
    );
    let children = up.children();
    send(children[0], Signal::SIGKILL);
    eventually("the killed node is gone", support::PATIENCE, || {
        !runs(children[0])
    });
    let (code, out) = up.end();
    assert_eq!(code, Some(1));
    assert!(out.contains("was ended by signal 9"), "{out}");
    let command_line = out
        .lines()
        .find_map(|line| line.split_once("is not started again; start it by hand with: "))
        .unwrap_or_else(|| panic!("{out}"))
        .1;
    assert!(!runs(children[1]));
    let told = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("{command_line} --print-config")])
        .output()
        .unwrap();
    assert!(
        told.status.success(),
        "a shell takes it: {command_line}\n{told:?}"
    );
}

#[test]
fn a_directory_goes_on_where_it_was_and_fresh_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (data, topology) = (folder.path().join("d"), one(folder.path()));
    let run = |more: &[&str]| {
        let arguments = [&["--topology", topology.as_str(), "--for", "1"], more].concat();
        let up = Up::start(&data, &arguments);
        let ready = up.ready.clone();
        assert_eq!(up.end().0, Some(0), "{}", errors_of(&data));
        (ready, std::fs::read_to_string(data.join("cluster.json")).unwrap())
    };
    let first = run(&[]);
    std::fs::write(data.join("nodes/keepsake"), "x").unwrap();
    let second = run(&[]);
    assert_eq!(
        first, second,
        "the same keys, and the same ports as nobody took them"
    );
    let bundle_version = |text: &str| -> u64 {
        let state: serde_json::Value = serde_json::from_str(text).unwrap();
        state["topology_version"].as_u64().unwrap()
    };
    let state = std::fs::read_to_string(data.join("authority.json")).unwrap();
    assert_eq!(
        bundle_version(&state),
        2,
        "papers are renewed under a higher version"
    );
    let third = run(&["--fresh"]);
    assert_ne!(first.1, third.1, "a new cluster has a new id and new keys");
    assert!(!data.join("nodes/keepsake").exists());
}

#[test]
fn two_clusters_do_not_share_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let (data, topology) = (folder.path().join("d"), one(folder.path()));
    let _first = Up::start(&data, &["--topology", &topology]);
    let path = data.to_str().unwrap();
    for more in [&["--fresh"][..], &[]] {
        let arguments = [
            &["up", "--players", "0", "--data", path, "--topology", &topology],
            more,
        ]
        .concat();
        let (code, _, error) = finish(&arguments);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains("a cluster is running in"), "{error}");
    }
}
