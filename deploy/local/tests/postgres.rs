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
fn a_world_is_backed_up_under_its_players_and_restored_twice() {
    let (_server, address) = database();
    let folder = tempfile::tempdir().unwrap();
    let [data, copy, bad] = ["data", "copy", "bad"].map(|name| folder.path().join(name));
    let line = |words: &[&str]| {
        let (code, said, errors) = finish(words);
        (code, format!("{said}{errors}"))
    };
    assert_eq!(line(&["store", "migrate", "--store", &address]).0, 0);
    let mut up = Command::new(program())
        .args(["up", "--data", path(&data), "--store", &address])
        .args(["--players", "20", "--for", "12s"])
        .spawn()
        .unwrap();
    // In the middle of the run.
    loop {
        assert!(up.try_wait().unwrap().is_none(), "the cluster has ended");
        let (code, said) = line(&["store", "check", &address]);
        if code == 0 && said.contains("20 players") {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let (code, said) = line(&["store", "backup", "--store", &address, "--to", path(&copy)]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("20 players"), "{said}");
    let restore = ["store", "restore", path(&copy), "--store", &address];
    let (code, said) = line(&restore);
    assert!(code == 2 && said.contains("end them first"), "{said}");
    assert_eq!(up.wait().unwrap().code(), Some(0));
    let (code, said) = line(&["store", "check", path(&copy)]);
    assert!(code == 0 && said.contains("20 players"), "{said}");
    std::fs::write(&bad, &std::fs::read(&copy).unwrap()[..2_000]).unwrap();
    assert_eq!(line(&["store", "check", path(&bad)]).0, 1);
    assert_eq!(line(&["store", "restore", path(&bad), "--store", &address]).0, 1);
    for generation in ["generation 2", "generation 3"] {
        let (code, said) = line(&restore);
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains(generation) && said.contains("DROP SCHEMA"),
            "{said}"
        );
        let again = [
            "up",
            "--data",
            path(&data),
            "--store",
            &address,
            "--players",
            "20",
            "--for",
            "5s",
        ];
        let (code, said) = line(&again);
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn a_node_gets_a_login_with_its_papers_and_loses_it_with_them() {
    let (server, address) = database();
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority");
    let topology = folder.path().join("t.toml");
    std::fs::write(&topology, include_str!("../../topologies/one.toml")).unwrap();
    let line = |words: &[&str]| {
        let (code, said, errors) = finish(words);
        (code, format!("{said}{errors}"))
    };
    let done = |words: &[&str], expected: &str| {
        let (code, said) = line(words);
        assert!(code == 0 && said.contains(expected), "{words:?} {code} {said}");
    };
    let at = ["--authority", path(&authority)];
    let grant = |name| {
        let words = [
            "store",
            "grant",
            name,
            "--store",
            &address,
            "--topology",
            path(&topology),
        ];
        [&words[..], &at[..]].concat()
    };
    done(&[&["authority", "init"], &at[..]].concat(), "authority");
    let (code, said) = line(&grant("gs-a"));
    assert!(code == 2 && said.contains("node issue"), "{said}");
    done(
        &[&["node", "issue", "gs-a", "--role", "gameserver"], &at[..]].concat(),
        "gs-a",
    );
    let (code, said) = line(&grant("gs-a"));
    assert!(code != 0 && said.contains("store init"), "{said}");
    done(
        &["store", "init", "--store", &address],
        "roles, tables and functions",
    );
    done(&grant("gs-a"), "store.pgpass");
    let file = std::fs::read_to_string(authority.join("nodes/gs-a/store.pgpass")).unwrap();
    let password = file.trim().rsplit(':').next().unwrap();
    assert!(
        file.starts_with("*:*:*:regionmesh-gs-a:") && password.len() >= 32,
        "{file}"
    );
    let logins = "SELECT string_agg(name || ' ' || node || ' ' || kind, ',') FROM regionmesh.login";
    assert_eq!(
        server.say("world", logins).unwrap(),
        ["regionmesh-gs-a 1 gameserver"]
    );
    let revoke = ["node", "revoke", "gs-a", "--store", &address];
    done(&[&revoke[..], &at[..]].concat(), "login regionmesh-gs-a is gone");
    let left = "SELECT count(*) FROM pg_roles WHERE rolname = 'regionmesh-gs-a'";
    assert_eq!(server.say("world", left).unwrap(), ["0"]);
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
