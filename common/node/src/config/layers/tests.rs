//! Which layer wins, what each refuses, and what the operator then reads.

use super::*;
use crate::config::Mistake;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Edge {
    port: u16,
    ratio: f64,
    password: String,
    exempt: Vec<String>,
    note: Option<String>,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            port: 7000,
            ratio: 0.5,
            password: String::new(),
            exempt: Vec::new(),
            note: None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    name: String,
    edge: Edge,
}

impl Settings for Sample {
    fn check(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.edge.port < 1024 {
            mistakes.push(Mistake::new("edge.port", "is below 1024", "write at least 1024"));
        }
        if self.name.is_empty() {
            mistakes.push(Mistake::new("name", "is missing", "give --name"));
        }
        mistakes
    }
}

struct Case {
    _folder: tempfile::TempDir,
    sources: Sources,
}

fn case(
    file: Option<&str>,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    let file = file.map(|text| std::fs::write(&path, text).map(|()| path).unwrap());
    let environment = environment
        .iter()
        .map(|(n, v)| ((*n).into(), (*v).into()))
        .collect();
    let flags = flags
        .iter()
        .map(|(name, key, value)| Flag {
            name,
            key: (*key).into(),
            value: (*value).to_owned(),
        })
        .collect();
    Case {
        _folder: folder,
        sources: Sources {
            file,
            environment,
            flags,
        },
    }
}

fn refusal(case: &Case) -> String {
    load::<Sample>(&case.sources).unwrap_err().to_string()
}

const NAME: (&str, &str, &str) = ("--name", "name", "n");

#[test]
fn each_layer_covers_the_one_below_and_the_origin_is_known() {
    let file = "name = 'from file'\n[edge]\nport = 7001\nratio = 1.5\n";
    let environment = [
        ("REGIONMESH_EDGE__PORT", "7002"),
        ("HOME", "/"),
        ("REGIONMESH_EDGE__EXEMPT", "[10.0.0.0/8, ::1]"),
    ];
    let all = case(Some(file), &environment, &[NAME]);
    let loaded = load::<Sample>(&all.sources).unwrap();
    assert_eq!(loaded.settings.name, "n");
    let edge = &loaded.settings.edge;
    assert_eq!((edge.port, edge.ratio, edge.exempt.len()), (7002, 1.5, 2));
    assert_eq!(loaded.origins["name"], Origin::Flag("--name".into()));
    assert_eq!(
        loaded.origins["edge.port"],
        Origin::Environment("REGIONMESH_EDGE__PORT".into())
    );
    assert_eq!(
        loaded.origins["edge.ratio"],
        Origin::File(all.sources.file.clone().unwrap(), 4)
    );
    assert_eq!(loaded.origins.get("edge.password"), None);
}

#[test]
fn a_file_is_strict_and_names_line_column_and_remedy() {
    for (text, place, says) in [
        ("[edge]\nport = \"7000\"\n", ":2:8\n", "without quotes"),
        ("[edge]\nport = 10.7\n", ":2:8\n", "invalid type"),
        ("[edge]\nport = true\n", ":2:8\n", "invalid type"),
        ("[edge]\nport = 70000\n", ":2:8\n", "70000"),
        ("[edge]\nprot = 7000\n", ":2:1\n", "did you mean `edge.port`?"),
        ("[egde]\nport = 7000\n", ":1:2\n", "there is no setting `egde`"),
        ("edge = 7000\n", ":1:1\n", "write [edge] on a line of its own"),
        ("[edge\n", ":1:6\n", "valid TOML"),
        ("[edge]\rport = 1\r", ":1:7\n", "line ends LF or CRLF"),
    ] {
        let message = refusal(&case(Some(text), &[], &[NAME]));
        assert!(
            message.contains(place) && message.contains(says),
            "{text}: {message}"
        );
    }
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let sources = Sources {
        file: Some("/nonexistent/node.toml".into()),
        ..Sources::default()
    };
    let message = load::<Sample>(&sources).unwrap_err().to_string();
    assert!(
        message.contains("/nonexistent/node.toml") && message.contains("--config"),
        "{message}"
    );
}

#[test]
fn the_environment_is_refused_with_all_its_mistakes_at_once() {
    let wrong = [
        ("REGIONMESH_EDGE__PROT", "1"),
        ("REGIONMESH_EDGE__PORT", "70x"),
        ("REGIONMESH_EDGE__RATIO", "1.25"),
        ("REGIONMESH_NAM", "x"),
    ];
    let message = refusal(&case(None, &wrong, &[NAME]));
    assert_eq!(
        message,
        "3 mistakes in the configuration

error: `edge.port` does not fit: invalid type: string \"70x\", expected an integer for key `edge.port`
--> environment variable REGIONMESH_EDGE__PORT
 = help: write a value of the setting's type, or leave it out

error: there is no setting `edge.prot`
--> environment variable REGIONMESH_EDGE__PROT
 = help: did you mean `edge.port`?

error: there is no setting `nam`
--> environment variable REGIONMESH_NAM
 = help: did you mean `name`?"
    );
    for value in ["10.7", "-1", "70000", ""] {
        let message = refusal(&case(None, &[("REGIONMESH_EDGE__PORT", value)], &[NAME]));
        assert!(message.contains("edge.port"), "{value}: {message}");
    }
}

