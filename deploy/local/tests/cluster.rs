//! Real nodes of a 2 × 2 world: they find each other, answer, and come back after a crash.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use protocol::identity::Role;
use regionmesh::{Cluster, ClusterOptions};
use std::time::{Duration, Instant};
use support::{eventually, logs, program, start};

/// What the issue of a restart may take at most; the goal is three seconds.
const RECOVERY_MAX: Duration = Duration::from_secs(30);

fn names(cluster: &Cluster) -> Vec<(String, Role)> {
    let all = cluster.addresses();
    all.map(|node| (node.name.clone(), node.role)).collect()
}

#[test]
fn every_node_becomes_ready_answers_and_comes_back_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(ClusterOptions::new(program(), folder.path().join("d")));
    let nodes = names(&cluster);
    assert_eq!(nodes.len(), 6);
    for (name, role) in &nodes {
        let status = cluster.status(name).unwrap();
        let role_name = if *role == Role::Proxy {
            "proxy"
        } else {
            "gameserver"
        };
        assert_eq!(
            (&status["name"], &status["role"]),
            (&name.as_str().into(), &role_name.into())
        );
        assert_eq!(status["ready"], true, "{status}");
        let metrics = cluster.metrics(name).unwrap();
        assert_eq!(
            node::telemetry::undescribed(&metrics),
            std::collections::BTreeSet::new()
        );
    }
    for name in ["gs-b", "edge-1"] {
        crash_and_come_back(&mut cluster, name);
    }
    assert!(cluster.take_deaths().is_empty());
    let failed = cluster.stop();
    assert!(
        failed.is_empty(),
        "{failed:?}\n{}",
        logs(&folder.path().join("d"))
    );
}

/// The others stay up, and stay ready or become so again.
fn crash_and_come_back(cluster: &mut Cluster, name: &str) {
    let before = cluster.pid(name).unwrap().unwrap();
    cluster.kill(name).unwrap();
    assert!(!support::runs(before) && !cluster.is_alive(name).unwrap());
    assert!(cluster.status(name).is_err());
    let started = Instant::now();
    cluster.restart(name).unwrap();
    println!(
        "{name} was ready again {} ms after its start",
        started.elapsed().as_millis()
    );
    assert_ne!(cluster.pid(name).unwrap(), Some(before));
    for (other, _) in names(cluster) {
        eventually(&format!("{other} is ready"), RECOVERY_MAX, || {
            cluster.status(&other).is_ok_and(|status| status["ready"] == true)
        });
    }
}

#[test]
fn a_node_that_is_terminated_drains_and_names_nobody_knows_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(support::one(&folder.path().join("d")));
    let (name, _) = names(&cluster).pop().unwrap();
    let ended = cluster.terminate(&name).unwrap().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", logs(&folder.path().join("d")));
    assert_eq!(cluster.terminate(&name).unwrap(), None, "it is down already");
    cluster.restart(&name).unwrap();
    assert!(
        cluster
            .kill("nobody")
            .unwrap_err()
            .to_string()
            .contains("no node `nobody`")
    );
    let pids: Vec<u32> = names(&cluster)
        .iter()
        .filter_map(|(name, _)| cluster.pid(name).unwrap())
        .collect();
    assert_eq!(pids.len(), 2);
    drop(cluster);
    assert!(
        !pids.iter().any(|pid| support::runs(*pid)),
        "dropping a cluster ends its processes"
    );
}
