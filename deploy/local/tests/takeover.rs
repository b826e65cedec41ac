//! Servers that stand by for each other on a PostgreSQL database: one is killed, frozen past its lease, or drains, while bots play.
//! Another one takes its region over with all its players, who stay connected, and nothing durable is lost or doubled.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "support/standby.rs"]
mod standby;
mod support;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use standby::{PATIENCE, PLAYERS, Scene};
use store::postgres::trial::TrialServer;
use support::{eventually, finish, logs};

/// Bots that play, and know that servers fail.
fn playing() -> Scene {
    playing_on(TrialServer::start(&[]).unwrap())
}

fn playing_on(database: TrialServer) -> Scene {
    let mut scene = Scene::on(database);
    scene.swarm(&["--for", "25s", "--faults", "servers"]);
    scene
}

impl Scene {
    fn taken_over(&self, what: &str) {
        let began = Instant::now();
        eventually("the one that stands by serves the region", PATIENCE, || {
            self.serves("gs-e")
        });
        eventually("everybody plays again", PATIENCE, || self.playing() == PLAYERS);
        println!(
            "{what}: everybody played again after {} ms",
            began.elapsed().as_millis()
        );
    }
}

#[test]
fn a_killed_server_is_replaced_by_the_one_that_stands_by_and_comes_back_as_one_itself() {
    let mut scene = playing();
    scene.cluster.kill("gs-b").unwrap();
    scene.taken_over("kill -9");
    scene.cluster.restart("gs-b").unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        scene.serves("gs-e") && !scene.serves("gs-b"),
        "it has not taken back what it had"
    );
    scene.ends_well(&["durable"]);
}

#[test]
fn a_server_that_was_frozen_past_its_lease_lets_go_and_stands_by() {
    let mut scene = playing();
    scene.cluster.signal("gs-b", Signal::SIGSTOP).unwrap();
    scene.taken_over("SIGSTOP");
    scene.cluster.signal("gs-b", Signal::SIGCONT).unwrap();
    eventually("the one that woke up lets go", PATIENCE, || {
        scene.cluster.status("gs-b").is_ok() && !scene.serves("gs-b")
    });
    eventually("it hears that its lease has ended", PATIENCE, || {
        logs(scene.cluster.data()).contains("the lease of this process has ended")
    });
    assert!(scene.serves("gs-e"));
    scene.ends_well(&["durable"]);
}

#[test]
fn a_server_that_drains_gives_its_region_away() {
    let mut scene = playing();
    let ended = scene.cluster.terminate("gs-b").unwrap();
    scene.taken_over("SIGTERM");
    assert!(
        logs(scene.cluster.data()).contains("gave this region away"),
        "{ended:?}"
    );
    let result = scene.ends_well(&["durable"]);
    // It was asked to, and is no crash: nothing at all is lost.
    assert_eq!(result["commands"]["soft"]["lost"], 0, "{result:#}");
}

#[test]
fn a_region_is_given_away_and_back_when_an_operator_asks() {
    let scene = playing();
    let give = |region: &str, to: &str, from: &str| {
        let admin = scene.cluster.addresses_of(from).unwrap().admin.to_string();
        let (code, said, errors) = finish(&["region", "give", region, to, "--admin", &admin]);
        (code, format!("{said}{errors}"))
    };
    let (code, said) = give("north-east", "gs-e", "gs-b");
    assert_eq!((code, said.as_str()), (0, "gave region north-east to gs-e\n"));
    scene.taken_over("region give");
    eventually("the one that gave it tells so", PATIENCE, || {
        !scene.serves("gs-b")
    });
    for (region, to, from, why) in [
        ("north-east", "gs-a", "gs-e", "neither as server nor as standby"),
        ("nowhere", "gs-b", "gs-e", "no such region"),
        ("north-east", "gs-e", "gs-b", "does not serve it"),
        ("north-east", "gs-b", "edge-1", "no game server"),
    ] {
        let (code, said) = give(region, to, from);
        assert!(code != 0 && said.contains(why), "{code} {said}");
    }
    assert_eq!(give("2", "2", "gs-e").0, 0);
    eventually("it has its region back", PATIENCE, || {
        scene.serves("gs-b") && !scene.serves("gs-e")
    });
    eventually("everybody plays again", PATIENCE, || scene.playing() == PLAYERS);
    scene.ends_well(&["durable"]);
}

#[test]
fn no_region_changes_hands_because_the_database_is_away_and_comes_back() {
    let scene = playing();
    for (what, away) in [("restart", 0), ("stop", 6)] {
        scene.database.control(what).unwrap();
        if what == "stop" {
            std::thread::sleep(Duration::from_secs(away));
            scene.database.control("start").unwrap();
        }
        std::thread::sleep(Duration::from_secs(4));
        assert!(scene.serves("gs-b") && !scene.serves("gs-e"), "{what}");
    }
    scene.ends_well(&["durable"]);
}

/// Who is dead is seen from renewals that do not come: no clock of the database takes part.
#[test]
fn no_region_changes_hands_because_the_clock_of_the_database_steps() {
    const SERVICES: &str = "SELECT string_agg(region || ' ' || node || ' ' || epoch, ', ' ORDER BY region) FROM regionmesh.region";
    const RENEWALS: &str = "SELECT min(l.beat) FROM regionmesh.node_lease l JOIN regionmesh.region r ON r.node = l.node AND r.incarnation = l.incarnation";
    /// Twice as many as a dead server is watched for.
    const ENOUGH: u64 = 8;
    let scene = playing_on(TrialServer::with_clock(&[]).unwrap());
    let now_s = || -> i64 {
        scene
            .says("SELECT extract(epoch FROM clock_timestamp())::int8")
            .parse()
            .unwrap()
    };
    let renewals = || -> u64 { scene.says(RENEWALS).parse().unwrap() };
    let before = scene.says(SERVICES);
    for (from_s, to_s) in [(0, 300), (300, -300)] {
        let (stood_s, renewed) = (now_s(), renewals());
        scene.database.step_clock(to_s).unwrap();
        let step_s = i64::from(to_s - from_s);
        assert!((now_s() - stood_s - step_s).abs() < 60, "the clock has stepped");
        eventually("all servers renew their leases", PATIENCE, || {
            renewals() >= renewed + ENOUGH
        });
        assert_eq!(scene.says(SERVICES), before, "a step to {to_s} s");
    }
    assert!(scene.serves("gs-b") && !scene.serves("gs-e"));
    scene.ends_well(&["durable"]);
}