#[test]
fn wrong_values_are_all_named_with_their_origin() {
    let message = refusal(&case(Some("[edge]\nport = 80\n"), &[], &[]));
    assert!(message.starts_with("2 mistakes in the configuration\n\nerror: `edge.port` is below 1024\n"));
    assert!(message.contains("node.toml:2:1\n"), "{message}");
    assert!(message.contains("2 | port = 80\n  | ^^^^\n"), "{message}");
    assert!(
        message.ends_with("error: `name` is missing\n |\n = help: give --name"),
        "{message}"
    );
}

#[test]
fn mistakes_of_all_layers_are_told_at_once_and_none_of_them_twice() {
    let file = "nmae = 'x'\n[edge]\nport = '1'\nratio = 'half'\n[egde]\na = 1\nb = 2\n";
    let environment = [("REGIONMESH_EDGE__EXEMPTED", "1"), ("REGIONMESH_NAME", "")];
    let message = refusal(&case(Some(file), &environment, &[("--port", "edge.port", "1.5")]));
    assert!(
        message.starts_with("7 mistakes in the configuration\n"),
        "{message}"
    );
    for place in [
        "toml:1:1\n",
        "toml:3:8\n",
        "toml:4:9\n",
        "toml:5:2\n",
        "REGIONMESH_EDGE__EXEMPTED",
        " --port\n",
    ] {
        assert_eq!(message.matches(place).count(), 1, "{place}: {message}");
    }
    assert!(
        message.contains("error: `name` is missing\n--> environment variable REGIONMESH_NAME\n"),
        "{message}"
    );
    assert_eq!(message.matches("= help: ").count(), 7, "{message}");
}

#[test]
fn a_file_that_cannot_be_read_hides_no_mistake_above_it_and_accuses_nobody_of_what_it_may_hold() {
    for file in ["[edge\n", "\0"] {
        let message = refusal(&case(Some(file), &[("REGIONMESH_EDGE__PORT", "x")], &[]));
        assert!(message.contains("REGIONMESH_EDGE__PORT"), "{message}");
        assert!(!message.contains("`name` is missing"), "{message}");
    }
}

#[test]
fn what_is_of_another_role_is_passed_over_and_printed() {
    let file = "[game]\ncreatures = 'all'\n[clients]\nsessions_max = 5\nsesions = 5\n";
    let environment = [
        ("REGIONMESH_AUTH__GUESTS", "refused"),
        ("REGIONMESH_LIMITS__PLAYERSMAX", "1"),
    ];
    let message = refusal(&case(Some(file), &environment, &[NAME]));
    assert!(
        message.starts_with("2 mistakes in the configuration\n"),
        "{message}"
    );
    assert!(
        message.contains("there is no setting `clients.sesions`"),
        "{message}"
    );
    assert!(
        message.contains("there is no setting `limits.playersmax`"),
        "{message}"
    );
    let good = case(Some("[game]\ncreatures = 'all'\n"), &environment[..1], &[NAME]);
    let text = crate::config::print(&load::<Sample>(&good.sources).unwrap());
    for line in [
        "# passed over: auth.guests of a proxy  # environment variable REGIONMESH_AUTH__GUESTS",
        "node.toml:2",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(
        text.contains("# passed over: game.creatures of a game server  # "),
        "{text}"
    );
}

#[test]
fn a_report_shows_no_line_that_may_hold_a_secret() {
    for file in [
        "[edge]\npassword = 5 # hunter2\n",
        "[edge]\npassword = 'hunter2\n",
    ] {
        let message = refusal(&case(Some(file), &[], &[NAME]));
        assert!(message.contains("node.toml:2:"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_are_ours_and_passed_over_elsewhere() {
    use std::os::unix::ffi::OsStringExt as _;
    let raw = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let mut all = case(None, &[], &[NAME]);
    all.sources.environment = vec![
        (raw(b"LC_NAME"), raw(b"\xff")),
        (raw(b"REGIONMESH_\xff"), raw(b"1")),
    ];
    assert!(load::<Sample>(&all.sources).is_ok());
    all.sources
        .environment
        .push((raw(b"REGIONMESH_NAME"), raw(b"\xff")));
    let message = refusal(&all);
    assert!(
        message.contains("the value of `name` is not UTF-8\n--> environment variable REGIONMESH_NAME"),
        "{message}"
    );
}

#[test]
fn a_file_is_read_no_further_than_a_configuration_can_go() {
    let sources = Sources {
        file: Some("/dev/zero".into()),
        ..Sources::default()
    };
    let message = load::<Sample>(&sources).unwrap_err().to_string();
    assert!(
        message.contains("it has more than 262144 bytes") && message.contains("/dev/zero"),
        "{message}"
    );
}

#[test]
fn printing_shows_every_value_with_its_origin_and_no_secret() {
    let all = case(
        Some("[edge]\npassword = 'hunter2'\n"),
        &[("REGIONMESH_EDGE__PORT", "7002")],
        &[NAME],
    );
    let text = crate::config::print(&load::<Sample>(&all.sources).unwrap());
    assert!(!text.contains("hunter2"), "{text}");
    for line in [
        "name = \"n\"  # --name",
        "edge.port = 7002  # environment variable REGIONMESH_EDGE__PORT",
        "edge.ratio = 0.5  # default",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(
        text.contains("edge.password = \"***\"  # ") && text.contains("node.toml:2"),
        "{text}"
    );
    assert!(text.contains("edge.note is unset  # default"), "{text}");
}

#[test]
fn strictness_of_a_settings_struct_can_be_tested() {
    #[derive(Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Loose {
        port: u16,
    }
    impl Settings for Loose {}
    crate::config::assert_strict::<Sample>();
    assert!(std::panic::catch_unwind(crate::config::assert_strict::<Loose>).is_err());
}
