//! A player at two real game servers: joins, walks, is seen, crosses the border, and is there again after a restart.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod servers;

use bytes::Bytes;
use demo::DemoRules;
use demo::{Input, KIND_GEM, OwnState};
use game::GameLogic as _;
use gameserver::game_world::game_world;
use node::data_dir::BUNDLE_FILE;
use protocol::cell::{CellState, DecodedCell};
use protocol::geometry::{CellIndex, Position};
use protocol::identity::Role;
use protocol::ids::{EntityId, NodeNumber, RegionNumber};
use protocol::message::family::ServerToProxy;
use protocol::message::player::Output;
use protocol::message::subscription::{Serving, Subscribe};
use servers::client::{Client, user_at};
use servers::proxy::Proxy;
use servers::{Cluster, Server, eventually};
use store::{Holder, Holding, StoreReply, StoreRequest};

const A: NodeNumber = NodeNumber(1);
const B: NodeNumber = NodeNumber(2);
const EAST: Input = Input {
    heading: 0,
    speed: 255,
};
const WEST: Input = Input {
    heading: 128,
    speed: 255,
};
const STAND: Input = Input { heading: 0, speed: 0 };

async fn serving(proxy: &mut Proxy, server: NodeNumber) -> Serving {
    proxy
        .hear(server, "a region is served", |message| match message {
            ServerToProxy::Serving(serving) => Some(serving.clone()),
            _ => None,
        })
        .await
}

