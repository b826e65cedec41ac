//! The store's files under real processes: a log that is lost after a kill, a node on a copy, a backup of a running world.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use nix::sys::signal::Signal;
use regionmesh::ChildSpec;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use support::{PATIENCE, Up, eventually, finish, one, runs, send, start, topology_file};

/// What `/readyz` says: its code, and what is missing.
fn readyz(admin: SocketAddr) -> (String, String) {
    let asked = TcpStream::connect(admin).and_then(|mut stream| {
        stream.write_all(b"GET /readyz?verbose HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said)
    });
    let said = asked.unwrap_or_default();
    let code = said.split_whitespace().nth(1).unwrap_or_default().to_owned();
    (code, said)
}

/// Everybody at once, as a power cut does.
fn kill_all(up: Up) {
    let all = [vec![up.pid()], up.children()].concat();
    for pid in &all {
        send(*pid, Signal::SIGKILL);
    }
    drop(up);
    eventually("all are gone", PATIENCE, || !all.iter().any(|pid| runs(*pid)));
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_world_whose_log_was_lost_is_refused_until_somebody_insists() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let topology = topology_file(folder.path(), |text| text);
    let up = Up::start(&data, &["--topology", &topology]);
    kill_all(up);
    let (store, copy) = (data.join("world.db"), folder.path().join("copy.db"));
    std::fs::copy(&store, &copy).unwrap();
    // As it is, the world goes on.
    kill_all(Up::start(&data, &["--topology", &topology]));
    // The file of before, and none of what came after.
    std::fs::copy(&copy, &store).unwrap();
    std::fs::remove_file(data.join("world.db-wal")).unwrap();
    let again = [
        "up",
        "--data",
        path(&data),
        "--topology",
        &topology,
        "--players",
        "0",
        "--for",
        "1",
    ];
    let (code, out, error) = finish(&again);
    assert_eq!(code, 2, "{out}{error}");
    assert!(
        error.contains("older state of world") && error.contains("--accept-store"),
        "{error}"
    );
    let (code, out, error) = finish(&[&again[..], &["--accept-store"]].concat());
    assert_eq!(code, 0, "{out}{error}");
    let (code, out, error) = finish(&again);
    assert_eq!(code, 0, "insisting once is enough: {out}{error}");
}

#[test]
fn a_node_on_a_copy_of_the_store_is_refused_and_both_sides_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d");
    let mut cluster = start(one(&data));
    cluster.kill("edge-1").unwrap();
    let (store, copy) = (data.join("world.db"), data.join("copy.sqlite"));
    let (code, out, error) = finish(&["store", "backup", "--store", path(&store), "--to", path(&copy)]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("backup of world"), "{out}");
    let (code, out, error) = finish(&["store", "check", path(&store)]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("in use by nodes 1"), "{out}");
    // As somebody would start it by hand, with another file.
    let by_hand = cluster.by_hand("edge-1").unwrap();
    let words = by_hand.split_whitespace().skip(1);
    let stray = ChildSpec {
        name: "stray".to_owned(),
        arguments: words
            .map(|word| word.replace(path(&store), path(&copy)))
            .collect(),
        environment: Vec::new(),
    };
    let _stray = cluster.spawn(&stray).unwrap();
    for name in ["edge-1", "gs-a"] {
        let admin = cluster.addresses_of(name).unwrap().admin;
        eventually(name, PATIENCE, || {
            let (code, said) = readyz(admin);
            code == "503" && said.contains("on another store than this node")
        });
    }
}
