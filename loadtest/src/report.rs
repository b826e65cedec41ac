//! The result: one JSON document of schema `regionmesh.loadtest/1`, and the same as a table to read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Args, Faults};
use crate::bot::Record;
use crate::nodes::NodeUse;
use crate::oracle::Findings;
use crate::places::Servers;
use crate::process::Usage;
use crate::tally::Tally;
use crate::threshold::{Judged, Threshold};

/// Name and version of the document's format.
pub const SCHEMA: &str = "regionmesh.loadtest/1";
/// Inputs may leave so late at most (p99) before the generator counts as saturated, milliseconds.
const LATE_MS_MAX: f64 = 20.0;
/// And so few of the inputs that should have left, as a part.
const INPUTS_MIN: f64 = 0.95;
/// Shorter runs say nothing about memory, seconds.
const MEMORY_RUN_S_MIN: f64 = 30.0;

/// What the run means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything holds.
    Ok,
    /// A threshold or the oracle is broken.
    Failed,
    /// The generator could not keep up: the numbers say nothing about the cluster.
    Invalid,
}

impl Verdict {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 99,
            Self::Invalid => 4,
        }
    }
}

/// Everything a report is made of.
pub(crate) struct Outcome<'a> {
    pub(crate) args: &'a Args,
    pub(crate) seconds: f64,
    pub(crate) tally: &'a Tally,
    pub(crate) records: &'a [Record],
    pub(crate) servers: &'a Servers,
    /// `None`: nothing could be observed, so nothing was judged.
    pub(crate) findings: Option<Findings>,
    /// Why the cluster could not be counted, though it may be observed.
    pub(crate) uncounted: Option<String>,
    pub(crate) generator: Usage,
    pub(crate) nodes: Vec<NodeUse>,
}

/// The document, and what it means.
pub(crate) struct Report {
    pub(crate) json: Value,
    pub(crate) verdict: Verdict,
    judged: Vec<Judged>,
}

impl Report {
    pub(crate) fn new(outcome: &Outcome<'_>) -> Self {
        let mut json = measured(outcome);
        let saturated = json["generator"]["saturated"] == Value::Bool(true);
        let mut judged: Vec<Judged> = Vec::new();
        let built_in = built_in(outcome);
        for threshold in built_in.iter().chain(&outcome.args.thresholds) {
            judged.push(threshold.judge(&json));
        }
        let broken = judged.iter().any(|judged| !judged.ok) || outcome.uncounted.is_some();
        let oracle_broken = outcome
            .findings
            .as_ref()
            .is_some_and(|findings| !findings.complaints.is_empty());
        let verdict = match (broken, saturated) {
            // What is lost is lost, however slow the generator was.
            (true, true) if oracle_broken => Verdict::Failed,
            (_, true) => Verdict::Invalid,
            (true, false) => Verdict::Failed,
            (false, false) => Verdict::Ok,
        };
        json["thresholds"] = json!(judged);
        json["verdict"] = json!(verdict);
        Self {
            json,
            verdict,
            judged,
        }
    }

    /// A table for people.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let rows = [
            "players",
            "seconds",
            "input_hz",
            "snapshot_hz",
            "visible",
            "ack_ms",
            "own_state_gap_ms",
            "crossings",
            "crossings_between_servers",
            "crossing_gap_ms",
            "moving_share",
            "bytes_per_player_s",
            "commands",
            "gems",
            "population",
            "resumes",
            "disconnects",
            "udp_fallbacks",
            "generator",
            "uncounted",
        ];
        for name in rows {
            if let Some(value) = self.json.get(name).filter(|value| !value.is_null()) {
                let _ = writeln!(out, "{name:26} {}", readable(value));
            }
        }
        for node in self.json["nodes"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "{:26} {}", "node", readable(node));
        }
        for complaint in self.json["complaints"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "{:26} {}", "WRONG", readable(complaint));
        }
        for judged in self.judged.iter().filter(|judged| !judged.ok) {
            let _ = writeln!(out, "{:26} {judged}", "BROKEN");
        }
        let _ = write!(out, "{:26} {}", "verdict", readable(&self.json["verdict"]));
        out
    }
}

