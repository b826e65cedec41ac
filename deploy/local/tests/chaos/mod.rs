//! What happens to three hosts and the network between them, one after the other, each under a swarm with its oracle: after each blow
//! it is printed for how long a player stood still at most, beside the goal. A few of them by default; `CHAOS=all` for
//! all, `CHAOS=reset,clock` for some, with `--nocapture` to read.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use store::postgres::trial::faketime;

use crate::hosts::network::{DATABASE, Network};
use crate::hosts::wire::Weather;
use crate::hosts::{FILES, Mesh};

/// So many that some are wherever something happens.
const PLAYERS: u32 = 72;
/// What is tried by default.
const FEW: &str = "weather,cut";
/// On the worst of roads that one plays over.
const WEATHER: Weather = Weather {
    delay_ms: 50,
    jitter_ms: 20,
    loss_permille: 20,
};
/// A busy machine takes longer than the goal by so much, milliseconds; whoever is helped by nobody stands still for longer.
const BUSY_MS: f64 = 3_000.0;
/// Until everybody plays and is measured.
const WARM: Duration = Duration::from_secs(5);
/// Longer than leases live.
const LONG: Duration = Duration::from_secs(9);

struct Blow {
    name: &'static str,
    what: &'static str,
    /// What the swarm is told to expect.
    faults: &'static str,
    /// For how long nobody is to stand still, milliseconds.
    goal_ms: f64,
    /// Where everybody stood still for less, it was no blow, milliseconds.
    felt_ms: f64,
    /// How long the swarm plays.
    seconds: u64,
    strike: fn(&mut Scene),
}

const BLOWS: [Blow; 11] = [
    Blow {
        name: "weather",
        what: "50 ± 20 ms and 2 % loss between all hosts and players",
        faults: "none",
        goal_ms: 1_000.0,
        felt_ms: 0.0,
        seconds: 10,
        strike: |scene| scene.mesh.network.wire().set_weather(Some(WEATHER)),
    },
    Blow {
        name: "clock",
        what: "the clock of a host steps 300 s ahead, then 600 s back",
        faults: "none",
        goal_ms: 1_000.0,
        felt_ms: 0.0,
        seconds: 10,
        strike: |scene| {
            scene.step_clock(300);
            thread::sleep(Duration::from_secs(3));
            scene.step_clock(-300);
            thread::sleep(Duration::from_secs(3));
            scene.step_clock(0);
        },
    },
    Blow {
        name: "reset",
        what: "all connections of nodes and players are reset",
        faults: "proxies",
        goal_ms: 2_000.0,
        felt_ms: 120.0,
        seconds: 8,
        strike: |scene| {
            scene
                .mesh
                .network
                .wire()
                .reset_connections(Duration::from_millis(300));
        },
    },
    Blow {
        name: "cut",
        what: "nothing of a host comes to another one",
        faults: "proxies",
        goal_ms: 5_000.0,
        felt_ms: 1_500.0,
        seconds: 12,
        strike: |scene| scene.mesh.network.wire().cut(1, 3),
    },
    Blow {
        name: "cut-database",
        what: "nothing of a host comes to the database, for ten seconds",
        faults: "servers",
        goal_ms: 5_000.0,
        felt_ms: 300.0,
        seconds: 16,
        strike: |scene| {
            scene.mesh.network.wire().cut(2, DATABASE);
            thread::sleep(Duration::from_secs(10));
            scene.mesh.network.wire().mend();
        },
    },
    Blow {
        name: "no-database",
        what: "nobody reaches the database, for ten seconds",
        faults: "none",
        goal_ms: 1_000.0,
        felt_ms: 0.0,
        seconds: 16,
        strike: |scene| {
            for host in 1..=3 {
                scene.mesh.network.wire().cut(host, DATABASE);
            }
            thread::sleep(Duration::from_secs(10));
            scene.mesh.network.wire().mend();
        },
    },
    Blow {
        name: "freeze-proxy",
        what: "a proxy stands still for 9 s",
        faults: "proxies",
        goal_ms: 5_000.0,
        felt_ms: 1_000.0,
        seconds: 15,
        strike: |scene| scene.freeze("edge-2"),
    },
    Blow {
        name: "freeze-server",
        what: "a server stands still for 9 s, and others take over",
        faults: "servers",
        goal_ms: 5_000.0,
        felt_ms: 1_000.0,
        seconds: 15,
        strike: |scene| scene.freeze("gs-b"),
    },
    Blow {
        name: "kill-proxy",
        what: "kill -9 of a proxy",
        faults: "proxies",
        goal_ms: 1_500.0,
        felt_ms: 120.0,
        seconds: 12,
        strike: |scene| scene.kill("edge-3"),
    },
    Blow {
        name: "kill-server",
        what: "kill -9 of a server, and others take over",
        faults: "servers",
        goal_ms: 2_000.0,
        felt_ms: 300.0,
        seconds: 12,
        strike: |scene| scene.kill("gs-a"),
    },
    Blow {
        name: "kill-in-weather",
        what: "kill -9 of a server on bad roads",
        faults: "servers",
        goal_ms: 5_000.0,
        felt_ms: 300.0,
        seconds: 14,
        strike: |scene| {
            scene.mesh.network.wire().set_weather(Some(WEATHER));
            scene.kill("gs-e");
        },
    },
];

