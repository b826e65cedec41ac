//! How processes end: told by one signal or by many at once, in the middle of a run, with a store that takes nothing, with
//! nobody who reads what they print.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Lines, Up, ask, errors_of, eventually, hears_of_hang_ups, program, runs, send, topology_file};

/// The same run of bots, for far longer than any test waits.
const LONG_RUN: [&str; 2] = ["--players=5", "--for=10m"];

fn up(folder: &Path, more: &[&str]) -> Up {
    let topology = topology_file(folder, |text| text);
    Up::start(&folder.join("d"), &[&["--topology", &topology], more].concat())
}

/// The exit code of what ends by itself.
fn code_of(mut child: Child) -> i32 {
    let mut code = None;
    eventually("it ends", support::PATIENCE, || {
        code = child.try_wait().unwrap();
        code.is_some()
    });
    code.unwrap().code().expect("not ended by a signal")
}

/// Bots on the cluster in this folder; their own output is of no interest.
fn swarm(folder: &Path, more: &[&str]) -> Command {
    let mut command = hears_of_hang_ups(&program());
    let join = folder.join("d/join.json");
    command.args(["loadtest", "--join", join.to_str().unwrap()]);
    command.args(more).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_node_that_ends_as_somebody_told_it_is_no_death() {
    let folder = tempfile::tempdir().unwrap();
    let up = up(folder.path(), &[]);
    let (_, admin) = up.child("proxy");
    assert!(ask(&admin, "POST /drain").contains(" 202 "));
    send(up.child("gameserver").0, Signal::SIGTERM);
    // All nodes are gone, so it has nothing left to do.
    let (code, out) = up.end();
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(
        out.matches("has drained and ended, as somebody told it").count(),
        2,
        "{out}"
    );
    assert_eq!(out.matches("start it by hand with: ").count(), 2, "{out}");
}

#[test]
fn a_signal_that_reaches_every_process_and_comes_twice_is_one_orderly_drain() {
    for (bots, expected) in [(&LONG_RUN[..1], 0), (&LONG_RUN[..], 130)] {
        let folder = tempfile::tempdir().unwrap();
        let up = up(folder.path(), bots);
        up.line("up 5,");
        let all = [up.children(), vec![up.pid()]].concat();
        assert_eq!(all.len(), 4);
        for _ in 0..2 {
            for pid in all.iter().filter(|pid| runs(**pid)) {
                send(*pid, Signal::SIGTERM);
            }
            std::thread::sleep(Duration::from_millis(86));
        }
        let (code, out) = up.end();
        let errors = errors_of(&folder.path().join("d"));
        assert_eq!(code, Some(expected), "{out}{errors}");
        assert_eq!(errors.matches("drained").count(), 2, "{errors}");
        assert!(!errors.contains("stopping at once"), "{errors}");
    }
}

#[test]
fn bots_that_are_interrupted_before_they_measured_blame_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for (when, signal) in [("", Signal::SIGTERM), ("coming", Signal::SIGINT)] {
        let up = up(folder.path(), &["--players=300", "--for=10m"]);
        if !when.is_empty() {
            // The first lines come while 300 bots still log in.
            up.line(&format!(" s {when}"));
        }
        send(up.pid(), signal);
        let (code, out) = up.end();
        assert_eq!(code, Some(130), "{when}: {out}");
        assert!(!out.contains("verdict"), "{when}: nothing was measured: {out}");
        assert!(out.contains("ended with exit code 130 ("), "{when}: {out}");
    }
}

