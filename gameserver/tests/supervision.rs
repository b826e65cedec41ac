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
        verbose.contains("[!] links: 0 of 3; not linked: gs-b, edge-1, edge-2"),
        "{verbose}"
    );
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
async fn ticks_that_stand_still_are_noticed_and_do_not_end_the_server() {
    let cluster = Cluster::new();
    let a = cluster.start("gs-a").await;
    let ticks = || {
        a.node.owners.look();
        let standings = a.node.owners.standings();
        standings.into_iter().find(|(name, _)| name == "ticks").unwrap().1
    };
    for _ in 0..20 {
        assert_eq!(ticks(), Standing::Well);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    a.stall(Duration::from_secs(3));
    let mut worst = Standing::Well;
    for _ in 0..20 {
        tokio::time::sleep(LOOK_EVERY).await;
        worst = ticks();
    }
    assert!(
        matches!(worst, Standing::Stalled(looks) if looks >= 10),
        "{worst:?}"
    );
    assert_eq!(a.node.owners.fatal(), None);
    eventually("it goes on", || {
        std::thread::sleep(LOOK_EVERY);
        ticks() == Standing::Well
    })
    .await;
}

async fn ask(store: &SqliteStore, request: StoreRequest) -> StoreReply {
    store.execute(vec![request]).await.remove(0).unwrap()
}

async fn version(store: &SqliteStore, user: UserId) -> StateVersion {
    match ask(store, StoreRequest::LoadPlayer { user }).await {
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
    let store = SqliteStore::open(&path).await.unwrap();
    let lost = cluster.topology.regions_of(A).next().unwrap().number;
    let east = user_at(&cluster.topology, |at| at.x > 96.0);
    let client = Client::new(east, &proxy.dir);
    let joined = client.enter(&mut proxy, A).await;
    let before = version(&store, east).await;
    for number in 1..=20 {
        proxy.say(A, client.inputs(joined.owner_epoch, number, FULL_SPEED_EAST));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        version(&store, east).await,
        before,
        "it would be saved much later"
    );

    let StoreReply::Service(Some(newest)) = ask(&store, StoreRequest::ReadService { region: lost }).await
    else {
        panic!("nobody serves it");
    };
    let serve = StoreRequest::ServeRegion {
        region: lost,
        node: A,
        after: Some(newest.region_epoch),
    };
    ask(&store, serve).await;
    let west = user_at(&cluster.topology, |at| at.x < 32.0);
    proxy.say(A, Client::new(west, &proxy.dir).join(&proxy.dir));
    let failure = a.ended().await.unwrap_err();
    assert!(
        failure.message.contains("another process serves region"),
        "{failure:?}"
    );
    assert!(version(&store, east).await > before, "its last state is lost");
}
