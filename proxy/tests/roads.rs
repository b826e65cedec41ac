//! The roads through a real proxy: login, join, input down, world up, resume elsewhere, drain.

#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod world;

use net::entropy::OsEntropy;
use node::life::Node;
use protocol::Code;
use protocol::cell::{CellEncoder, CellEntity, CellPoint, Motion, ParsedSnapshot, PositionForm};
use protocol::client_handshake::Credentials;
use protocol::datagram::DatagramKind;
use protocol::geometry::{CellGrid, CellIndex, Position};
use protocol::identity::ClientKey;
use protocol::ids::{NodeNumber, OwnerEpoch};
use protocol::message::client::Logout;
use protocol::message::family::{ProxyToClient, ProxyToServer};
use protocol::message::player::{LeaveReason, Output};
use protocol::message::subscription::{CellUpdates, TickEnd};
use proxy::server::Proxy;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::mark::StoreMark;
use store::sqlite::SqliteStore;
use store::{Store, StoreIdentity, StoreReply, StoreRequest, StoreResult};
use world::client::{Client, is_notice};
use world::server::{GameServer, joined};
use world::{A, ENTITY, HOME, WEST, World, eventually};

fn keyframe(grid: &CellGrid, cell: CellIndex) -> bytes::Bytes {
    let origin = grid.origin(cell);
    let at = Position {
        x: origin.x + 5.0,
        y: origin.y + 5.0,
    };
    let entity = CellEntity {
        id: ENTITY,
        kind: 1,
        owner_epoch: OwnerEpoch(1),
        motion: Motion {
            at: CellPoint::of(at, cell, grid),
            heading: 0,
            speed: 0,
        },
        state: Default::default(),
        jumped: false,
    };
    let mut encoder = CellEncoder::new(PositionForm::of(grid));
    encoder.put_add(0, &entity).unwrap();
    encoder.finish_keyframe(cell, 2)
}

/// One tick of the west: the user's output, a cell, the end.
fn tick(server: &GameServer, proxy: u16, world: &World, output: Output) {
    let grid = CellGrid::new([256, 128], 32).unwrap();
    let tick = output.tick;
    server.say(proxy, output);
    server.say(
        proxy,
        CellUpdates {
            region: WEST.0,
            region_epoch: world.region_epoch,
            tick,
            server_time_ms: tick * 50,
            cells: vec![keyframe(&grid, HOME)],
        },
    );
    server.say(
        proxy,
        TickEnd {
            region: WEST.0,
            region_epoch: world.region_epoch,
            tick,
            server_time_ms: tick * 50,
            outputs: 0,
            cells: 0,
        },
    );
}

fn output(user: u64, owner_epoch: u64, tick: u64) -> Output {
    Output {
        user,
        owner_epoch,
        tick,
        input_ack: 3,
        home_cell: HOME.0,
        own: bytes::Bytes::from_static(b"own"),
        discontinuity: 0,
        cells: Vec::new(),
    }
}

