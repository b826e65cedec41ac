//! A whole local cluster on a PostgreSQL database, which is restarted under it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
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

/// Those who left two hours ago are forgotten, and what they had lies on the ground.
fn is_pruned(server: &TrialServer, address: &str) {
    let topology = concat!(env!("CARGO_MANIFEST_DIR"), "/../topologies/two-by-two.toml");
    let prune = ["store", "prune", "--store", address, "--topology", topology];
    let (code, said, errors) = finish(&prune);
    assert_eq!(code, 0, "{said}{errors}");
    assert!(
        said.starts_with("0 guests forgotten"),
        "a ticket may bring them back: {said}"
    );
    let sum = "SELECT count(*) || ' with ' || count(user_id) || ' held' FROM regionmesh.holding";
    let before = server.say("world", sum).unwrap().concat();
    assert!(!before.ends_with(" 0 held"), "{before}");
    let age = "UPDATE regionmesh.player SET written_ms = written_ms - 7200000; UPDATE regionmesh.session SET raised_ms = raised_ms - 7200000";
    server.say("world", age).unwrap();
    let (code, said, errors) = finish(&prune);
    assert_eq!(code, 0, "{said}{errors}");
    assert!(said.starts_with("20 guests forgotten"), "{said}");
    let after = server.say("world", sum).unwrap().concat();
    let all = before.split(" with ").next().unwrap();
    assert_eq!(after, format!("{all} with 0 held"));
    let (code, said, _) = finish(&["store", "check", address]);
    assert!(code == 0 && said.contains("; 0 players"), "{said}");
}

#[test]
fn a_database_is_prepared_once_and_then_a_cluster_plays_on_it_and_no_other() {
    let (server, address) = database();
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
    is_pruned(&server, &address);
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

/// An authority with papers for the cluster on three hosts, in a folder of its own.
struct Desk {
    authority: PathBuf,
    _folder: tempfile::TempDir,
}

const THREE_HOSTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../three-hosts/topology.toml");

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let desk = Self {
            authority: folder.path().join("authority"),
            _folder: folder,
        };
        desk.does(&["authority", "init"], "authority", 0);
        let servers = ["gs-a", "gs-b", "gs-c", "gs-d", "gs-e", "gs-f"];
        let proxies = ["edge-1", "edge-2", "edge-3"];
        for (role, names) in [("gameserver", &servers[..]), ("proxy", &proxies)] {
            let issue = [&["node", "issue", "--role", role], names].concat();
            desk.does(&issue, names[0], 0);
        }
        desk
    }

    /// Gives a command, which says this and ends with that.
    fn does(&self, words: &[&str], expected: &str, code: i32) {
        let words = [words, &["--authority", path(&self.authority)]].concat();
        let (ended, said, errors) = finish(&words);
        let said = said + &errors;
        assert!(
            ended == code && said.contains(expected),
            "{words:?} {ended} {said}"
        );
    }
}

#[test]
fn a_database_is_told_who_may_have_which_region_by_what_was_signed() {
    let (server, address) = database();
    let desk = Desk::new();
    let told = || {
        let told = "SELECT string_agg(DISTINCT version || ' for ' || region || ' ' || node, ', ') FROM regionmesh.region_candidate WHERE region = 1";
        server.say("world", told).unwrap().concat()
    };
    assert_eq!(finish(&["store", "init", "--store", &address]).0, 0);
    let tell = ["store", "topology", "--store", &address];
    desk.does(&tell, "topology sign FILE", 2);
    let grant = [
        "store",
        "grant",
        "gs-a",
        "--store",
        &address,
        "--topology",
        THREE_HOSTS,
    ];
    desk.does(&grant, "regionmesh store topology --store", 0);
    let (code, _, said) = finish(&["store", "check", &address]);
    assert!(code == 1 && said.contains("regionmesh store topology"), "{said}");
    let sign = ["topology", "sign", THREE_HOSTS];
    desk.does(&sign, "regionmesh store topology --store", 0);
    desk.does(&grant, "by topology version 1", 0);
    assert_eq!(told(), "1 for 1 1");
    assert_eq!(finish(&["store", "check", &address]).0, 0);
    let sign_for = |store| [&sign[..], &["--store", store]].concat();
    desk.does(&sign_for(&address), "by topology version 2", 0);
    assert_eq!(told(), "2 for 1 1");
    let operator = "CREATE ROLE op LOGIN IN ROLE regionmesh_operator";
    server.say("postgres", operator).unwrap();
    let as_operator = address.replace("postgres@", "op@");
    let tell_as_operator = ["store", "topology", "--store", &as_operator];
    desk.does(&tell_as_operator, "by topology version 2", 0);
    let newer = "UPDATE regionmesh.region_candidate SET version = 9";
    server.say("world", newer).unwrap();
    desk.does(&tell, "it was told of topology version 9, and this is 2", 2);
    let pgpass = desk.authority.join("nodes/gs-a/store.pgpass");
    let before = std::fs::read_to_string(&pgpass).unwrap();
    // The password is another one all the same: where it is has to be said.
    desk.does(&grant, "was told of topology version 9, and this is 2", 2);
    desk.does(&grant, &format!("{}: password of", pgpass.display()), 2);
    assert_ne!(std::fs::read_to_string(&pgpass).unwrap(), before);
    desk.does(&sign_for(&address), ": topology version 3, until", 2);
    let away = "postgres://postgres@127.0.0.1:1/world";
    desk.does(&sign_for(away), "go on with regionmesh store topology", 3);
}
