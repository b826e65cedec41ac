//! What an operator can get wrong: each mistake ends with code 2, before any process has started, and with one clear
//! sentence that says what to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use support::{Up, finish, topology_file};

/// Runs `up` in `data`, which must refuse; what it said.
fn refused(data: &Path, arguments: &[&str]) -> String {
    let all = [
        &[
            "up",
            "--players",
            "0",
            "--for",
            "1",
            "--data",
            data.to_str().unwrap(),
        ],
        arguments,
    ]
    .concat();
    let (code, out, error) = finish(&all);
    assert_eq!(code, 2, "{out}{error}");
    assert!(!out.contains("ready"), "{out}");
    error
}

/// A directory in which a cluster has run.
fn used(folder: &Path) -> (std::path::PathBuf, String) {
    let data = folder.join("d");
    let topology = topology_file(folder, |text| text);
    let up = Up::start(&data, &["--topology", &topology, "--for", "1"]);
    assert_eq!(up.end().0, Some(0));
    (data, topology)
}

#[test]
fn a_malformed_topology_is_reported_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let topology = topology_file(folder.path(), |text| {
        text.replace("tick_hz = 20", "tick_hz = \"20\"")
    });
    let line = 1 + support::ONE
        .lines()
        .position(|line| line == "tick_hz = 20")
        .unwrap();
    for arguments in [
        &["topology", "check", &topology][..],
        &["up", "--topology", &topology],
    ] {
        let data = folder.path().join("d");
        let more = if arguments[0] == "up" {
            vec!["--data", data.to_str().unwrap()]
        } else {
            Vec::new()
        };
        let (code, _, error) = finish(&[arguments, &more].concat());
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(&format!("{topology}:{line}:")), "{error}");
        assert!(error.contains("help: "), "{error}");
        assert!(
            !data.exists(),
            "nothing is made for a topology that cannot be used"
        );
    }
    let code = finish(&["topology", "check", &topology]).2;
    let code = code.split(['[', ']']).nth(1).unwrap();
    let (exit, text, _) = finish(&["topology", "explain", code]);
    assert!(exit == 0 && text.len() > 40, "{code}: {text}");
    assert_eq!(finish(&["topology", "explain", "RM9999"]).0, 2);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&folder.path().join("d"), &["--topology", "/nonexistent/t.toml"]);
    assert!(
        error.contains("cannot read the topology file /nonexistent/t.toml"),
        "{error}"
    );
}

#[test]
fn a_topology_without_an_end_is_read_no_further_than_a_topology_can_go() {
    let folder = tempfile::tempdir().unwrap();
    let endless = refused(&folder.path().join("d"), &["--topology", "/dev/zero"]);
    let (code, _, checked) = finish(&["topology", "check", "/dev/zero"]);
    assert_eq!(code, 2);
    for error in [endless, checked] {
        assert!(
            error.contains("cannot read the topology file /dev/zero: it has more than 131072 bytes"),
            "{error}"
        );
    }
}

#[test]
fn names_of_files_cannot_act_on_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let evil = "a\u{1b}[2J\u{1b}]0;owned\u{7}\nerror: b\u{202e}.toml";
    let topology = folder.path().join(evil);
    let name = topology.to_str().unwrap().to_owned();
    let data = folder.path().join("d");
    let data = data.to_str().unwrap();
    let config = ["proxy", "--name=n", "--data=/x", "--config", &name];
    let up = ["up", "--players=0", "--data", data, "--topology", &name];
    let join = ["loadtest", "--players=1", "--join", &name];
    let all: [&[&str]; 4] = [&["topology", "check", &name], &up, &config, &join];
    for text in [
        None,
        Some("x = 1\n"),
        Some("\u{1b}[2J = \"\u{9b}2J\"\n[node]\n\"\u{1b}[2J\" = 1\n"),
    ] {
        if let Some(text) = text {
            std::fs::write(&topology, text).unwrap();
        }
        for arguments in all {
            let (code, out, error) = finish(arguments);
            assert_eq!((code, out.as_str()), (2, ""), "{arguments:?} {error}");
            let acts = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
            assert!(!error.contains(acts), "{arguments:?} {error:?}");
            assert!(
                !error.contains("\nerror: b"),
                "a name begins no line of its own: {error}"
            );
        }
    }
    let (code, _, error) = finish(&["up", "--players=0", "--for=1", "--data", "/dev/null/\u{1b}[2J"]);
    assert!(code == 2 && !error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn a_path_that_is_no_text_is_refused_before_anything_is_made() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff"));
    for (command, flag) in [("up", "--data"), ("proxy", "--data"), ("gameserver", "--store")] {
        let output = std::process::Command::new(support::program())
            .args([command, flag])
            .arg(&data)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(flag) && error.contains("not UTF-8"), "{error}");
    }
    assert!(!data.exists());
}

