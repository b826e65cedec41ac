//! What a game server says of itself while it is not well, and what it still does before it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod servers;

use std::time::Duration;

use node::life::{LOOK_EVERY, Standing};
use protocol::identity::Role;
use protocol::ids::{NodeNumber, StateVersion, UserId};
use servers::client::{Client, user_at};
use servers::proxy::Proxy;
use servers::{Cluster, eventually};
use store::sqlite::SqliteStore;
use store::{Store as _, StoreReply, StoreRequest};

const A: NodeNumber = NodeNumber(1);
/// An input of the demo: heading, speed.
const FULL_SPEED_EAST: [u8; 2] = [0, 255];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_names_who_is_not_linked_and_is_ready_when_its_store_answers() {
    let cluster = Cluster::new();
    let a = cluster.start("gs-a").await;
    let report = a.node.readiness.report();
    let verbose = report.verbose();
    assert!(report.is_ready(), "{verbose}");
    assert!(verbose.contains("[+] store: answered within"), "{verbose}");
    assert!(
        verbose.contains("[!] links: 0 of 3; not linked: gs-b") && verbose.contains(", edge-1, edge-2\n"),
        "{verbose}"
    );
    eventually("it says why gs-b is not", || {
        let verbose = a.node.readiness.report().verbose();
        verbose.contains("gs-b (cannot connect: Connection refused")
    })
    .await;
    for check in [
        "[+] clocks: nobody to compare with",
        "[+] papers: certificate 89 d left, topology bundle 89 d left",
        "[+] store queue: 0 KiB of ",
        "[+] world: 1 of 1 regions know what lies in them",
        "] ticks: ",
    ] {
        assert!(verbose.contains(check), "{check} in {verbose}");
    }
    let _b = cluster.start("gs-b").await;
    let _proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    eventually("both are linked", || {
        a.node
            .readiness
            .report()
            .verbose()
            .contains("[!] links: 2 of 3; not linked: edge-2")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_of_a_game_server_is_asked() {
    let cluster = Cluster::new();
    let a = cluster.start("gs-a").await;
    let report = a.node.readiness.report();
    let names: Vec<&str> = report.names().collect();
    let all = [
        "clocks",
        "links",
        "papers",
        "rules",
        "store",
        "store queue",
        "stores",
        "ticks",
        "world",
    ];
    assert_eq!(names, all, "what /readyz checks is listed in docs/operating.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_world_and_the_store_are_watched_and_come_round() {
    let cluster = Cluster::new();
    let a = cluster.start("gs-a").await;
    for _ in 0..20 {
        a.node.owners.look();
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let standings = a.node.owners.standings();
    for thread in ["world", "store writer", "store reader"] {
        let standing = standings.iter().find(|(name, _)| name == thread);
        assert_eq!(
            standing.map(|(_, standing)| *standing),
            Some(Standing::Well),
            "{thread}"
        );
    }
}

fn ask(store: &SqliteStore, request: StoreRequest) -> StoreReply {
    store.execute(&[request]).remove(0).unwrap()
}

fn version(store: &SqliteStore, user: UserId) -> StateVersion {
    match ask(store, StoreRequest::LoadPlayer { user }) {
        StoreReply::Player(Some(row)) => row.version,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loses_one_region_writes_down_the_players_of_the_others_before_it_ends() {
    let cluster = Cluster::on_one_server();
    let mut settings = cluster.settings("gs-a");
    settings.limits.soft_save_ms = 60_000;
    let path = settings.store_path();
    let a = cluster.start_with(settings).await;
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let store = SqliteStore::open(&path).unwrap();
    let lost = cluster.topology.regions_of(A).next().unwrap().number;
    let east = user_at(&cluster.topology, |at| at.x > 96.0);
    let client = Client::new(east, &proxy.dir);
    let joined = client.enter(&mut proxy, A).await;
    let mut walked = 0;
    let mut walk = async |steps: u64| {
        for _ in 0..steps {
            walked += 1;
            proxy.say(A, client.inputs(joined.owner_epoch, walked, FULL_SPEED_EAST));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // The first steps are written in the first round, the others would be a minute later.
    walk(20).await;
    let before = version(&store, east);
    walk(20).await;
    assert_eq!(version(&store, east), before, "it would be saved much later");

    let StoreReply::Service(Some(newest)) = ask(&store, StoreRequest::ReadService { region: lost }) else {
        panic!("nobody serves it");
    };
    let serve = StoreRequest::ServeRegion {
        region: lost,
        node: A,
        after: Some(newest.region_epoch),
    };
    ask(&store, serve);
    let west = user_at(&cluster.topology, |at| at.x < 32.0);
    proxy.say(A, Client::new(west, &proxy.dir).join(&proxy.dir));
    let failure = a.ended().await.unwrap_err();
    assert!(
        failure.message.contains("another process serves region"),
        "{failure:?}"
    );
    assert!(version(&store, east) > before, "its last state is lost");
}