/// Logs a guest in at the first proxy and plays.
async fn play(
    world: &World,
    server: &mut GameServer,
    client: &mut Client,
    proxy: u16,
    epoch: Option<u64>,
) -> u64 {
    client
        .heard("world", |m| matches!(m, ProxyToClient::World(_)).then_some(()))
        .await;
    client.attach().await;
    let join = server.join(proxy).await;
    assert_eq!(join.user, client.welcome.user.0);
    let epoch = match epoch {
        Some(epoch) => epoch,
        None => world.own(client.welcome.user).await,
    };
    server.say(proxy, joined(&join, epoch, world.region_epoch));
    let playing = client.playing().await;
    assert_eq!((playing.node, playing.owner_epoch), (u32::from(A.0), epoch));
    epoch
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_logs_in_joins_says_where_it_goes_and_sees_the_world() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy("edge-1").await;
    server.serve(101, world.region_epoch).await;
    let mut client = Client::guest(world.trust(), proxy.addresses().tcp, "Ada").await;
    let user = client.welcome.user.0;
    let epoch = play(&world, &mut server, &mut client, 101, None).await;

    let cells = server.heard(|_, message| match message {
        ProxyToServer::Subscribe(subscribe) => Some(subscribe.cells.clone()),
        _ => None,
    });
    assert_eq!(cells.await, [0, 1, 2, 8, 9, 10, 16, 17, 18]);

    client.bind().await;
    client.send_input(3).await;
    let inputs = server.heard(|_, message| match message {
        ProxyToServer::Inputs(inputs) => Some(inputs.clone()),
        _ => None,
    });
    let inputs = inputs.await;
    assert_eq!((inputs.user, inputs.owner_epoch, inputs.number), (user, epoch, 3));

    tick(&server, 101, &world, output(user, epoch, 70));
    let grid = CellGrid::new([256, 128], 32).unwrap();
    let seen = loop {
        let plain = client.datagram(DatagramKind::Data).await;
        let snapshot = ParsedSnapshot::parse(&plain, &grid).unwrap();
        if !snapshot.cells.is_empty() {
            break snapshot;
        }
    };
    assert_eq!((&seen.head.own[..], seen.head.input_ack), (b"own".as_slice(), 3));
    assert_eq!((seen.cells[0].cell, seen.cells[0].seq), (HOME, 2));

    let (store, login) = (world.store(), *client.welcome.ticket.claims());
    let extend = || {
        let (user, generation) = (login.user, login.session_generation);
        let reply = store.execute(&[StoreRequest::ExtendSession { user, generation }]);
        reply.into_iter().next().unwrap().unwrap()
    };
    assert_eq!(extend(), StoreReply::SessionExtended);
    client.say(Logout {}).await;
    assert_eq!(client.closed().await.code, Code::Ok);
    eventually("no ticket of the login brings its player back", || {
        extend() == StoreReply::SessionOver
    })
    .await;
    let left = server.heard(|_, message| match message {
        ProxyToServer::Leave(leave) => Some(leave.reason),
        _ => None,
    });
    assert_eq!(left.await, LeaveReason::Logout as i32);
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_at_another_proxy_with_its_ticket() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let (first, second) = (world.proxy("edge-1").await, world.proxy("edge-2").await);
    server.serve(101, world.region_epoch).await;
    server.serve(102, world.region_epoch).await;
    let mut client = Client::guest(world.trust(), first.addresses().tcp, "Ada").await;
    let epoch = play(&world, &mut server, &mut client, 101, None).await;
    let (user, session) = (client.welcome.user, client.welcome.session);

    let mut client = client.resume(second.addresses().tcp).await.unwrap();
    assert_eq!((client.welcome.user, client.welcome.session), (user, session));
    play(&world, &mut server, &mut client, 102, Some(epoch)).await;
    assert_eq!(second.sessions().sessions, 1);
    first.drain().await;
    second.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resumes_before_there_is_a_player_keeps_its_name() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let (first, second) = (world.proxy("edge-1").await, world.proxy("edge-2").await);
    server.serve(101, world.region_epoch).await;
    server.serve(102, world.region_epoch).await;
    // It goes before anybody has made a player of it.
    let ada = Client::guest(world.trust(), first.addresses().tcp, "Ada").await;
    let user = ada.welcome.user;
    let at = second.addresses().tcp;
    let mut ada = ada.resume_as(at, "Ada").await.unwrap();
    ada.attach().await;
    let join = server.join(102).await;
    assert_eq!((join.user, &*join.name), (user.0, "Ada"));
    // Nobody vouches for what is said here.
    for name in ["", "\u{3164}"] {
        ada = ada.resume_as(at, name).await.unwrap();
        ada.attach().await;
        assert_eq!(server.join(102).await.name, format!("guest {user}"));
    }
    first.drain().await;
    second.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_house_lets_in_those_who_are_in_it_and_nobody_else() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let mut settings = world.settings("edge-1");
    settings.clients.sessions_max = Some(1);
    let (full, other) = (world.proxy_with(&settings).await, world.proxy("edge-2").await);
    server.serve(101, world.region_epoch).await;
    let at = full.addresses().tcp;
    let mut ada = Client::guest(world.trust(), at, "Ada").await;
    ada.attach().await;
    server.join(101).await;
    eventually("it counts", || full.sessions().sessions == 1).await;

    let key = ClientKey::generate(&mut OsEntropy);
    let bob = Credentials::Guest {
        name: "Bob".to_owned(),
    };
    let refused = Client::log_in(world.trust(), at, key, bob, 1).await;
    assert_eq!(refused.err().unwrap().code, Code::Full);
    let eve = Client::guest(world.trust(), other.addresses().tcp, "Eve").await;
    assert_eq!(eve.resume(at).await.err().unwrap().code, Code::Full);

    // Her own connection is still open here, as far as the proxy knows.
    let ticket = Credentials::Ticket {
        ticket: Box::new(ada.welcome.ticket.encode()),
        name: String::new(),
    };
    let again = Client::log_in(world.trust(), at, ada.key.clone(), ticket, 2).await;
    let mut again = again.unwrap();
    assert_eq!(ada.closed().await.code, Code::Superseded);
    again.attach().await;
    assert_eq!(server.join(101).await.user, again.welcome.user.0);
    full.drain().await;
    other.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_proxy_has_closed_its_store_and_noted_how_far_it_was() {
    let world = World::new().await;
    let settings = world.settings("edge-1");
    let node = Node::in_process(settings.node.clone());
    let proxy = Proxy::start(&settings, &node).await.unwrap();
    let path = settings.store_path();
    assert_eq!(SqliteStore::nodes_at(&path).unwrap(), [NodeNumber(101)]);
    let noted = || StoreMark::read(&settings.node.data).unwrap().unwrap().progress;
    let before = noted();
    proxy.drain().await;
    assert_eq!(SqliteStore::nodes_at(&path).unwrap(), []);
    assert_eq!((before, noted()), (1, 2));
    assert_eq!(store::sqlite::backup::check(&path).unwrap().progress, 2);
}

/// A store that somebody else keeps to himself.
struct Held {
    store: Arc<dyn Store>,
    is_held: AtomicBool,
}

impl Store for Held {
    fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        while self.is_held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.store.execute(requests)
    }

    fn identity(&self) -> StoreIdentity {
        self.store.identity()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_of_a_proxy_is_asked() {
    let world = World::new().await;
    let settings = world.settings("edge-1");
    let node = Node::in_process(settings.node.clone());
    let proxy = world.proxy_of(&settings, &node).await;
    let all = [
        "accepting",
        "accepting http",
        "auth",
        "clocks",
        "links",
        "names",
        "papers",
        "regions",
        "room",
        "sessions",
        "store",
        "store queue",
        "stores",
    ];
    // What /readyz checks is listed in docs/operating.md.
    eventually("all are asked", || {
        let report = node.readiness.report();
        report.names().filter(|name| *name != "starting").eq(all)
    })
    .await;
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_let_in_since_the_store_is_away_hears_so() {
    let world = World::new().await;
    let held = Arc::new(Held {
        store: world.store(),
        is_held: AtomicBool::new(false),
    });
    let settings = world.settings("edge-1");
    let node = Node::in_process(settings.node.clone());
    let store: Arc<dyn Store> = held.clone();
    let proxy = Proxy::start_with(&settings, &node, store).await.unwrap();
    let log_in = || {
        let key = ClientKey::generate(&mut OsEntropy);
        let ada = Credentials::Guest {
            name: "Ada".to_owned(),
        };
        Client::log_in(world.trust(), proxy.addresses().tcp, key, ada, 1)
    };
    held.is_held.store(true, Ordering::Relaxed);
    let refusal = log_in().await.err().unwrap();
    assert_eq!(
        (refusal.code, &*refusal.reason),
        (Code::Busy, "the store does not answer")
    );
    held.is_held.store(false, Ordering::Relaxed);
    assert!(log_in().await.is_ok());
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_of_a_dead_server_keep_their_connection_and_are_told() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy("edge-1").await;
    server.serve(101, world.region_epoch).await;
    let mut client = Client::guest(world.trust(), proxy.addresses().tcp, "Ada").await;
    play(&world, &mut server, &mut client, 101, None).await;
    server.die();
    client
        .heard("the notice", |m| is_notice(m, Code::WorldRecovering))
        .await;
    eventually("suspended", || proxy.sessions().suspended == 1).await;
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_proxy_says_so_and_closes_those_who_stay() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy("edge-1").await;
    server.serve(101, world.region_epoch).await;
    let mut client = Client::guest(world.trust(), proxy.addresses().tcp, "Ada").await;
    play(&world, &mut server, &mut client, 101, None).await;
    let draining = tokio::spawn(proxy.drain());
    client.heard("the notice", |m| is_notice(m, Code::Draining)).await;
    assert_eq!(client.closed().await.code, Code::Draining);
    let left = server.heard(|_, message| match message {
        ProxyToServer::Leave(leave) => Some(leave.reason),
        _ => None,
    });
    assert_eq!(left.await, LeaveReason::Linkdead as i32);
    draining.await.unwrap();
}
