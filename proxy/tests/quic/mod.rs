//! Datagrams of browsers over WebTransport, at a real proxy, by a client of the same library and with its own eyes for certificates.

use std::net::SocketAddr;
use std::time::Duration;

use prost::Message as _;
use protocol::cell::ParsedSnapshot;
use protocol::datagram::{BIND_PAYLOAD, DatagramKind};
use protocol::geometry::CellGrid;
use protocol::limits::BROWSER_DATAGRAM_BYTES_MAX;
use protocol::message::client::Input;
use protocol::message::family::{ProxyToClient, ProxyToServer};
use protocol::message::player::Output;
use protocol::message::subscription::TickEnd;
use proxy::server::Proxy;
use serde_json::Value;
use wtransport::endpoint::ConnectOptions;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Connection, Endpoint};

use crate::world::client::Client;
use crate::world::server::{GameServer, joined};
use crate::world::{A, HOME, WEST, World, eventually};
use crate::{answered, request};

/// What `join.json` says of it.
async fn told(at: SocketAddr) -> Value {
    let join = answered(at, &request("GET", "/join.json", at, "")).await;
    let (_, join) = join.split_once("\r\n\r\n").unwrap();
    serde_json::from_str::<Value>(join).unwrap()["webtransport"].take()
}

fn digest(text: &str) -> Sha256Digest {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    Sha256Digest::new(std::array::from_fn(|place| byte(2 * place)))
}

/// A session at `path` of the proxy, for a page of this origin.
async fn session(proxy: &Proxy, path: &str, origin: &str) -> Option<Connection> {
    let told = told(proxy.addresses().http).await;
    let digests = told["certificate_sha256"].as_array().unwrap();
    let digests: Vec<_> = digests
        .iter()
        .map(|text| digest(text.as_str().unwrap()))
        .collect();
    assert_eq!(digests.len(), 2, "one that is shown, and one that will be");
    let config = ClientConfig::builder()
        .with_bind_address("127.0.0.1:0".parse().unwrap())
        .with_server_certificate_hashes(digests)
        .build();
    let url = told["url"].as_str().unwrap().replace("/datagrams", path);
    let options = ConnectOptions::builder(url).add_header("origin", origin).build();
    let client = Endpoint::client(config).unwrap();
    let connecting = tokio::time::timeout(Duration::from_secs(10), client.connect(options));
    connecting.await.expect("an answer").ok()
}

async fn wanted(proxy: &Proxy) -> Connection {
    session(proxy, "/datagrams", "http://localhost:5173")
        .await
        .unwrap()
}

/// The next datagram of this kind, and how long it was.
async fn datagram(client: &mut Client, from: &Connection, kind: DatagramKind) -> Option<(usize, Vec<u8>)> {
    let next = async {
        loop {
            let mut datagram = from.receive_datagram().await.unwrap().payload().to_vec();
            let bytes = datagram.len();
            if let Some(plain) = client.open(&mut datagram, kind) {
                return (bytes, plain);
            }
        }
    };
    tokio::time::timeout(Duration::from_millis(500), next).await.ok()
}

async fn bind(client: &mut Client, over: &Connection) {
    for _ in 0..20 {
        over.send_datagram(client.sealed(DatagramKind::Bind, &BIND_PAYLOAD))
            .unwrap();
        if let Some((_, token)) = datagram(client, over, DatagramKind::Challenge).await {
            return over
                .send_datagram(client.sealed(DatagramKind::Response, &token))
                .unwrap();
        }
    }
    panic!("never: a challenge");
}

/// Ada in the west, by WebSocket, and her epoch.
async fn ada(world: &World, proxy: &Proxy, server: &mut GameServer) -> (Client, u64) {
    let mut client = Client::browser(world.trust(), proxy.addresses().http, "Ada").await;
    client.attach().await;
    let join = server.join(101).await;
    let epoch = world.own(client.welcome.user).await;
    server.say(101, joined(&join, epoch, world.region_epoch));
    client.playing().await;
    (client, epoch)
}

fn tick(world: &World, server: &GameServer, user: u64, epoch: u64, tick: u64) {
    let output = Output {
        user,
        owner_epoch: epoch,
        tick,
        input_ack: 1,
        home_cell: HOME.0,
        discontinuity: 0,
        cells: Vec::new(),
        own: bytes::Bytes::from_static(b"here"),
    };
    server.say(101, output);
    let end = TickEnd {
        region: WEST.0,
        region_epoch: world.region_epoch,
        tick,
        server_time_ms: 350,
        outputs: 0,
        cells: 0,
    };
    server.say(101, end);
}