/// A value on one line, without the quotes and braces of JSON.
fn readable(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| match value {
                Value::Object(_) => format!("{name} ({})", readable(value)),
                _ => format!("{name} {}", readable(value)),
            });
            fields.collect::<Vec<_>>().join(", ")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The numbers, not judged yet.
pub(crate) fn measured(outcome: &Outcome<'_>) -> Value {
    let (args, tally) = (outcome.args, outcome.tally);
    let players = f64::from(args.players);
    let each = |count: u64| round(count as f64 / players / outcome.seconds.max(0.001));
    let input_hz = each(tally.inputs);
    // A player tick is an input and the snapshot that comes for it.
    let player_ticks = tally.inputs.max(1) as f64;
    let late_ms = tally.late_us.ms(0.99);
    let saturated = late_ms > LATE_MS_MAX || input_hz < f64::from(args.input_hz) * INPUTS_MIN;
    let findings = outcome.findings.clone();
    let complaints = findings.as_ref().map(|findings| findings.complaints.clone());
    json!({
        "schema": SCHEMA,
        "behaviour": format!("{:?}", args.behaviour).to_lowercase(),
        "seed": args.seed,
        "players": args.players,
        "seconds": round(outcome.seconds),
        "input_hz": input_hz,
        "snapshot_hz": each(tally.snapshots),
        "visible": {"mean": round(tally.visible.mean()), "p10": tally.visible.quantile(0.1)},
        "ack_ms": quantiles(&tally.ack_us, &[("p50", 0.5), ("p99", 0.99), ("p999", 0.999)]),
        "own_state_gap_ms": quantiles(&tally.own_gap_us, &[("p99", 0.99), ("max", 1.0)]),
        "crossings": tally.crossings,
        "crossings_between_servers": between_servers(outcome),
        "crossing_gap_ms": quantiles(&tally.crossing_gap_us, &[("p50", 0.5), ("p99", 0.99), ("max", 1.0)]),
        "commands": findings.as_ref().map(|findings| findings.commands),
        "gems": findings.as_ref().map(|findings| findings.gems.clone()),
        "population": findings.as_ref().map(|findings| findings.population.clone()),
        "complaints": complaints.unwrap_or_default(),
        "uncounted": outcome.uncounted,
        "resumes": tally.resumes,
        "disconnects": tally.disconnects,
        "udp_fallbacks": tally.udp_fallbacks,
        "moving_share": round(tally.own_states_moving as f64 / tally.own_states.max(1) as f64),
        "bytes_per_player_s": {"up": each(tally.up_bytes), "down": each(tally.down_bytes)},
        "generator": {
            "cpu_s": round(outcome.generator.cpu_s),
            "cpu_us_per_player_tick": round(outcome.generator.cpu_s * 1e6 / player_ticks),
            "wake_ups_per_player_tick": round(outcome.generator.wake_ups as f64 / player_ticks),
            "threads": args.threads(),
            "sockets": args.sockets(),
            "late_ms_p99": late_ms,
            "window_full": tally.window_full,
            "saturated": saturated,
        },
        "nodes": outcome.nodes,
    })
}