struct Scene {
    mesh: Mesh,
    /// Tells the second host what time it is.
    clock: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let topology = folder.path().join("topology.toml");
        fs::write(&topology, with_standbys()).unwrap();
        let clock = folder.path().join("clock");
        fs::write(&clock, "+0\n").unwrap();
        let library = faketime().unwrap();
        let environment = |host| match host {
            2 => vec![
                ("LD_PRELOAD", library.display().to_string()),
                ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
                ("FAKETIME_NO_CACHE", "1".to_owned()),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ],
            _ => Vec::new(),
        };
        let mesh = Mesh::start(Network::wired(), &topology, environment);
        Self {
            mesh,
            clock,
            _folder: folder,
        }
    }

    fn step_clock(&self, by_s: i32) {
        let next = self.clock.with_extension("next");
        fs::write(&next, format!("{by_s:+}\n")).unwrap();
        fs::rename(next, &self.clock).unwrap();
    }

    fn freeze(&self, name: &str) {
        self.mesh.signal(name, Signal::SIGSTOP);
        thread::sleep(LONG);
        self.mesh.signal(name, Signal::SIGCONT);
    }

    fn kill(&mut self, name: &str) {
        self.mesh.kill(name);
        thread::sleep(LONG);
        self.mesh.restart(name);
    }

    /// A blow under a swarm that finds nothing wrong; afterwards everything is as before.
    fn strike(&mut self, blow: &Blow) {
        let line = format!(
            "--players {PLAYERS} --for {}s --warm-up 3s --faults {}",
            blow.seconds, blow.faults
        );
        let swarm = self.mesh.swarm(&line);
        thread::sleep(WARM);
        (blow.strike)(self);
        let result = swarm.ended(&self.mesh);
        let wire = self.mesh.network.wire();
        wire.set_weather(None);
        wire.mend();
        let stood_ms = stood_still_ms(&result);
        println!(
            "chaos {:<16} {:<64} {stood_ms:>6.0} ms of {:>5.0}",
            blow.name, blow.what, blow.goal_ms
        );
        let fine_ms = blow.felt_ms..=blow.goal_ms + BUSY_MS;
        assert!(
            fine_ms.contains(&stood_ms),
            "{}: {result:#}{}",
            blow.name,
            self.mesh.logs()
        );
    }
}

/// The longest time in which a player saw nothing new of itself, milliseconds.
fn stood_still_ms(result: &Value) -> f64 {
    let gaps = ["own_state_gap_ms", "resume_gap_ms", "takeover_gap_ms"];
    gaps.iter()
        .filter_map(|gap| result[gap]["max"].as_f64())
        .fold(0.0, f64::max)
}

/// The topology of deploy/three-hosts, in which a server of the next host stands by for each region.
fn with_standbys() -> String {
    let text = fs::read_to_string(format!("{FILES}/topology.toml")).unwrap();
    let (world, _) = text.split_once("[grid]").unwrap();
    let rows = [["gs-a", "gs-c", "gs-e"], ["gs-b", "gs-d", "gs-f"]];
    let mut text = world.to_owned();
    for (row, servers) in rows.iter().enumerate() {
        for (column, server) in servers.iter().enumerate() {
            let (x, y) = (256 * column, 256 * row);
            text += &format!(
                "[[region]]\nname = \"r{row}c{column}\"\nnumber = {}\nmin = [{x}, {y}]\nmax = [{}, {}]\nserver = {server:?}\nstandby = [{:?}]\n",
                1 + column + 3 * row,
                x + 256,
                y + 256,
                servers[(column + 1) % 3]
            );
        }
    }
    text
}

#[test]
fn nothing_is_lost_whatever_happens_to_hosts_and_the_network_between_them() {
    let wanted = std::env::var("CHAOS").unwrap_or_else(|_| FEW.to_owned());
    let is_wanted = |blow: &&Blow| wanted == "all" || wanted.split(',').any(|name| name == blow.name);
    let blows: Vec<&Blow> = BLOWS.iter().filter(is_wanted).collect();
    assert!(!blows.is_empty(), "CHAOS is all, or some of the names here");
    let mut scene = Scene::new();
    for blow in blows {
        scene.strike(blow);
    }
    scene.mesh.stop();
}