#[tokio::test(flavor = "multi_thread")]
async fn dg_18_dg_19_a_browser_plays_by_datagrams_of_webtransport_and_goes_on_without() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let mut settings = world.settings("edge-1");
    settings.clients.exempt = Vec::new();
    settings.http.webtransport_max = 8;
    let proxy = world.proxy_with(&settings).await;
    server.serve(101, world.region_epoch).await;
    let (mut client, epoch) = ada(&world, &proxy, &mut server).await;
    let user = client.welcome.user.0;
    let fast = wanted(&proxy).await;
    assert!(fast.max_datagram_size().unwrap() >= BROWSER_DATAGRAM_BYTES_MAX);
    bind(&mut client, &fast).await;
    let input = |number| Input {
        number,
        inputs: vec![bytes::Bytes::from_static(b"go")],
        ..Input::default()
    };
    fast.send_datagram(client.sealed(DatagramKind::Data, &input(3).encode_to_vec()))
        .unwrap();
    let inputs = server.heard(|_, message| match message {
        ProxyToServer::Inputs(inputs) => Some((inputs.user, inputs.number)),
        _ => None,
    });
    assert_eq!(inputs.await, (user, 3));
    tick(&world, &server, user, epoch, 70);
    let grid = CellGrid::new([256, 128], 32).unwrap();
    loop {
        let (bytes, plain) = datagram(&mut client, &fast, DatagramKind::Data).await.unwrap();
        assert!(bytes <= BROWSER_DATAGRAM_BYTES_MAX);
        let snapshot = ParsedSnapshot::parse(&plain, &grid).unwrap();
        if &snapshot.head.own[..] == b"here" {
            break;
        }
    }
    // An eighth of 8 is 1: whoever comes now does not take it from her, however long ago it was.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = session(&proxy, "/datagrams", "http://localhost:5173").await;
    assert!(second.is_none());
    assert!(proxy.refused("webtransport_sessions_of_network") > 0);
    assert_eq!(proxy.refused("webtransport_gave_way"), 0);
    // What is no datagram of ours, or of a shard that is not there, is counted and harms nobody.
    for (wrong, label) in [
        (vec![0; 20], "webtransport_datagram"),
        (vec![9; 60], "webtransport_datagram"),
        (vec![0; 60], "datagram_unknown_cid"),
    ] {
        let before = proxy.refused(label);
        fast.send_datagram(wrong).unwrap();
        eventually(label, || proxy.refused(label) == before + 1).await;
    }
    eventually("a flood is counted", || {
        for _ in 0..20 {
            fast.send_datagram([0; 60]).unwrap();
        }
        proxy.refused("webtransport_flood") > 0
    })
    .await;
    // The way is gone: an input by the stream, and snapshots follow it.
    drop(fast);
    client.say(input(4)).await;
    tick(&world, &server, user, epoch, 71);
    let own = client.heard("a snapshot", |message| match message {
        ProxyToClient::Snapshot(snapshot) if snapshot.tick == 71 => Some(snapshot.own.clone()),
        _ => None,
    });
    assert_eq!(&own.await[..], b"here");
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dg_20_sessions_of_webtransport_that_nobody_plays_by_end_and_are_counted_and_only_pages_of_the_cluster_get_one()
 {
    let world = World::new().await;
    let mut settings = world.settings("edge-1");
    settings.clients.exempt = Vec::new();
    settings.http.webtransport_max = 8;
    let proxy = world.proxy_with(&settings).await;
    let home = "http://127.0.0.1:5173";
    for (path, origin, label) in [
        ("/elsewhere", home, "webtransport_path"),
        ("/datagrams", "https://evil.example", "http_origin"),
    ] {
        assert!(session(&proxy, path, origin).await.is_none(), "{label}");
        eventually(label, || proxy.refused(label) == 1).await;
    }
    // An eighth of 8 is 1: who plays by one keeps it, and who does not makes room for the next, once it was silent for a moment.
    let silent = wanted(&proxy).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let held = wanted(&proxy).await;
    let over = tokio::time::timeout(Duration::from_secs(5), silent.closed()).await;
    over.expect("it gives way");
    assert_eq!(proxy.refused("webtransport_gave_way"), 1);
    assert_eq!(proxy.refused("webtransport_sessions_of_network"), 0);
    // And nobody has it for long who does not play by it, be there somebody else or not.
    for _ in 0..40 {
        if held.send_datagram([0; 60]).is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(proxy.refused("webtransport_unused"), 1);
    let again = wanted(&proxy).await;
    let drained = tokio::spawn(proxy.drain());
    let over = tokio::time::timeout(Duration::from_secs(5), again.closed()).await;
    over.expect("a drain closes it");
    drained.await.unwrap();
}