fn quantiles(spread: &crate::tally::Spread, parts: &[(&str, f64)]) -> Value {
    let values = parts
        .iter()
        .map(|(name, part)| ((*name).to_owned(), json!(spread.ms(*part))));
    Value::Object(values.collect())
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Crossings of bots that played through the whole measurement. Regions of which it is not known who serves them count
/// as different servers'.
fn between_servers(outcome: &Outcome<'_>) -> Value {
    let between = |crossings: &BTreeMap<(u32, u32), u32>| -> u64 {
        let apart = crossings.iter().filter(|((from, to), _)| {
            let (from, to) = (outcome.servers.get(from), outcome.servers.get(to));
            from.is_none() || from != to
        });
        apart.map(|(_, count)| u64::from(*count)).sum()
    };
    let each: Vec<u64> = outcome
        .records
        .iter()
        .map(|record| between(&record.crossings))
        .collect();
    json!({
        "total": each.iter().sum::<u64>(),
        "min_per_player": each.iter().min().copied().unwrap_or(0),
    })
}

/// What must hold in every run.
fn built_in(outcome: &Outcome<'_>) -> Vec<Threshold> {
    let mut names: Vec<&str> = Vec::new();
    if outcome.findings.is_some() {
        names.extend([
            "commands.durable.lost",
            "commands.durable.duplicated",
            "commands.durable.reordered",
            "commands.soft.duplicated",
            "commands.soft.reordered",
            "commands.unexplained",
            "gems.lost",
            "gems.doubled",
            "gems.players_wrong",
            "gems.contradictions",
            "population.entities_wrong",
        ]);
        if outcome.args.faults != Faults::Servers {
            names.push("commands.soft.lost");
        }
    }
    let mut thresholds: Vec<Threshold> = names.iter().map(|name| Threshold::at_most(name, 0.0)).collect();
    if outcome.seconds >= MEMORY_RUN_S_MIN {
        for (place, _) in outcome.nodes.iter().enumerate() {
            thresholds.push(Threshold {
                comparison: crate::threshold::Comparison::Equal,
                ..Threshold::at_most(&format!("nodes.{place}.memory_flat"), 1.0)
            });
        }
    }
    thresholds
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn args(more: &str) -> Args {
        let line = format!("loadtest --join j --players 2 {more}");
        Args::try_parse_from(line.split_whitespace()).unwrap()
    }

    fn outcome<'a>(
        args: &'a Args,
        tally: &'a Tally,
        records: &'a [Record],
        servers: &'a Servers,
    ) -> Outcome<'a> {
        Outcome {
            args,
            seconds: 10.0,
            tally,
            records,
            servers,
            findings: Some(Findings::default()),
            uncounted: None,
            generator: Usage {
                cpu_s: 0.01,
                wake_ups: 40,
            },
            nodes: Vec::new(),
        }
    }

    fn tally() -> Tally {
        let mut tally = Tally {
            inputs: 400,
            snapshots: 396,
            ..Tally::default()
        };
        for latency_ms in 1..=100 {
            tally.ack_us.record(latency_ms * 1_000);
        }
        tally
    }

    #[test]
    fn a_good_run_is_ok_and_its_numbers_are_per_player_and_second() {
        let (args, tally, servers) = (args("--threshold ack_ms.p99<=150"), tally(), Servers::new());
        let report = Report::new(&outcome(&args, &tally, &[], &servers));
        assert_eq!((report.verdict, report.verdict.exit_code()), (Verdict::Ok, 0));
        let json = &report.json;
        assert_eq!(
            (&json["schema"], &json["verdict"]),
            (&json!(SCHEMA), &json!("ok"))
        );
        assert_eq!(
            (&json["input_hz"], &json["snapshot_hz"]),
            (&json!(20.0), &json!(19.8))
        );
        assert!((98.0..=100.0).contains(&json["ack_ms"]["p99"].as_f64().unwrap()));
        let generator = &json["generator"];
        assert_eq!(generator["cpu_us_per_player_tick"], json!(25.0));
        assert_eq!(generator["wake_ups_per_player_tick"], json!(0.1));
        assert!(report.table().contains("verdict"));
    }

    #[test]
    fn every_field_of_the_schema_is_there() {
        let (args, tally, servers) = (args(""), tally(), Servers::new());
        let json = Report::new(&outcome(&args, &tally, &[], &servers)).json;
        for path in [
            "players",
            "seconds",
            "input_hz",
            "snapshot_hz",
            "visible.mean",
            "visible.p10",
            "ack_ms.p50",
            "ack_ms.p99",
            "ack_ms.p999",
            "own_state_gap_ms.p99",
            "own_state_gap_ms.max",
            "crossings",
            "crossings_between_servers.total",
            "crossings_between_servers.min_per_player",
            "crossing_gap_ms.p50",
            "crossing_gap_ms.p99",
            "crossing_gap_ms.max",
            "commands.durable.sent",
            "commands.durable.applied",
            "commands.durable.lost",
            "commands.durable.duplicated",
            "commands.durable.reordered",
            "commands.soft.sent",
            "gems.lost",
            "resumes",
            "disconnects",
            "udp_fallbacks",
            "moving_share",
            "bytes_per_player_s.up",
            "bytes_per_player_s.down",
            "generator.cpu_s",
            "generator.cpu_us_per_player_tick",
            "generator.wake_ups_per_player_tick",
            "generator.threads",
            "generator.sockets",
            "generator.late_ms_p99",
            "generator.saturated",
            "nodes",
            "thresholds",
            "verdict",
        ] {
            let found = path.split('.').try_fold(&json, |value, name| value.get(name));
            assert!(found.is_some_and(|value| !value.is_null()), "{path}");
        }
    }

    #[test]
    fn a_broken_threshold_and_a_broken_oracle_fail_the_run() {
        let servers = Servers::new();
        let tally = tally();
        let strict = args("--threshold ack_ms.p99<=50");
        let report = Report::new(&outcome(&strict, &tally, &[], &servers));
        assert_eq!(
            (report.verdict, report.verdict.exit_code()),
            (Verdict::Failed, 99)
        );
        assert!(report.table().contains("and must be at most 50\n"));
        let args = args("");
        for break_it in [
            (|findings: &mut Findings| findings.commands.durable.lost = 1) as fn(&mut Findings),
            |findings| findings.commands.soft.duplicated = 1,
            |findings| findings.commands.unexplained = 1,
            |findings| findings.gems.doubled = 1,
            |findings| findings.gems.players_wrong = 1,
            |findings| findings.population.entities_wrong = 1,
        ] {
            let mut findings = Findings::default();
            break_it(&mut findings);
            let mut broken = outcome(&args, &tally, &[], &servers);
            broken.findings = Some(findings);
            assert_eq!(Report::new(&broken).verdict, Verdict::Failed);
        }
        let mut uncounted = outcome(&args, &tally, &[], &servers);
        uncounted.uncounted = Some("never quiet".to_owned());
        assert_eq!(Report::new(&uncounted).verdict, Verdict::Failed);
    }

    #[test]
    fn a_generator_that_is_late_makes_the_run_invalid_but_hides_no_loss() {
        let (args, mut tally, servers) = (args("--threshold ack_ms.p99<=50"), tally(), Servers::new());
        tally.inputs = 100;
        let report = Report::new(&outcome(&args, &tally, &[], &servers));
        assert_eq!(
            (report.verdict, report.verdict.exit_code()),
            (Verdict::Invalid, 4)
        );
        let mut lossy = outcome(&args, &tally, &[], &servers);
        let mut findings = Findings::default();
        findings.commands.durable.lost = 1;
        findings.complaints.push("lost".to_owned());
        lossy.findings = Some(findings);
        assert_eq!(Report::new(&lossy).verdict, Verdict::Failed);
    }

    #[test]
    fn only_crossings_between_servers_count_as_such() {
        let args = args("");
        let tally = tally();
        let servers = Servers::from([(1, "a".to_owned()), (2, "a".to_owned()), (3, "b".to_owned())]);
        let record = |crossings| Record {
            crossings,
            ..Record::default()
        };
        let records = [
            record(BTreeMap::from([((1, 2), 5), ((2, 3), 4)])),
            record(BTreeMap::from([((3, 1), 7)])),
        ];
        let json = Report::new(&outcome(&args, &tally, &records, &servers)).json;
        assert_eq!(
            json["crossings_between_servers"],
            json!({"total": 11, "min_per_player": 4})
        );
    }

    #[test]
    fn soft_commands_may_be_lost_when_servers_are_killed_on_purpose() {
        let (args, tally, servers) = (args("--faults servers"), tally(), Servers::new());
        let mut findings = Findings::default();
        findings.commands.soft.lost = 3;
        let mut outcome = outcome(&args, &tally, &[], &servers);
        outcome.findings = Some(findings);
        assert_eq!(Report::new(&outcome).verdict, Verdict::Ok);
    }
}
