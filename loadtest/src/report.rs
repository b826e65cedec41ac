//! The result: one JSON document of schema `regionmesh.loadtest/2`, and the same as a table to read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::args::Args;
use crate::bot::Record;
use crate::nodes::NodeUse;
use crate::oracle::Findings;
use crate::places::Servers;
use crate::process::Usage;
use crate::pulse::SilentRegion;
use crate::tally::{Spread, Tally};
use crate::threshold::Judged;
use crate::verdict::{self, Evidence, Verdict};

/// Name and version of the document's format.
pub const SCHEMA: &str = "regionmesh.loadtest/2";
/// Inputs may leave so late at most (p99) before the generator counts as saturated, milliseconds.
const LATE_MS_MAX: f64 = 20.0;
/// What is judged by looking at the cluster's own pages alone.
const OBSERVED: &str = "commands, holdings, population and the nodes' memory";

/// Everything a report is made of.
pub(crate) struct Outcome<'a> {
    pub(crate) args: &'a Args,
    pub(crate) seconds: f64,
    /// Whether it should have been longer.
    pub(crate) interrupted: bool,
    pub(crate) tally: &'a Tally,
    pub(crate) records: &'a [Record],
    pub(crate) servers: &'a Servers,
    /// `None`: the cluster was not counted.
    pub(crate) findings: Option<Findings>,
    /// Why it could not be, though it should have been.
    pub(crate) uncounted: Option<String>,
    /// Why nobody tried: known since before the first bot came.
    pub(crate) not_judged: Option<String>,
    pub(crate) silent_regions: Vec<SilentRegion>,
    pub(crate) generator: Usage,
    pub(crate) nodes: Vec<NodeUse>,
}

/// The document, and what it means.
pub(crate) struct Report {
    pub(crate) json: Value,
    pub(crate) verdict: Verdict,
    judged: Vec<Judged>,
}

/// Whether a broken condition speaks of something lost, doubled or in wrong hands.
fn is_loss(judged: &Judged) -> bool {
    let counted = ["commands.", "holdings.", "population."];
    !judged.ok && counted.iter().any(|part| judged.threshold.name.starts_with(part))
}

