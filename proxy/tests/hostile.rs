//! Hostile clients cost only themselves, and numbers that a game server makes up are found out. What else such a server may say
//! is in `stolen_server.rs`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod world;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use net::entropy::OsEntropy;
use protocol::Code;
use protocol::client_handshake::Credentials;
use protocol::identity::ClientKey;
use protocol::ids::Lane;
use protocol::message::family::ProxyToServer;
use protocol::message::player::{Event, Moved};
use protocol::message::subscription::Serving;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use world::client::Client;
use world::server::{GameServer, joined};
use world::{A, B, WEST, World, ada_plays, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_half_open_connections_cost_only_themselves() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy("edge-1").await;
    server.serve(101, world.region_epoch).await;
    let at = proxy.addresses().tcp;

    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(at).await.unwrap());
    }
    let mut garbage = TcpStream::connect(at).await.unwrap();
    garbage.write_all(&[0x5a; 4096]).await.unwrap();
    let mut answer = Vec::new();
    // Reset or closed: in either case nothing is said.
    let _ = garbage.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{answer:?}");
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for length in [0, 1, 16, 32, 33, 600, 1_200, 1_201, 9_000] {
        udp.send_to(&vec![0xa5; length], proxy.addresses().udp[0])
            .await
            .unwrap();
    }
    eventually("counted", || {
        proxy.refused("handshake_frame") == 1 && proxy.refused("datagram_unknown_cid") >= 5
    })
    .await;

    let mut client = Client::guest(world.trust(), at, "Ada").await;
    client.attach().await;
    server.join(101).await;
    let mut byte = [0];
    let closed = tokio::time::timeout(Duration::from_secs(8), silent[0].read(&mut byte));
    assert!(matches!(
        closed.await.expect("it is kept for ever"),
        Ok(0) | Err(_)
    ));
    eventually("all late", || proxy.refused("handshake_late") == 50).await;
    proxy.drain().await;
}

/// A connection from 127.0.N.1: each /24 is a network of its own.
async fn from_network(network: u8, at: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, network, 1], 0))).unwrap();
    socket.connect(at).await.unwrap()
}

