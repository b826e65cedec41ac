//! The primary of a cluster's database is killed under its players, and its synchronous standby is promoted: the world goes on,
//! nobody is thrown out, no region changes hands, and nothing that was confirmed is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "support/standby.rs"]
mod standby;
mod support;

use std::time::Instant;

use standby::{PATIENCE, PLAYERS, Scene};
use store::postgres::trial::TrialServer;
use support::eventually;

const LINES: &[&str] = &["wal_sender_timeout = '2s'"];
/// Who serves what, and under which generation of the store.
const SERVICES: &str =
    "SELECT string_agg(region || ' ' || node || ' ' || epoch, ', ' ORDER BY region) FROM regionmesh.region";
const GENERATION: &str = "SELECT generation FROM regionmesh.cluster";
const NEWEST: &str = "SELECT max(written_ms) FROM regionmesh.player";

#[test]
fn players_play_on_while_the_primary_of_their_database_dies_and_its_standby_is_promoted() {
    let players = std::env::var("PROMOTION_PLAYERS").map_or(PLAYERS, |players| players.parse().unwrap());
    let primary = TrialServer::start(LINES).unwrap();
    primary.say("postgres", "CREATE DATABASE world").unwrap();
    let heir = primary.standby("heir", LINES).unwrap();
    primary.waits_for("heir").unwrap();
    // The heir has no standby of its own, and the operator knows.
    let address = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/world?accept_loss=yes",
        primary.port(),
        heir.port()
    );
    let mut scene = Scene::at(primary, address);
    scene.swarm_of(players, &["--for", "25s"]);
    let heirs = |query: &str| heir.say("world", query).unwrap().concat();
    let services = scene.says(SERVICES);
    let began = Instant::now();
    scene.database.kill_nine().unwrap();
    heir.control("promote").unwrap();
    let promoted = began.elapsed();
    let last = heirs(NEWEST);
    eventually("the heir is written to", PATIENCE, || {
        heirs(NEWEST) != last && heirs(GENERATION) == "2"
    });
    println!(
        "{players} players: promoted after {} ms, written to after {} ms",
        promoted.as_millis(),
        began.elapsed().as_millis()
    );
    eventually("everybody plays", PATIENCE, || scene.playing() == players);
    assert_eq!(heirs(SERVICES), services, "no region changes hands");
    scene.ends_well(&["durable", "soft"]);
}
