//! What would otherwise be found wrong only when the run is over and its result is lost.

use std::fs::OpenOptions;
use std::path::Path;

use serde_json::Value;

use crate::args::Args;
use crate::bot::Record;
use crate::nodes::NodeUse;
use crate::oracle::Findings;
use crate::places::Servers;
use crate::report::{self, Outcome};
use crate::run_error::RunError;
use crate::tally::Tally;
use crate::threshold::Threshold;

/// Checks that the result can be written and that every threshold speaks of a number in it.
pub(crate) fn check(args: &Args) -> Result<(), RunError> {
    let example = example(args);
    for threshold in &args.thresholds {
        let general = Threshold {
            name: of_first_node(&threshold.name),
            ..threshold.clone()
        };
        if general.judge(&example).value.is_none() {
            let mut names = Vec::new();
            numbers("", &example, &mut names);
            return Err(RunError::NoSuchNumber {
                name: threshold.name.clone(),
                names: names.join(", "),
            });
        }
    }
    match &args.json {
        Some(path) => can_be_written(path).map_err(|error| RunError::Output {
            path: path.clone(),
            error,
        }),
        None => Ok(()),
    }
}

/// Leaves everything as it was.
fn can_be_written(path: &Path) -> std::io::Result<()> {
    let is_new = path.symlink_metadata().is_err();
    OpenOptions::new().append(true).create(true).open(path)?;
    if is_new {
        std::fs::remove_file(path)
    } else {
        Ok(())
    }
}

/// A result with every number that there can be, and one node.
pub(crate) fn example(args: &Args) -> Value {
    let mut findings = Findings::default();
    findings.holdings.gives_across_border.min_per_player = Some(0);
    report::measured(&Outcome {
        args,
        seconds: 1.0,
        interrupted: false,
        tally: &Tally::of_one(),
        records: &[Record::default()],
        servers: &Servers::new(),
        findings: Some(findings),
        uncounted: None,
        not_judged: None,
        silent_regions: Vec::new(),
        generator: crate::process::Usage::default(),
        nodes: vec![NodeUse {
            rss_third_bytes: Some(0),
            memory_flat: Some(true),
            ..NodeUse::default()
        }],
    })
}

/// How many nodes there will be is known only when they have answered; they all have the same numbers.
fn of_first_node(name: &str) -> String {
    let parts: Vec<&str> = name.splitn(3, '.').collect();
    match parts[..] {
        ["nodes", place, number] if place.parse::<usize>().is_ok() => format!("nodes.0.{number}"),
        _ => name.to_owned(),
    }
}

fn numbers(name: &str, value: &Value, names: &mut Vec<String>) {
    let path = |part: &str| {
        if name.is_empty() {
            part.to_owned()
        } else {
            format!("{name}.{part}")
        }
    };
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                numbers(&path(field), value, names);
            }
        }
        Value::Array(values) => {
            for (place, value) in values.iter().enumerate() {
                numbers(&path(&place.to_string()), value, names);
            }
        }
        Value::Number(_) | Value::Bool(_) => names.push(name.to_owned()),
        Value::Null | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn check_line(more: &str) -> Result<(), RunError> {
        let line = format!("loadtest --join j --players 2 {more}");
        check(&Args::try_parse_from(line.split_whitespace()).unwrap())
    }

    #[test]
    fn a_threshold_on_a_number_that_no_result_has_is_refused() {
        for name in [
            "ack_ms.p99",
            "commands.soft.lost",
            "crossing_gap_ms.p99",
            "holdings.gives_across_border.min_per_player",
            "continuity.stalls",
            "nodes.11.memory_flat",
            "generator.saturated",
        ] {
            check_line(&format!("--threshold {name}<=1")).unwrap();
        }
        for name in [
            "nosuch",
            "ack_ms",
            "ack_ms.p98",
            "behaviour",
            "nodes.0.size",
            "nodes",
        ] {
            let error = check_line(&format!("--threshold {name}<=1")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{name}");
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("`{name}` is no number")) && text.contains(", ack_ms.p999, "),
                "{text}"
            );
        }
    }

    fn names(value: &Value, into: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    into.insert(name.clone());
                    names(value, into);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| names(value, into)),
            _ => {}
        }
    }

    #[test]
    fn the_page_explains_every_figure() {
        let page = include_str!("../../docs/loadtest.md");
        let args = Args::try_parse_from(["loadtest", "--join", "j"]).unwrap();
        let mut result = example(&args);
        result["silent_regions"] = serde_json::json!(crate::pulse::Silences::example());
        let mut all = std::collections::BTreeSet::new();
        names(&result, &mut all);
        assert!(all.len() > 60, "{all:?}");
        for name in all {
            assert!(
                page.contains(&format!("`{name}`")),
                "docs/loadtest.md lacks `{name}`"
            );
        }
    }

    #[test]
    fn a_result_that_cannot_be_written_is_refused_and_nothing_is_touched() {
        let folder = std::env::temp_dir().join(format!("preflight-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let json = |name: &str| check_line(&format!("--json {}", folder.join(name).display()));
        json("new.json").unwrap();
        assert!(!folder.join("new.json").exists());
        std::fs::write(folder.join("old.json"), "{}").unwrap();
        json("old.json").unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("old.json")).unwrap(), "{}");
        for name in ["missing/new.json", "."] {
            let error = json(name).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().starts_with("cannot write "), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
