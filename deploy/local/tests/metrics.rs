//! Prometheus' own tool finds nothing to complain of in the metrics of any role, and every counter is there before it has
//! counted anything.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};

use gameserver::server::METRICS;
use node::telemetry::{Kind, LINK_METRICS, Metric, PROCESS_METRICS};
use protocol::identity::Role;

/// Runs `promtool check metrics`; whether it is content, and what it said.
fn judged(metrics: &str) -> (bool, String) {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs: Debian has it in the package prometheus");
    tool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Counters of these tables that have no series.
fn without_series(metrics: &str, tables: &[&[Metric]]) -> Vec<&'static str> {
    let counters = tables.iter().flat_map(|table| table.iter());
    let counters = counters.filter(|metric| metric.kind == Kind::Counter);
    let has_series = |name: &str| {
        let mut rests = metrics.lines().filter_map(|line| line.strip_prefix(name));
        rests.any(|rest| rest.starts_with(['{', ' ']))
    };
    // Series of the rules' own exist once the rules have counted something; those of the demo count nothing.
    let names = counters
        .map(|metric| metric.name)
        .filter(|name| !name.starts_with("regionmesh_game_"));
    names.filter(|name| !has_series(name)).collect()
}

#[test]
fn promtool_is_content_with_the_metrics_of_each_role() {
    let (is_content, said) = judged("# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n");
    assert!(
        !is_content && said.contains("abbreviated units"),
        "it does find faults: {said}"
    );
    let folder = tempfile::tempdir().unwrap();
    let cluster = support::start(support::one(&folder.path().join("d")));
    let nodes: Vec<(String, Role)> = cluster
        .addresses()
        .map(|node| (node.name.clone(), node.role))
        .collect();
    for (name, role) in nodes {
        support::eventually("its links are up", support::PATIENCE, || {
            cluster
                .metrics(&name)
                .unwrap()
                .contains("regionmesh_link_round_trip_seconds{")
        });
        let metrics = cluster.metrics(&name).unwrap();
        assert_eq!(judged(&metrics), (true, String::new()), "{name}: {metrics}");
        let own = if role == Role::GameServer { METRICS } else { &[] };
        let tables = [PROCESS_METRICS, LINK_METRICS, own];
        assert!(without_series(&metrics, &tables).is_empty(), "{name}: {metrics}");
        for tells in [
            "# TYPE process_cpu_seconds_total counter",
            "\nprocess_start_time_seconds ",
            "\nprocess_max_fds ",
            "\nregionmesh_build_info{version=\"",
        ] {
            assert!(metrics.contains(tells), "{tells} of {name}: {metrics}");
        }
    }
}