/// Connections of eight networks that say nothing.
async fn silent_ones(each: usize, at: SocketAddr) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for _ in 0..each {
        for network in 1..=8 {
            silent.push(from_network(network, at).await);
        }
    }
    silent
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_half_open_connections_and_a_flood_of_garbage_keep_nobody_with_a_ticket_out() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let mut settings = world.settings("edge-1");
    settings.clients.exempt = Vec::new();
    let proxy = world.proxy_with(&settings).await;
    server.serve(101, world.region_epoch).await;
    let addresses = proxy.addresses();
    let (at, udp_at, http_at) = (addresses.tcp, addresses.udp[0], addresses.http);
    let mut ada = Client::guest(world.trust(), at, "Ada").await;
    // What there is of either door, held in silence, each network as much as it may have.
    let _silent = (silent_ones(250, at).await, silent_ones(64, http_at).await);
    let full = ["handshakes_pending", "http_connections"];
    // Until they were silent for as long as anybody may be: before that nobody gives way, to the flood neither.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let garbage = tokio::spawn(async move {
        let udp = UdpSocket::bind("127.0.9.1:0").await.unwrap();
        let mut held = VecDeque::new();
        for round in 0_u64.. {
            let mut one = from_network(9, at).await;
            let _ = one.write_all(&[0x5A; 512]).await;
            held.push_back(from_network((round % 8) as u8 + 1, at).await);
            held.truncate(500);
            for _ in 0..20 {
                let _ = udp.send_to(&[0xA5; 600], udp_at).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    eventually("the flood is under way", || {
        proxy.refused("handshake_gave_way") > 0 && proxy.refused("datagram_unknown_cid") > 0
    })
    .await;
    let began = Instant::now();
    for _ in 0..5 {
        ada = ada.resume(at).await.unwrap();
    }
    let _browser = Client::browser(world.trust(), http_at, "Bob").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    garbage.abort();
    ada.attach().await;
    assert_eq!(server.join(101).await.user, ada.welcome.user.0);
    assert!(proxy.refused("handshake_gave_way") >= 5 && proxy.refused("http_gave_way") >= 1);
    assert!(proxy.refused("handshake_frame") > 0 && proxy.refused("datagram_unknown_cid") > 0);
    assert_eq!(full.map(|label| proxy.refused(label)), [0, 0]);
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_logins_of_one_network_have_a_rate_and_resumes_are_none() {
    let world = World::new().await;
    let mut settings = world.settings("edge-1");
    settings.clients.exempt = Vec::new();
    settings.clients.logins_per_prefix_per_s = 1;
    settings.clients.balancers = vec!["127.0.0.2/32".to_owned()];
    let proxy = world.proxy_with(&settings).await;
    let at = proxy.addresses().tcp;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let _balancer = socket.connect(at).await.unwrap();
    let mut ada = Client::guest(world.trust(), at, "Ada").await;
    let mut limited = 0;
    // As many as there are seconds come through; nothing here takes one.
    for _ in 0..10 {
        let key = ClientKey::generate(&mut OsEntropy);
        let guest = Credentials::Guest {
            name: "Bob".to_owned(),
        };
        if let Err(refusal) = Client::log_in(world.trust(), at, key, guest, 1).await {
            assert_eq!((refusal.code, refusal.retry_ms > 0), (Code::RateLimited, true));
            limited += 1;
        }
        ada = ada.resume(at).await.unwrap();
    }
    assert!(limited > 0);
    assert_eq!(proxy.refused("login_rate"), limited);
    // A balancer says at once whom it brings.
    eventually("it had its time", || proxy.refused("balancer_late") == 1).await;
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_breaks_the_rules_is_told_and_nobody_joins_for_it() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let mut settings = world.settings("edge-1");
    settings.clients.messages_per_s = 20;
    let proxy = world.proxy_with(&settings).await;
    server.serve(101, world.region_epoch).await;
    let at = proxy.addresses().tcp;

    let mut forger = Client::guest(world.trust(), at, "Mallory").await;
    forger.attach_with(Some([7; 64])).await;
    assert_eq!(forger.closed().await.code, Code::Protocol);
    assert_eq!(proxy.refused("attach_signature"), 1);

    let mut flooder = Client::guest(world.trust(), at, "Flood").await;
    flooder.attach().await;
    assert_eq!(server.join(101).await.name, "Flood");
    let ping = |sent_at_us| protocol::message::client::Ping {
        sent_at_us,
        echo_us: 0,
    };
    let flood: Vec<_> = (0..50).map(|sent_at_us| ping(sent_at_us).into()).collect();
    flooder.say_at_once(&flood).await;
    assert_eq!(flooder.closed().await.code, Code::RateLimited);

    let key = ClientKey::generate(&mut OsEntropy);
    let stolen = Client::guest(world.trust(), at, "Ada")
        .await
        .welcome
        .ticket
        .encode();
    let ticket = Credentials::Ticket {
        ticket: Box::new(stolen),
        name: String::new(),
    };
    let thief = Client::log_in(world.trust(), at, key, ticket, 2).await;
    assert_eq!(thief.err().unwrap().code, Code::TicketInvalid);

    let mut honest = Client::guest(world.trust(), at, "Bob").await;
    honest.attach().await;
    assert_eq!(
        server.join(101).await.name,
        "Bob",
        "the forger's join was never sent"
    );
    proxy.drain().await;
}

// NA-4
#[tokio::test(flavor = "multi_thread")]
async fn na_4_na_4_a_name_that_is_refused_is_told_why_and_one_that_is_allowed_has_one_form() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy("edge-1").await;
    server.serve(101, world.region_epoch).await;
    let at = proxy.addresses().tcp;
    let cases = [
        (
            "a\u{202e}b".to_owned(),
            "a name may not have the character U+202E",
        ),
        ("\u{3164}".to_owned(), "a name may not have the character U+3164"),
        (
            "x".repeat(33),
            "a name may have 32 bytes of UTF-8, and this one has 33",
        ),
        (
            "x".repeat(255),
            "a name may have 32 bytes of UTF-8, and this one has 255",
        ),
        (String::new(), "a name may not be empty"),
    ];
    for (name, reason) in cases {
        let key = ClientKey::generate(&mut OsEntropy);
        let refused = Client::log_in(world.trust(), at, key, Credentials::Guest { name }, 1).await;
        let refusal = refused.err().unwrap();
        assert_eq!(
            (refusal.code, refusal.reason.as_str()),
            (Code::NameIllegal, reason)
        );
    }
    for (name, known_as) in [
        ("Rene\u{301}", "Ren\u{e9}"),
        ("می\u{200c}خواهم", "می\u{200c}خواهم"),
    ] {
        let mut client = Client::guest(world.trust(), at, name).await;
        client.attach().await;
        assert_eq!(server.join(101).await.name, known_as);
    }
    proxy.drain().await;
}

/// The cells that a server is asked for, and the epoch it is asked at.
async fn subscribed(server: &mut GameServer) -> (u64, usize) {
    let subscribe = server.heard(|_, message| match message {
        ProxyToServer::Subscribe(subscribe) => Some((subscribe.region_epoch, subscribe.cells.len())),
        _ => None,
    });
    subscribe.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_epoch_that_the_store_never_issued_is_refused_and_the_region_stays_with_its_server() {
    let mut world = World::with_standby().await;
    let (mut owner, mut hostile) = (world.server(A), world.server(B));
    let proxy = world.proxy("edge-1").await;
    hostile.linked(101).await;
    for (times, region_epoch) in [(1, u64::MAX), (2, world.region_epoch + 1)] {
        let serving = Serving {
            region: WEST.0,
            region_epoch,
            ..Serving::default()
        };
        hostile.say_on(101, Lane::FIRST, serving);
        eventually("refused", || proxy.refused("serving_unissued") == times).await;
    }
    owner.serve(101, world.region_epoch).await;
    let _plays = ada_plays(&world, &proxy, &mut owner).await;
    assert_eq!(subscribed(&mut owner).await, (world.region_epoch, 9));

    world.serve_west().await;
    owner.serve(101, world.region_epoch).await;
    let again = subscribed(&mut owner).await;
    assert_eq!(
        again,
        (world.region_epoch, 9),
        "what the store has issued is believed"
    );
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_makes_up_owner_epochs_does_not_lose_its_player_for_good() {
    let mut world = World::new().await;
    let (mut owner, mut other) = (world.server(A), world.server(B));
    let proxy = world.proxy("edge-1").await;
    owner.serve(101, world.region_epoch).await;
    other.linked(101).await;
    let (mut client, join, epoch) = ada_plays(&world, &proxy, &mut owner).await;

    let moved = |owner_epoch| Moved {
        user: join.user,
        from_epoch: epoch,
        node: u32::from(B.0),
        region: 2,
        owner_epoch,
    };
    owner.say(101, moved(u64::MAX));
    eventually("not the next", || proxy.refused("moved_not_next") == 1).await;
    client.bind().await;
    client.send_input(1).await;
    let inputs = owner.heard(|_, message| match message {
        ProxyToServer::Inputs(inputs) => Some((inputs.owner_epoch, inputs.number)),
        _ => None,
    });
    assert_eq!(inputs.await, (epoch, 1), "the player goes on where it was");

    // The very next epoch is believed at once, and given up when the store, asked in the silence, does not know it.
    owner.say(101, moved(epoch + 1));
    let playing = client.playing().await;
    assert_eq!((playing.node, playing.owner_epoch), (u32::from(B.0), epoch + 1));
    let join = owner.join(101).await;
    assert_eq!(proxy.refused("owner_epoch_unissued"), 1);
    owner.say(101, joined(&join, epoch, world.region_epoch));
    let playing = client.playing().await;
    assert_eq!((playing.node, playing.owner_epoch), (u32::from(A.0), epoch));
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_is_the_attach_and_it_comes_within_seconds_and_once() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy("edge-1").await;
    server.serve(101, world.region_epoch).await;
    let at = proxy.addresses().tcp;
    let ping = protocol::message::client::Ping {
        sent_at_us: 1,
        echo_us: 0,
    };

    let mut hasty = Client::guest(world.trust(), at, "Hasty").await;
    hasty.say(ping).await;
    assert_eq!(hasty.closed().await.code, Code::Protocol);
    assert_eq!(proxy.refused("before_attach"), 1);

    let mut twice = Client::guest(world.trust(), at, "Twice").await;
    twice.attach().await;
    twice.attach().await;
    assert_eq!(twice.closed().await.code, Code::Protocol);
    assert_eq!(proxy.refused("attach_twice"), 1);

    // It keeps its path alive, and is sent away all the same.
    let mut idle = Client::guest(world.trust(), at, "Idle").await;
    idle.bind().await;
    assert_eq!(idle.closed().await.code, Code::TimedOut);
    assert_eq!(proxy.refused("attach_late"), 1);
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_too_slowly_is_counted_and_told_why_it_is_cut_off() {
    let mut world = World::new().await;
    let mut owner = world.server(A);
    let proxy = world.proxy("edge-1").await;
    owner.serve(101, world.region_epoch).await;
    let (mut client, join, epoch) = ada_plays(&world, &proxy, &mut owner).await;
    // More than the kernel and the queue hold together, while the client does not read.
    let body = bytes::Bytes::from(vec![7; 1_000]);
    let session_generation = client.welcome.session_generation.0;
    let mut number = 0;
    while proxy.refused("client_slow") == 0 {
        for _ in 0..100 {
            number += 1;
            owner.say(
                101,
                Event {
                    user: join.user,
                    owner_epoch: epoch,
                    number,
                    body: body.clone(),
                    session_generation,
                },
            );
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(number < 200_000, "it is never cut off");
    }
    assert_eq!(client.closed().await.code, Code::SlowConsumer);
    assert_eq!(proxy.refused("client_slow"), 1);
    proxy.drain().await;
}
