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
            mistakes.push(Mistake::new("edge.port", "must be at least 1024"));
        }
        if self.name.is_empty() {
            mistakes.push(Mistake::new("name", "is missing; give --name"));
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
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let flags = flags
        .iter()
        .map(|(name, key, value)| Flag {
            name,
            key,
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
        ("[edge]\nport = \"7000\"\n", ":2:8: ", "without quotes"),
        ("[edge]\nport = 10.7\n", ":2:8: ", "invalid type"),
        ("[edge]\nport = true\n", ":2:8: ", "invalid type"),
        ("[edge]\nport = 70000\n", ":2:8: ", "70000"),
        ("[edge]\nprot = 7000\n", ":2:1: ", "correct or remove the key"),
        ("[egde]\nport = 7000\n", ":1:2: ", "unknown field `egde`"),
        ("[edge\n", ":1:6: ", ""),
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
    ];
    let message = refusal(&case(None, &wrong, &[NAME]));
    assert_eq!(message.lines().count(), 2, "{message}");
    assert!(
        message.contains("REGIONMESH_EDGE__PROT: there is no setting `edge.prot`"),
        "{message}"
    );
    assert!(
        message.contains("REGIONMESH_EDGE__PORT: `edge.port` does not fit"),
        "{message}"
    );
    for value in ["10.7", "-1", "70000", ""] {
        let message = refusal(&case(None, &[("REGIONMESH_EDGE__PORT", value)], &[NAME]));
        assert!(message.contains("edge.port"), "{value}: {message}");
    }
}

#[test]
fn wrong_values_are_all_named_with_their_origin() {
    let message = refusal(&case(Some("[edge]\nport = 80\n"), &[], &[]));
    assert!(
        message.contains("node.toml:2: `edge.port` must be at least 1024"),
        "{message}"
    );
    assert!(message.contains("`name` is missing; give --name"), "{message}");
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