/// The next output for a user that fits, with what the client would see in it.
async fn output(
    proxy: &mut Proxy,
    server: NodeNumber,
    fits: impl Fn(&Output, &OwnState) -> bool,
) -> (Output, OwnState) {
    proxy
        .hear(server, "an output", |message| match message {
            ServerToProxy::Output(output) => {
                let own = OwnState::parse(&output.own).unwrap();
                fits(output, &own).then(|| (output.clone(), own))
            }
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_joins_walks_and_is_seen() {
    let cluster = Cluster::new();
    let (a, _b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let user = user_at(&cluster.topology, |at| at.x < 32.0 && at.y > 16.0 && at.y < 48.0);
    let client = Client::new(user, &proxy.dir);
    let joined = client.enter(&mut proxy, A).await;
    let start = DemoRules::default().spawn_point(&game_world(&cluster.topology), user);
    let cell = CellIndex(joined.home_cell);
    assert_eq!(
        RegionNumber(joined.region),
        cluster.topology.region_at(start).number
    );
    assert_eq!(
        cluster.topology.region_of_cell(cell),
        Some(RegionNumber(joined.region))
    );

    proxy.say(
        A,
        Subscribe {
            region: joined.region,
            region_epoch: joined.region_epoch,
            cells: vec![cell.0],
        },
    );
    let grid = cluster.topology.world().grid();
    let sees = |update: &Bytes| {
        let cell = DecodedCell::parse(update, &grid).unwrap();
        let mut state = CellState::default();
        state.apply(&cell).is_ok()
            && state
                .entities()
                .any(|(_, seen)| seen.id == EntityId(joined.entity))
    };
    let tick = proxy
        .hear(A, "the player in its cell", |message| match message {
            ServerToProxy::CellUpdates(updates) if updates.cells.iter().any(sees) => Some(updates.tick),
            _ => None,
        })
        .await;
    let end = proxy
        .hear(A, "the end of that tick", |message| match message {
            ServerToProxy::TickEnd(end) => Some(*end),
            _ => None,
        })
        .await;
    assert_eq!((end.tick, end.region), (tick, joined.region));

    proxy.say(A, client.inputs(joined.owner_epoch, 1, EAST.encode()));
    let (output, own) = output(&mut proxy, A, |output, own| {
        output.input_ack == 1 && own.at.x > start.x + 1.0
    })
    .await;
    assert_eq!(output.owner_epoch, joined.owner_epoch);
    assert_eq!(own.entity, EntityId(joined.entity));
    status_tells_of_it(&a).await;
}

/// One player at one proxy, and a neighbour.
async fn status_tells_of_it(a: &Server) {
    eventually("status knows the player", || a.region("players") == 1).await;
    assert_eq!(a.status()["players"], 1);
    assert_eq!(a.region("npcs"), 2);
    let up = |kind: &str| {
        let status = a.status();
        let links = status["links"].as_array().unwrap().clone();
        links
            .iter()
            .filter(|link| link["kind"] == kind && link["state"] == "up")
            .count()
    };
    eventually("status shows the links", || {
        up("dialed") == 1 && up("accepted") == 1 && up("proxy") == 1
    })
    .await;
    eventually("ticks are timed", || {
        a.status()["regions"][0]["tick_us"]["p99"].as_u64() > Some(0)
    })
    .await;
}

/// Walks a player over the border and back, from `west` to `east`.
async fn cross_and_come_back(cluster: &Cluster, proxy: &mut Proxy, west: NodeNumber, east: NodeNumber) {
    let near = |at: Position| at.x > 60.0 && at.x < 63.0 && at.y > 16.0 && at.y < 48.0;
    let client = Client::new(user_at(&cluster.topology, near), &proxy.dir);
    let joined = client.enter(proxy, west).await;
    let mut epoch = joined.owner_epoch;
    for (number, input, from, to) in [(1, EAST, west, east), (2, WEST, east, west)] {
        proxy.say(from, client.inputs(epoch, number, input.encode()));
        let moved = proxy
            .hear(from, "the player has moved", |message| match message {
                ServerToProxy::Moved(moved) => Some(*moved),
                _ => None,
            })
            .await;
        assert_eq!(
            (moved.node, moved.owner_epoch),
            (u32::from(to.0), epoch + 1),
            "{moved:?}"
        );
        epoch = moved.owner_epoch;
        let (output, own) = output(proxy, to, |output, _| output.owner_epoch == epoch).await;
        assert_eq!(
            (output.input_ack, own.entity),
            (number, EntityId(joined.entity)),
            "{output:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_crosses_to_the_other_server_and_back() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let up = |server: &Server| server.status()["links"].to_string().matches("\"up\"").count();
    eventually("the servers see each other", || up(&a) >= 3 && up(&b) >= 3).await;
    cross_and_come_back(&cluster, &mut proxy, A, B).await;
    let players = || (a.region("players"), b.region("players"));
    eventually("both agree where the player is", || players() == (1, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_crosses_between_regions_of_one_server() {
    let cluster = Cluster::on_one_server();
    let a = cluster.start("gs-a").await;
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    cross_and_come_back(&cluster, &mut proxy, A, A).await;
    let came = |region: usize| a.status()["regions"][region]["arrived"].as_u64();
    eventually("each region has had the player", || {
        came(0) == Some(1) && came(1) == Some(1)
    })
    .await;
    eventually("the player is counted once", || a.status()["players"] == 1).await;
    assert_eq!(a.status()["users_known"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_and_a_killed_server_find_their_player_again() {
    let cluster = Cluster::new();
    let _b = cluster.start("gs-b").await;
    let mut a = cluster.start("gs-a").await;
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let user = user_at(&cluster.topology, |at| at.x < 32.0 && at.y > 16.0 && at.y < 48.0);
    let client = Client::new(user, &proxy.dir);
    let mut last = client.enter(&mut proxy, A).await;
    for round in 0..2 {
        let number = round * 2 + 1;
        proxy.say(A, client.inputs(last.owner_epoch, number, EAST.encode()));
        output(&mut proxy, A, |output, _| output.input_ack == number).await;
        proxy.say(A, client.inputs(last.owner_epoch, number + 1, STAND.encode()));
        let (_, stood) = output(&mut proxy, A, |output, _| output.input_ack == number + 1).await;
        if round == 0 {
            a.drain().await.unwrap();
            assert!(!cluster.data("gs-a").join("listen.json").exists());
        } else {
            // Soft state is written within a second; the status is a little older than that.
            eventually("the status is there", || a.region("tick") != u64::MAX).await;
            let later = a.region("tick") + 40;
            let saved = || a.region("unsaved") == 0 && a.region("tick") >= later;
            eventually("everything is saved", saved).await;
            a.kill();
        }
        proxy.down(A).await;
        a = cluster.start("gs-a").await;
        proxy.up(A).await;
        let served = serving(&mut proxy, A).await;
        assert!(served.region_epoch > last.region_epoch, "{served:?}");
        let again = client.enter(&mut proxy, A).await;
        assert_eq!((again.entity, again.last_input), (last.entity, number + 1));
        assert!(again.owner_epoch > last.owner_epoch);
        let (_, own) = output(&mut proxy, A, |output, _| output.owner_epoch == again.owner_epoch).await;
        let distance = own.at.distance_squared(stood.at).sqrt();
        assert!(distance < 0.05, "{own:?} is not {stood:?}");
        last = again;
    }
}

/// Where a server that does not serve a player's region sends its proxy.
async fn sent_on(proxy: &mut Proxy, server: NodeNumber) -> (u32, u32) {
    let elsewhere = |message: &ServerToProxy| match message {
        ServerToProxy::Elsewhere(elsewhere) => Some((elsewhere.node, elsewhere.region)),
        _ => None,
    };
    proxy.hear(server, "the proxy is sent on", elsewhere).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_let_in_by_who_serves_its_region_now_though_its_row_names_another() {
    let mut cluster = Cluster::new();
    let (a, b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let user = user_at(&cluster.topology, |at| at.x < 32.0);
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let mut client = Client::new(user, &proxy.dir);
    let before = client.enter(&mut proxy, A).await;
    // Nobody writes down that the player is A's no more.
    a.kill();
    b.kill();
    drop(proxy);

    cluster.swap_servers();
    let (_a, _b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    client.attach_no += 1;
    proxy.say(A, client.join(&proxy.dir));
    let (node, region) = sent_on(&mut proxy, A).await;
    assert!(node == 0 || node == u32::from(B.0), "never back to A: {node}");
    assert_eq!(region, before.region);
    let after = client.enter(&mut proxy, B).await;
    assert_eq!((after.region, after.entity), (before.region, before.entity));
    assert!(after.owner_epoch > before.owner_epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_whose_region_is_no_more_enters_the_one_that_has_its_place() {
    let mut cluster = Cluster::new();
    let (a, b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let user = user_at(&cluster.topology, |at| at.x > 96.0);
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let mut client = Client::of_login(user, cluster.log_in(user), &proxy.dir);
    let before = client.enter(&mut proxy, B).await;
    // Killed with the player in it.
    a.kill();
    b.kill();
    drop(proxy);
    // A restored store knows what lies somewhere, but not who served there.
    let (never_served, gem) = (RegionNumber(7), 1 << 40);
    let lost = Holding {
        id: gem,
        kind: u32::from(KIND_GEM),
        holder: Holder::Ground {
            region: never_served,
            x: 100.0,
            y: 8.0,
        },
        payload: Bytes::new(),
    };
    cluster.ask_store(StoreRequest::SeedHoldings {
        region: never_served,
        seed: 1,
        holdings: vec![lost],
    });

    cluster.renumber();
    // Whoever starts first sees to it, whoever had it.
    let (_a, _b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    client.attach_no += 1;
    let after = client.enter(&mut proxy, B).await;
    assert_eq!((before.region, after.region), (2, 12));
    let lying = cluster.holdings_on_ground(RegionNumber(2));
    assert_eq!(lying, [], "what lay there lies where its place is");
    let lying = cluster.holdings_on_ground(RegionNumber(12));
    assert!(lying.len() > 1 && lying.iter().any(|lying| lying.id == gem));
    assert_eq!(after.entity, before.entity);
    assert!(after.owner_epoch > before.owner_epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_an_older_map_gives_away_nothing_of_a_region_that_only_a_newer_one_has() {
    let mut cluster = Cluster::new();
    let bundle = cluster.data("gs-a").join(BUNDLE_FILE);
    let older = std::fs::read(&bundle).unwrap();
    cluster.renumber();
    let (a, b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    let user = user_at(&cluster.topology, |at| at.x > 96.0);
    let mut proxy = Proxy::linked(cluster.open("edge-1", Role::Proxy)).await;
    let client = Client::new(user, &proxy.dir);
    let before = client.enter(&mut proxy, B).await;
    let only_newer = RegionNumber(12);
    let lying = cluster.holdings_on_ground(only_newer);
    assert!(before.region == only_newer.0 && !lying.is_empty());
    a.kill();
    b.kill();
    drop(proxy);
    // As from a backup of its host: it has never heard of the newer one, and nobody is there to tell it.
    std::fs::write(&bundle, older).unwrap();
    let a = cluster.start("gs-a").await;
    assert_eq!(cluster.holdings_on_ground(only_newer), lying);
    let row = cluster.ask_store(StoreRequest::ReadOwner { user });
    let StoreReply::Owner(Some(owner)) = row else {
        panic!("{row:?}")
    };
    assert_eq!((owner.node, owner.region), (Some(B), only_newer));
    a.kill();
    cluster.issue();
    let (_a, _b) = (cluster.start("gs-a").await, cluster.start("gs-b").await);
    assert_eq!(cluster.holdings_on_ground(only_newer), lying);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_taken_over_from_another_server_once_that_one_serves_it_no_more() {
    let mut cluster = Cluster::new();
    let a = cluster.start("gs-a").await;
    cluster.swap_servers();
    let b = cluster.launch(cluster.settings("gs-b")).await;
    eventually("it waits", || {
        let reasons = b.node.readiness.reasons().join(", ");
        reasons.contains("gs-a still serves region")
    })
    .await;
    // With the new map it serves the other one, and this one is free.
    a.drain().await.unwrap();
    let _a = cluster.start("gs-a").await;
    eventually("it has started", || b.node.readiness.reasons().is_empty()).await;
    b.drain().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_waits_for_another_one_ends_when_it_is_asked_to() {
    let mut cluster = Cluster::new();
    let _a = cluster.start("gs-a").await;
    cluster.swap_servers();
    let b = cluster.launch(cluster.settings("gs-b")).await;
    eventually("it waits", || {
        let reasons = b.node.readiness.reasons().join(", ");
        reasons.contains("gs-a still serves region")
    })
    .await;
    b.drain().await.unwrap();
}
