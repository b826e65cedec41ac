//! A whole local cluster on a PostgreSQL database, which is restarted under it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;
use store::postgres::trial::TrialServer;
use support::{finish, program};

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server with an empty database, and its address.
fn database() -> (TrialServer, String) {
    let server = TrialServer::start(&[]).unwrap();
    server.say("postgres", "CREATE DATABASE world").unwrap();
    let address = server.address("world");
    (server, address)
}

#[test]
fn a_database_is_prepared_once_and_then_a_cluster_plays_on_it_and_no_other() {
    let (_server, address) = database();
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    let up = |data: &Path| {
        let arguments = [
            "up",
            "--data",
            path(data),
            "--store",
            &address,
            "--players",
            "20",
            "--for",
            "10s",
        ];
        finish(&arguments)
    };
    let (code, _, said) = up(&ours);
    assert_ne!(code, 0);
    assert!(said.contains("regionmesh store migrate"), "{said}");
    for words in ["prepared for a world", "as this program needs it"] {
        let (code, said, _) = finish(&["store", "migrate", "--store", &address]);
        assert_eq!(code, 0);
        assert!(said.contains(words), "{said}");
    }
    let (code, said, errors) = up(&ours);
    assert_eq!(code, 0, "{said}\n{errors}");
    let again = format!("up --data {} --store {address}\n", path(&ours));
    assert!(said.contains(&again) && said.contains("store migrate"), "{said}");
    let (code, said, _) = finish(&["store", "check", &address]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("20 of them guests") && said.contains("in use by nobody"),
        "{said}"
    );
    assert!(
        !ours.join("world.db").exists(),
        "nothing of the world is in a file"
    );
    let (code, _, said) = up(&theirs);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the store of another cluster"), "{said}");
}

#[test]
fn players_play_on_while_their_database_is_restarted() {
    let (server, address) = database();
    let (code, _, said) = finish(&["store", "migrate", "--store", &address]);
    assert_eq!(code, 0, "{said}");
    let folder = tempfile::tempdir().unwrap();
    let mut up = Command::new(program())
        .args(["up", "--data", path(folder.path()), "--store", &address])
        .args(["--players", "20", "--for", "15s"])
        .spawn()
        .unwrap();
    // Somebody has something by then: they play.
    while server
        .say(
            "world",
            "SELECT count(*) > 0 FROM regionmesh.holding WHERE user_id IS NOT NULL",
        )
        .unwrap()
        != ["t"]
    {
        assert!(up.try_wait().unwrap().is_none(), "the cluster has ended");
        thread::sleep(Duration::from_millis(100));
    }
    server.control("restart").unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(0));
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    let address = "postgres://ann:secret@127.0.0.1/world";
    for arguments in [
        vec!["store", "migrate", "--store", address],
        vec!["store", "check", address],
        vec!["up", "--store", address],
    ] {
        let (code, out, errors) = finish(&arguments);
        assert_eq!(code, 2, "{arguments:?}");
        assert!(errors.contains("passfile=FILE"), "{errors}");
        assert!(
            !out.contains("secret") && !errors.contains("secret"),
            "{out} {errors}"
        );
    }
}