#[test]
fn bots_that_are_interrupted_on_their_way_home_have_measured_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let _up = up(folder.path(), &[]);
    // All go to one cell, from all over the world.
    let more = ["--players=20", "--behaviour=crowd", "--for=10m"];
    let mut bots = swarm(folder.path(), &more);
    let bots = bots
        .args(["--warm-up=10m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut bots = bots.spawn().unwrap();
    let out = Lines::of(bots.stdout.take().unwrap());
    out.until(" s home");
    send(bots.id(), Signal::SIGHUP);
    let mut error = bots.stderr.take().unwrap();
    assert_eq!(code_of(bots), 130);
    let mut said = String::new();
    error.read_to_string(&mut said).unwrap();
    assert!(
        said.ends_with("of 20 bots were home: nothing was measured\n"),
        "{said}"
    );
}

#[test]
fn what_was_measured_is_reported_and_an_interrupted_report_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let _up = up(folder.path(), &[]);
    let json = folder.path().join("result.json");
    let json = json.to_str().unwrap();
    for (time, expected, interrupted) in [(&[][..], 0, false), (&["--for=10m"], 130, true)] {
        let more = [&["--players=3", "--json", json], time].concat();
        let mut bots = swarm(folder.path(), &more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = Lines::of(bots.stdout.take().unwrap());
        out.until(" s playing");
        send(bots.id(), Signal::SIGINT);
        let code = code_of(bots);
        let result: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        // 4: too busy a machine for the bots' own timing.
        assert!(
            code == expected || (!interrupted && code == 4),
            "{code}: {result:#}"
        );
        assert_eq!(result["interrupted"], interrupted, "{result:#}");
        assert!(result["commands"].is_object(), "it was counted: {result:#}");
    }
}

#[test]
fn players_whom_the_store_does_not_take_are_told_by_a_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let topology = topology_file(folder.path(), |text| text);
    let arguments = ["--topology", topology.as_str(), "--players=3"];
    let limit = ("REGIONMESH_NODE__DRAIN_TIMEOUT_MS", "3000");
    let up = Up::start_with(&data, &arguments, &[limit]);
    up.line("up 3,");
    // As a backup does that hangs.
    let lock = File::open(data.join("world.db.lock")).unwrap();
    lock.lock().unwrap();
    let (_, admin) = up.child("gameserver");
    eventually("somebody is not written down", support::PATIENCE, || {
        let answer = ask(&admin, "GET /status");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let status: Value = serde_json::from_str(body).unwrap();
        let unsaved = |region: &Value| region["unsaved"].as_u64().unwrap_or(0);
        status["regions"]
            .as_array()
            .unwrap()
            .iter()
            .map(unsaved)
            .sum::<u64>()
            == 3
    });
    send(up.child("loadtest").0, Signal::SIGKILL);
    let told = Instant::now();
    send(up.pid(), Signal::SIGTERM);
    let (code, out) = up.end();
    assert_eq!(code, Some(8), "{out}{}", errors_of(&data));
    let sentence = "error: 3 players could not be written down within 2000 ms, ";
    assert!(
        out.contains(sentence) && out.contains("is lost: the store "),
        "{out}"
    );
    assert!(told.elapsed() >= Duration::from_secs(2), "it gave up early");
}

/// Runs with standard output and error to where this redirection says.
fn redirected(arguments: &str, redirection: &str) -> Child {
    let script = format!("exec {} {arguments} {redirection}", program().display());
    Command::new("sh").args(["-c", &script]).spawn().unwrap()
}

#[test]
fn nobody_who_reads_and_no_room_to_write_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let topology = topology_file(folder.path(), |text| text);
    let data = folder.path().join("d").display().to_string();
    let up = format!("up --data {data} --topology {topology} --players=2 --for=1");
    let check = format!("topology check {topology}");
    let bad = "topology check /nonexistent".to_owned();
    let explain = "topology explain RM0028".to_owned();
    let alone = format!("loadtest --join {data}/join.json --players=2");
    for redirection in [">/dev/full 2>/dev/full", ">&- 2>&-"] {
        let full = i32::from(redirection.contains("full"));
        for (arguments, expected) in [
            (&up, [0, 4]),
            (&check, [full, full]),
            (&bad, [2, 2]),
            (&explain, [full, full]),
            // Its cluster has ended.
            (&alone, [3, 3]),
        ] {
            let code = code_of(redirected(arguments, redirection));
            assert!(expected.contains(&code), "{arguments} {redirection}: {code}");
        }
    }
    // A reader that has had enough, as `| head -0`.
    for arguments in [&check, &explain] {
        let (reader, gone) = std::io::pipe().unwrap();
        drop(reader);
        let words = arguments.split(' ');
        let mut tool = Command::new(program());
        let said = tool
            .args(words)
            .stdout(gone)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(
            (said.status.code(), said.stderr),
            (Some(0), Vec::new()),
            "{arguments}"
        );
    }
}

#[test]
fn a_result_for_standard_output_stands_there_alone_and_threads_with_little_to_do_sleep() {
    let folder = tempfile::tempdir().unwrap();
    let _up = up(folder.path(), &[]);
    let more = ["--players=8", "--threads=8", "--for=2s", "--json", "-"];
    let mut bots = swarm(folder.path(), &more);
    let said = bots
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    let said = said.output().unwrap();
    let result: Value = serde_json::from_slice(&said.stdout).unwrap();
    // No more threads than the machine runs at once.
    let threads = std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(8);
    assert_eq!(
        (&result["players"], &result["generator"]["threads"]),
        (&8.into(), &threads.into())
    );
    let wake_ups = result["generator"]["wake_ups_per_player_tick"].as_f64().unwrap();
    assert!(wake_ups < 4.0, "beats of two threads would be 5: {result:#}");
    assert!(String::from_utf8(said.stderr).unwrap().contains("verdict"));
    assert!(!folder.path().join("-").exists());
}
