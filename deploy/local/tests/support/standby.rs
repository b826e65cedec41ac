//! What the suites of servers that stand by for each other share: a cluster on a database of its own, and bots that play there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use regionmesh::{Cluster, ClusterOptions};
use serde_json::Value;
use store::postgres::trial::TrialServer;

use crate::support::{eventually, finish, logs, program, start};

const TOPOLOGY: &str = include_str!("../../../topologies/standby.toml");
pub(crate) const PLAYERS: u64 = 24;
/// What anything may take at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The region of gs-b.
pub(crate) const REGION: u64 = 2;
const SERVERS: [&str; 5] = ["gs-a", "gs-b", "gs-c", "gs-d", "gs-e"];

/// A cluster of four game servers, one that stands by for all of them, and two proxies.
pub(crate) struct Scene {
    pub(crate) database: TrialServer,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) cluster: Cluster,
    swarm: Option<Child>,
}

impl Scene {
    /// gs-b has its region.
    pub(crate) fn on(database: TrialServer) -> Self {
        database.say("postgres", "CREATE DATABASE world").unwrap();
        let address = database.address("world");
        Self::at(database, address)
    }

    /// The same at an address of that database.
    pub(crate) fn at(database: TrialServer, address: String) -> Self {
        let (code, _, said) = finish(&["store", "migrate", "--store", &address]);
        assert_eq!(code, 0, "{said}");
        let folder = tempfile::tempdir().unwrap();
        let cluster = start(ClusterOptions {
            topology: TOPOLOGY.to_owned(),
            topology_name: "standby.toml".to_owned(),
            database: Some(address),
            ..ClusterOptions::new(program(), folder.path().join("d"))
        });
        let scene = Self {
            database,
            folder,
            cluster,
            swarm: None,
        };
        eventually("gs-b has its region", PATIENCE, || scene.served_by() == ["gs-b"]);
        scene
    }

    /// Everybody is in the world, and what happens from now on counts.
    pub(crate) fn swarm(&mut self, arguments: &[&str]) {
        self.swarm_of(PLAYERS, arguments);
    }

    pub(crate) fn swarm_of(&mut self, players: u64, arguments: &[&str]) {
        let swarm = Command::new(program())
            .arg("loadtest")
            .arg("--join")
            .arg(self.cluster.join_file())
            .args(["--players", &players.to_string()])
            .args(["--warm-up", "1s", "--command-every", "1"])
            .args(arguments)
            .arg("--json")
            .arg(self.result())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.swarm = Some(swarm.unwrap());
        eventually("all bots play", PATIENCE, || self.playing() == players);
        // What happens in the swarm's warm-up does not count.
        std::thread::sleep(Duration::from_secs(3));
    }

    fn result(&self) -> PathBuf {
        self.folder.path().join("result.json")
    }

    pub(crate) fn playing(&self) -> u64 {
        let of = |proxy| self.cluster.status(proxy).ok()?["playing"].as_u64();
        ["edge-1", "edge-2"].into_iter().filter_map(of).sum()
    }

    /// What the database says, in one word.
    pub(crate) fn says(&self, query: &str) -> String {
        self.database.say("world", query).unwrap().concat()
    }

    /// Whether a server says that it serves the region of gs-b.
    pub(crate) fn serves(&self, server: &str) -> bool {
        let status = self.cluster.status(server).unwrap_or_default();
        let regions = status["regions"].as_array().cloned().unwrap_or_default();
        regions.iter().any(|its| its["region"] == REGION)
    }

    /// All that say so.
    pub(crate) fn served_by(&self) -> Vec<&'static str> {
        SERVERS.into_iter().filter(|server| self.serves(server)).collect()
    }

    /// The swarm has found nothing wrong with commands of these kinds, and nobody was thrown out.
    pub(crate) fn ends_well(mut self, kinds: &[&str]) -> Value {
        let mut code = None;
        eventually("the swarm ends", Duration::from_secs(120), || {
            code = self.swarm.as_mut().unwrap().try_wait().unwrap();
            code.is_some()
        });
        let code = code.unwrap().code().unwrap();
        let result = std::fs::read(self.result());
        let result = result.unwrap_or_else(|_| panic!("exit code {code}\n{}", logs(self.cluster.data())));
        let result: Value = serde_json::from_slice(&result).unwrap();
        // 4: too busy a machine for the bots' own timing; what they found holds all the same.
        assert!([0, 4].contains(&code), "exit code {code}: {result:#}");
        for kind in kinds {
            for what in ["lost", "duplicated", "reordered"] {
                assert_eq!(result["commands"][kind][what], 0, "{kind} {what}: {result:#}");
            }
            let applied = result["commands"][kind]["applied"].as_u64();
            assert!(applied.unwrap() > 0, "{result:#}");
        }
        assert_eq!(result["disconnects"], 0, "{result:#}");
        assert_eq!(result["resumes"], 0, "{result:#}");
        result
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(swarm) = &mut self.swarm {
            let _ = swarm.kill();
            let _ = swarm.wait();
        }
    }
}