#[test]
fn a_system_error_is_said_once_and_more_bots_than_a_swarm_has_start_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = refused(&file, &[]);
    assert_eq!(error.matches("os error").count(), 1, "{error}");
    let data = folder.path().join("d");
    let data_text = data.to_str().unwrap();
    let (code, _, error) = finish(&["up", "--players", "99999", "--data", data_text]);
    assert!(code == 2 && error.contains("20000"), "{code} {error}");
    assert!(!data.exists());
}

#[test]
fn a_busy_port_is_one_sentence_about_node_and_address() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let topology = topology_file(folder.path(), |text| {
        text.replacen("tcp = \"127.0.0.1:0\"", &format!("tcp = \"{address}\""), 1)
    });
    let error = refused(&folder.path().join("d"), &["--topology", &topology]);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        error.contains(&format!("cannot listen on {address} (tcp)")),
        "{error}"
    );
}

#[test]
fn keys_that_others_can_read_are_refused_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (data, topology) = used(folder.path());
    let node = std::fs::read_dir(data.join("nodes"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let certificate = node
        .map(|path| path.join("node.cert"))
        .find(|path| path.exists())
        .unwrap();
    for key in [data.join("authority.key"), certificate] {
        let before = std::fs::read(&key).unwrap();
        let mode = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let error = refused(&data, &["--topology", &topology]);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            error.contains(&format!("chmod 600 {}", key.canonicalize().unwrap().display())),
            "{error}"
        );
        assert_eq!(std::fs::read(&key).unwrap(), before);
        mode(0o600);
    }
}

#[test]
fn an_unreadable_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, topology) = used(folder.path());
    // A directory cannot be read as a file, whoever asks; permissions do not stop the superuser.
    std::fs::remove_file(data.join("authority.key")).unwrap();
    std::fs::create_dir(data.join("authority.key")).unwrap();
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(data.join("authority.key"), private).unwrap();
    let error = refused(&data, &["--topology", &topology]);
    assert!(
        error.contains("cannot read") && error.contains("authority.key"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn directories_of_others_are_refused_even_with_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("thesis.txt"), "years of work").unwrap();
    for arguments in [&["--fresh"][..], &[]] {
        let error = refused(&home, arguments);
        assert!(
            error.contains("is not the data directory of a local cluster"),
            "{error}"
        );
    }
    assert_eq!(
        std::fs::read_to_string(home.join("thesis.txt")).unwrap(),
        "years of work"
    );
}

#[test]
fn the_node_directory_of_another_cluster_is_refused() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, topology) = used(ours.path());
    let (other, _) = used(theirs.path());
    let name = std::fs::read_dir(data.join("nodes"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .find(|name| data.join("nodes").join(name).join("node.cert").exists())
        .unwrap();
    let (mine, foreign) = (data.join("nodes").join(&name), other.join("nodes").join(&name));
    std::fs::copy(foreign.join("cluster.json"), mine.join("cluster.json")).unwrap();
    let error = refused(&data, &["--topology", &topology]);
    assert!(
        error.contains("is the data directory of another cluster"),
        "{error}"
    );
    // A node that is started by hand refuses the mixture too.
    let mine = mine.to_str().unwrap();
    let store = data.join("world.db");
    let arguments = [
        "--name",
        name.to_str().unwrap(),
        "--data",
        mine,
        "--store",
        store.to_str().unwrap(),
    ];
    let role = if name.to_str().unwrap().starts_with("gs") {
        "gameserver"
    } else {
        "proxy"
    };
    let (code, _, error) = finish(&[&[role][..], &arguments].concat());
    assert_eq!(code, 2, "{error}");
    assert!(
        error.contains("is the data directory of another cluster"),
        "{error}"
    );
}

#[test]
fn another_world_in_the_same_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, _) = used(folder.path());
    let topology = topology_file(folder.path(), |text| {
        text.replace("cell_size = 32", "cell_size = 16")
    });
    let error = refused(&data, &["--topology", &topology]);
    assert!(
        error.contains("with other regions") && error.contains("--fresh"),
        "{error}"
    );
}