impl Report {
    pub(crate) fn new(outcome: &Outcome<'_>) -> Self {
        let mut json = measured(outcome);
        let mut judged: Vec<Judged> = Vec::new();
        let findings = outcome.findings.as_ref();
        let conditions = verdict::conditions(outcome.args, outcome.seconds, findings, &outcome.nodes);
        for threshold in conditions.iter().chain(&outcome.args.thresholds) {
            judged.push(threshold.judge(&json));
        }
        let evidence = Evidence {
            is_cut: outcome.interrupted,
            is_broken: judged.iter().any(|judged| !judged.ok) || outcome.uncounted.is_some(),
            // What is to be expected of what is done on purpose is no condition, though it is told.
            is_lossy: judged.iter().take(conditions.len()).any(is_loss),
            is_late: json["generator"]["saturated"] == Value::Bool(true),
        };
        let verdict = evidence.verdict();
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
            "interrupted",
            "input_hz",
            "snapshot_hz",
            "visible",
            "nearest_age_ms",
            "ack_ms",
            "own_state_gap_ms",
            "crossings",
            "crossings_between_servers",
            "crossing_gap_ms",
            "takeover_gap_ms",
            "resume_gap_ms",
            "moving_share",
            "bytes_per_player_s",
            "commands",
            "holdings",
            "population",
            "resumes",
            "disconnects",
            "udp_fallbacks",
            "continuity",
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
        for region in self.json["silent_regions"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "{:26} {}", "SILENT", readable(region));
        }
        for incident in self.json["incidents"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "{:26} {}", "INCIDENT", readable(incident));
        }
        for complaint in self.json["complaints"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "{:26} {}", "WRONG", readable(complaint));
        }
        for judged in self.judged.iter().filter(|judged| !judged.ok) {
            let _ = writeln!(out, "{:26} {judged}", "BROKEN");
        }
        let verdict = readable(&self.json["verdict"]);
        let _ = match self.json["not_judged"].as_str() {
            Some(why) => write!(
                out,
                "{:26} {verdict}, without a word on {OBSERVED}: {why}",
                "verdict"
            ),
            None => write!(out, "{:26} {verdict}", "verdict"),
        };
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
        Value::Null => "not measured".to_owned(),
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
    // What was not sent because there was no connection to send it by is not the generator's fault.
    let late_ms = tally.late_us.measured(|late| late.ms(0.99));
    let saturated = late_ms.is_some_and(|late_ms| late_ms > LATE_MS_MAX);
    let findings = outcome.findings.clone();
    let complaints = findings.as_ref().map(|findings| findings.complaints.clone());
    json!({
        "schema": SCHEMA,
        "behaviour": format!("{:?}", args.behaviour).to_lowercase(),
        "seed": args.seed,
        "players": args.players,
        "seconds": round(outcome.seconds),
        "interrupted": outcome.interrupted,
        "input_hz": input_hz,
        "snapshot_hz": each(tally.snapshots),
        "visible": {
            "mean": tally.visible.measured(|seen| round(seen.mean())),
            "p10": tally.visible.measured(|seen| seen.quantile(0.1)),
        },
        "nearest_age_ms": quantiles(&tally.nearest_age_us, &[("p50", 0.5), ("p99", 0.99), ("max", 1.0)]),
        "ack_ms": quantiles(&tally.ack_us, &[("p50", 0.5), ("p99", 0.99), ("p999", 0.999)]),
        "own_state_gap_ms": quantiles(&tally.own_gap_us, &[("p99", 0.99), ("max", 1.0)]),
        "crossings": tally.crossings,
        "crossings_between_servers": between_servers(outcome),
        "crossing_gap_ms": quantiles(&tally.crossing_gap_us, &[("p50", 0.5), ("p99", 0.99), ("max", 1.0)]),
        "takeover_gap_ms": quantiles(&tally.takeover_gap_us, &[("p50", 0.5), ("p99", 0.99), ("max", 1.0)]),
        "resume_gap_ms": quantiles(&tally.resume_gap_us, &[("p50", 0.5), ("p99", 0.99), ("max", 1.0)]),
        "commands": findings.as_ref().map(|findings| findings.commands),
        "holdings": findings.as_ref().map(|findings| findings.holdings.clone()),
        "population": findings.as_ref().map(|findings| findings.population.clone()),
        "complaints": complaints.unwrap_or_default(),
        "uncounted": outcome.uncounted,
        "not_judged": outcome.not_judged,
        "continuity": {
            "connections_lost": tally.connections_lost,
            "stalls": tally.stalls,
            "bodies_lost": tally.bodies_lost,
            "identities_changed": tally.identities_changed,
            "silent_regions": outcome.silent_regions.len(),
        },
        "silent_regions": outcome.silent_regions,
        "incidents": tally.incidents,
        "resumes": tally.resumes,
        "disconnects": tally.disconnects,
        "udp_fallbacks": tally.udp_fallbacks,
        "moving_share": (tally.own_states > 0)
            .then(|| round(tally.own_states_moving as f64 / tally.own_states as f64)),
        "bytes_per_player_s": {"up": each(tally.up_bytes), "down": each(tally.down_bytes)},
        "generator": {
            "cpu_s": round(outcome.generator.cpu_s),
            "cpu_us_per_player_tick": round(outcome.generator.cpu_s * 1e6 / player_ticks),
            "wake_ups_per_player_tick": round(outcome.generator.wake_ups as f64 / player_ticks),
            "threads": args.threads(),
            "sockets": args.sockets(),
            "late_ms_p99": late_ms,
            "window_full": tally.window_full,
            "pauses": tally.pauses,
            "saturated": saturated,
        },
        "nodes": outcome.nodes,
    })
}

