//! A cluster with its database and its swarm, and what happens to them.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use store::postgres::trial::TrialServer;

use super::Event;
use super::commits::Commits;
use crate::live::{LiveCluster, Swarm, SwarmOptions, SwarmReport};

/// Four servers with a region each, and one that stands by for all of them.
const TOPOLOGY: &str = include_str!("../../../deploy/topologies/standby.toml");
/// Each has the region of its number.
const SERVERS: [&str; 4] = ["gs-a", "gs-b", "gs-c", "gs-d"];
const STANDBY: &str = "gs-e";
/// They die in turn, each with all players.
const PROXIES: [&str; 2] = ["edge-1", "edge-2"];
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the swarm plays before something happens, and after.
const REST: Duration = Duration::from_secs(5);
/// How long the one that died stays away, so that everybody plays where the other serves.
const DEAD: Duration = Duration::from_secs(3);
/// How long a database is away.
const AWAY: Duration = Duration::from_secs(10);
/// The memory that a database with some thousand rows needs, and how soon it notices that a standby is dead.
const DATABASE: &[&str] = &["shared_buffers = '128MB'", "wal_sender_timeout = '2s'"];

pub(crate) struct Scene {
    event: Event,
    /// Ends first.
    swarm: Option<Swarm>,
    cluster: LiveCluster,
    /// None beside a file; of two the second is the synchronous standby.
    databases: Vec<Arc<TrialServer>>,
    commits: Option<Commits>,
}

impl Scene {
    /// Everybody plays, for so long.
    pub(crate) fn start(program: &Path, event: Event, players: u32, lasts: Duration) -> anyhow::Result<Self> {
        let databases = match event {
            Event::Restart | Event::KillProxy | Event::FreezeProxy => Vec::new(),
            Event::Promote => pair()?,
            Event::Kill | Event::Freeze | Event::Away => vec![alone()?],
        };
        let address = address(&databases);
        let topology = Some(TOPOLOGY.to_owned());
        let cluster = LiveCluster::start_on(program, topology, address, PATIENCE)?;
        let options = SwarmOptions {
            players,
            behaviour: "wander".to_owned(),
            sockets: 0,
            more: vec![format!(
                "--faults={}",
                if event.is_of_proxy() { "proxies" } else { "servers" }
            )],
        };
        let seconds = (lasts + 2 * REST).as_secs();
        let swarm = Swarm::start(program, cluster.join_file()?, &options, seconds)?;
        swarm.wait_for_measuring()?;
        let commits = match event {
            Event::Away | Event::Promote => Some(Commits::watch(databases.clone())),
            Event::Kill | Event::Freeze | Event::Restart | Event::KillProxy | Event::FreezeProxy => None,
        };
        thread::sleep(REST);
        Ok(Self {
            event,
            swarm: Some(swarm),
            cluster,
            databases,
            commits,
        })
    }

    /// It happens for the `time`th time, and everybody plays again before the next.
    pub(crate) fn happen(&mut self, time: u16, every: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        let server = SERVERS[usize::from(time / 2) % SERVERS.len()];
        // To and fro: the one that stood by is the next to die, and gives way to the one that came back.
        let (victim, heir) = match time % 2 {
            0 => (server, STANDBY),
            _ => (STANDBY, server),
        };
        match self.event {
            Event::Kill => {
                self.cluster.kill(victim)?;
                self.taken_over(server, heir)?;
                thread::sleep(DEAD);
                self.cluster.restart(victim)?;
            }
            Event::Freeze => {
                self.cluster.signal(victim, Signal::SIGSTOP)?;
                self.taken_over(server, heir)?;
                thread::sleep(DEAD);
                self.cluster.signal(victim, Signal::SIGCONT)?;
            }
            Event::Restart => {
                self.cluster.kill(SERVERS[usize::from(time) % SERVERS.len()])?;
                self.cluster.restart(SERVERS[usize::from(time) % SERVERS.len()])?;
            }
            Event::KillProxy => {
                let proxy = PROXIES[usize::from(time) % PROXIES.len()];
                self.cluster.kill(proxy)?;
                thread::sleep(DEAD);
                self.cluster.restart(proxy)?;
            }
            Event::FreezeProxy => {
                let proxy = PROXIES[usize::from(time) % PROXIES.len()];
                self.cluster.signal(proxy, Signal::SIGSTOP)?;
                thread::sleep(2 * DEAD);
                self.cluster.signal(proxy, Signal::SIGCONT)?;
            }
            Event::Away => {
                let database = self.databases.first().context("there is no database")?;
                database.control("stop")?;
                thread::sleep(AWAY);
                database.control("start")?;
            }
            Event::Promote => {
                let [primary, standby] = self.databases.as_slice() else {
                    bail!("there is no standby");
                };
                primary.kill()?;
                standby.control("promote")?;
                // Nothing is written to it before it has a standby of its own.
                let next = standby.standby("next", DATABASE)?;
                confirms(standby, "next")?;
                self.databases.push(Arc::new(next));
            }
        }
        let Some(left) = every.checked_sub(began.elapsed()) else {
            bail!(
                "it took {} s; wait longer between two with --every",
                began.elapsed().as_secs()
            );
        };
        thread::sleep(left);
        Ok(())
    }

    /// The region of `server` is served by the other one.
    fn taken_over(&self, server: &str, by: &str) -> anyhow::Result<()> {
        let region = SERVERS
            .iter()
            .position(|name| *name == server)
            .map(|index| index + 1);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let status = self.cluster.status(by).unwrap_or_default();
            let regions = status["regions"].as_array().cloned().unwrap_or_default();
            let serves = |served: &Value| served["region"].as_u64() == region.map(|number| number as u64);
            if regions.iter().any(serves) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!(
            "{by} has not taken over from {server} in {} s",
            PATIENCE.as_secs()
        )
    }

    /// Where that is looked at.
    pub(crate) fn longest_without_commit(&mut self) -> Option<Duration> {
        self.commits.take().and_then(Commits::longest)
    }

    /// What the swarm found.
    pub(crate) fn end(mut self) -> anyhow::Result<SwarmReport> {
        self.swarm.take().context("there is no swarm")?.report()
    }
}

/// A database with a store in it.
fn alone() -> anyhow::Result<Arc<TrialServer>> {
    let database = TrialServer::start(DATABASE)?;
    database.create("world")?;
    Ok(Arc::new(database))
}

/// A database and its synchronous standby.
fn pair() -> anyhow::Result<Vec<Arc<TrialServer>>> {
    let primary = alone()?;
    let standby = Arc::new(primary.standby("heir", DATABASE)?);
    confirms(&primary, "heir")?;
    Ok(vec![primary, standby])
}

/// From now on nothing is confirmed that `standby` does not have.
fn confirms(primary: &TrialServer, standby: &str) -> anyhow::Result<()> {
    let names = format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'");
    primary.say("postgres", &names)?;
    primary.control("reload")?;
    let is_sync = "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'";
    let began = Instant::now();
    while primary.say("postgres", is_sync)? != ["t"] {
        if began.elapsed() > PATIENCE {
            bail!("{standby} does not follow the primary");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn address(databases: &[Arc<TrialServer>]) -> Option<String> {
    match databases {
        [] => None,
        [alone] => Some(alone.address("world")),
        several => {
            let hosts: Vec<String> = several
                .iter()
                .map(|database| format!("127.0.0.1:{}", database.port()))
                .collect();
            Some(format!("postgres://postgres@{}/world", hosts.join(",")))
        }
    }
}