fn quantiles(spread: &Spread, parts: &[(&str, f64)]) -> Value {
    let values = parts
        .iter()
        .map(|(name, part)| ((*name).to_owned(), json!(spread.measured(|all| all.ms(*part)))));
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
        "min_per_player": each.iter().min(),
    })
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
            interrupted: false,
            tally,
            records,
            servers,
            findings: Some(Findings::default()),
            uncounted: None,
            not_judged: None,
            silent_regions: Vec::new(),
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
    fn what_was_not_measured_is_null_and_breaks_what_is_demanded_of_it() {
        let tally = Tally {
            inputs: 400,
            snapshots: 396,
            ..Tally::default()
        };
        for (name, is_met) in [
            ("crossing_gap_ms.p99<=50", false),
            ("own_state_gap_ms.max<=1000", false),
            ("visible.p10>=0", false),
            ("moving_share<=1", false),
            ("crossings_between_servers.min_per_player>=0", false),
            ("generator.late_ms_p99<=5", false),
            ("crossings<=0", true),
        ] {
            let (args, servers) = (args(&format!("--threshold {name}")), Servers::new());
            let report = Report::new(&outcome(&args, &tally, &[], &servers));
            assert_eq!(report.verdict == Verdict::Ok, is_met, "{name}");
            assert_eq!(report.json["crossing_gap_ms"]["p99"], Value::Null);
            assert!(report.table().contains("p99 not measured"), "{}", report.table());
        }
    }

    #[test]
    fn a_cluster_that_serves_nobody_is_not_the_generators_fault() {
        let (args, servers) = (args(""), Servers::new());
        let mut tally = tally();
        (tally.inputs, tally.snapshots) = (3, 0);
        let report = Report::new(&outcome(&args, &tally, &[], &servers));
        assert_eq!(report.verdict, Verdict::Failed);
        assert!(
            report
                .table()
                .contains("BROKEN                     snapshot_hz is 0")
        );
    }

    #[test]
    fn breaks_in_what_a_player_gets_fail_the_run() {
        let (args, servers) = (args(""), Servers::new());
        for break_it in [
            (|tally: &mut Tally| tally.disconnects = 1) as fn(&mut Tally),
            |tally| tally.connections_lost = 1,
            |tally| tally.identities_changed = 1,
            |tally| tally.bodies_lost = 1,
            |tally| tally.stalls = 1,
        ] {
            let mut tally = tally();
            break_it(&mut tally);
            tally.note("it happened to bot-3".to_owned());
            let report = Report::new(&outcome(&args, &tally, &[], &servers));
            assert_eq!(report.verdict, Verdict::Failed);
            assert!(
                report
                    .table()
                    .contains("INCIDENT                   it happened to bot-3\n")
            );
        }
        let tally = tally();
        let mut silent = outcome(&args, &tally, &[], &servers);
        silent.silent_regions.push(SilentRegion {
            region: 2,
            server: Some("gs-b".to_owned()),
            seconds: 1.5,
            players: 4,
        });
        let report = Report::new(&silent);
        assert_eq!(report.verdict, Verdict::Failed);
        assert!(report.table().contains("server gs-b"), "{}", report.table());
    }

    #[test]
    fn a_verdict_says_what_it_did_not_judge() {
        let (args, tally, servers) = (args(""), tally(), Servers::new());
        let mut blind = outcome(&args, &tally, &[], &servers);
        (blind.findings, blind.not_judged) = (None, Some("the join file names no status pages".to_owned()));
        let report = Report::new(&blind);
        assert_eq!(report.verdict, Verdict::Ok);
        assert!(report.table().ends_with(
            "ok, without a word on commands, holdings, population and the nodes' memory: the join file names no status pages"
        ));
        assert_eq!(report.json["commands"], Value::Null);
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
            |findings| findings.holdings.doubled = 1,
            |findings| findings.holdings.players_wrong = 1,
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
        for _ in 0..3 {
            tally.late_us.record(30_000);
        }
        tally.stalls = 1;
        let report = Report::new(&outcome(&args, &tally, &[], &servers));
        assert_eq!(report.verdict, Verdict::Invalid);
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
