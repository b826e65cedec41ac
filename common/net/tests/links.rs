//! Links between nodes over real sockets: they come up, carry messages by class, come back, notice the dead, and are
//! refused to whoever is not who it must be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod cluster;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cluster::{Cluster, PROXY, SERVER, eventually, recorder, target, uuid};
use net::link::{DownReason, LinkConfig, SendError, accept_links, dial_link};
use net::queue::QueueLimits;
use protocol::Code;
use protocol::identity::{AuthorityKey, Role};
use protocol::limits::NODE_HANDSHAKES_PENDING_MAX;
use protocol::message::family::{BatchMessage, Class, ProxyToServer, ServerToProxy};
use protocol::message::node::{Kick, Load};
use protocol::message::player::{Command, Event as PlayerEvent, EventAck, Moved};
use protocol::message::subscription::CellUpdates;
use protocol::node_handshake::PeerStanding;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

fn event(number: u64, bytes: usize) -> ServerToProxy {
    PlayerEvent {
        user: 1,
        number,
        body: vec![0; bytes].into(),
        ..PlayerEvent::default()
    }
    .into()
}

fn ack(number: u64) -> ProxyToServer {
    EventAck {
        number,
        ..EventAck::default()
    }
    .into()
}

fn cells(tick: u64, bytes: usize) -> ServerToProxy {
    CellUpdates {
        tick,
        cells: vec![vec![0; bytes].into()],
        ..CellUpdates::default()
    }
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_flow_both_ways_and_by_class() {
    let cluster = Cluster::new();
    let (server, proxy) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let (address, mut at_server) = cluster.serve(&server).await;
    let mut at_proxy = cluster.dial(&proxy, address);
    let (up, down) = (at_proxy.link_up().await, at_server.link_up().await);
    assert_eq!((up.peer.uuid, up.peer.role), (uuid(SERVER), Role::GameServer));
    assert_eq!(
        (down.peer.uuid, down.peer.number.0),
        (uuid(PROXY), u16::from(PROXY))
    );

    up.sender.try_send_all(&[ack(1), ack(2), ack(3)]).unwrap();
    assert_eq!(at_server.messages(3).await, [ack(1), ack(2), ack(3)]);

    let (kick, moved) = (
        ServerToProxy::from(Kick::default()),
        ServerToProxy::from(Moved::default()),
    );
    let sent = [cells(1, 9), event(1, 9), moved.clone(), event(2, 9), kick.clone()];
    down.sender.try_send_all(&sent).unwrap();
    let mut encoded = Vec::new();
    cells(2, 9).encode(&mut encoded);
    down.sender.try_send_encoded(Class::Tick, &encoded).unwrap();
    let expected = [kick, moved, event(1, 9), event(2, 9), cells(1, 9), cells(2, 9)];
    let received = at_proxy.messages(6).await;
    let (mut sorted, in_order) = (received.clone(), received.last() == expected.last());
    sorted.sort_by_key(BatchMessage::class);
    assert!(sorted == expected && in_order, "{received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_comes_back_when_its_listener_does() {
    let cluster = Cluster::new();
    let (server, proxy) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let address = Arc::new(Mutex::new(None));
    let (current, (handler, mut at_proxy)) = (address.clone(), recorder());
    let target = target(move || *current.lock().unwrap());
    tokio::spawn(dial_link::<cluster::Recorder<ServerToProxy, ProxyToServer>>(
        proxy,
        target,
        handler,
        cluster.shutdown.clone(),
    ));
    let mut last = None;
    for number in 0..3 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        *address.lock().unwrap() = Some(listener.local_addr().unwrap());
        let (handler, mut at_server) = recorder::<ProxyToServer, ServerToProxy>();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(accept_links(
            server.clone(),
            listener,
            &[Role::Proxy],
            handler,
            shutdown.clone(),
        ));
        let up = at_proxy.link_up().await;
        assert!(last.is_none_or(|last| last < up.id));
        last = Some(up.id);
        up.sender.try_send(&ack(number)).unwrap();
        at_server.up().await;
        assert_eq!(at_server.messages(1).await, [ack(number)]);
        shutdown.cancel();
        assert_eq!(at_proxy.down().await, DownReason::ClosedByPeer(Code::Draining));
        assert_eq!(at_server.down().await, DownReason::Closed(Code::Draining));
        assert_eq!(up.sender.try_send(&ack(9)), Err(SendError::Down));
        serving.await.unwrap();
        assert!(at_server.nothing_waits() && server.registry.links().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_before_draining_still_arrives() {
    let cluster = Cluster::new();
    let (server, proxy) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let (address, mut at_server) = cluster.serve(&server).await;
    let mut at_proxy = cluster.dial(&proxy, address);
    let up = at_proxy.up().await;
    let sender = at_server.up().await;
    let sent: Vec<_> = (0..2_000).map(|number| event(number, 500)).collect();
    sender.try_send_all(&sent).unwrap();
    sender.close(Code::Draining);
    assert_eq!(sender.try_send(&event(9, 9)), Err(SendError::Down));
    assert_eq!(at_proxy.messages(2_000).await, sent);
    assert_eq!(at_proxy.down().await, DownReason::ClosedByPeer(Code::Draining));
    assert!(!up.is_up());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_frozen_peer_never_blocks_its_sender_and_memory_stays_bounded() {
    let cluster = Cluster::new();
    let config = LinkConfig {
        queue: QueueLimits {
            waiting_bytes_max: 4 << 20,
            ..QueueLimits::default()
        },
        ..LinkConfig::default()
    };
    let server = cluster.node_with(SERVER, Role::GameServer, config, 3_600_000, 1);
    let proxy = cluster.node(PROXY, Role::Proxy);
    let (address, mut at_server) = cluster.serve(&server).await;
    let mut at_proxy = cluster.dial(&proxy, address);
    let gate = at_proxy.gate.clone();
    gate.store(true, Ordering::Relaxed);
    let sender = at_server.up().await;
    at_proxy.up().await;

    let mut longest = Duration::ZERO;
    let mut tick = 0;
    // As a publisher does it that asks for room first.
    while sender.queued_bytes() <= 512 * 1024 {
        tick += 1;
        let started = Instant::now();
        sender.try_send(&cells(tick, 50_000)).unwrap();
        longest = longest.max(started.elapsed());
        assert!(tick < 100_000, "the kernel took everything");
    }
    let mut sent = 0;
    let refused = loop {
        let started = Instant::now();
        match sender.try_send(&event(sent, 1000)) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        longest = longest.max(started.elapsed());
        assert!(sent < 1_000_000 && sender.queued_bytes() <= 4 << 20);
    };
    assert_eq!(refused, SendError::Down);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert_eq!(at_server.down().await, DownReason::Closed(Code::SlowConsumer));
    gate.store(false, Ordering::Relaxed);
    at_proxy.down().await;
    at_server.up().await;
}

#[test]
fn a_peer_whose_process_hangs_is_dead_within_two_seconds() {
    let alive = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let hanging = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let cluster = Cluster::new();
    let (server, proxy) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let (address, mut at_server) = alive.block_on(cluster.serve(&server));
    let mut at_proxy = hanging.block_on(async { cluster.dial(&proxy, address) });
    hanging.block_on(async {
        at_proxy.up().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    });
    // From here on nobody drives the proxy's run time.
    let hung_at = Instant::now();
    alive.block_on(async {
        at_server.up().await;
        assert_eq!(at_server.down().await, DownReason::Dead);
    });
    let silence = hung_at.elapsed();
    assert!((1_400..3_000).contains(&silence.as_millis()), "{silence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_measure_the_way_and_spread_loads() {
    let cluster = Cluster::new();
    let config = LinkConfig {
        heartbeat_ms: 20,
        ..LinkConfig::default()
    };
    let server = cluster.node_with(SERVER, Role::GameServer, config, 3_600_000, 1);
    let (edge_1, edge_2) = (
        cluster.node(PROXY, Role::Proxy),
        cluster.node(PROXY + 1, Role::Proxy),
    );
    let (address, _at_server) = cluster.serve(&server).await;
    let load = Load {
        players: 40,
        ..Load::default()
    };
    edge_1.loads.set_own(load);
    let mut at_1 = cluster.dial(&edge_1, address);
    let _at_2 = cluster.dial(&edge_2, address);
    let sender = at_1.up().await;
    eventually("a round trip is measured", || sender.round_trip_us().is_some()).await;
    eventually("the other proxy's load is known", || {
        let known = edge_2.loads.proxies();
        known
            .iter()
            .any(|(node, known)| node.0 == u16::from(PROXY) && known.load == load)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_who_is_not_who_it_must_be() {
    let cluster = Cluster::new();
    let (server, good) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let (address, mut at_server) = cluster.serve(&server).await;
    let mut at_good = cluster.dial(&good, address);
    let sender = at_good.up().await;
    at_server.up().await;

    let expired = cluster.node_with(102, Role::Proxy, LinkConfig::default(), -1_000, 1);
    let wrong_role = cluster.node(103, Role::GameServer);
    let revoked = cluster.node(104, Role::Proxy);
    cluster.directory.set(104, PeerStanding::Revoked);
    let unlisted = cluster.node(105, Role::Proxy);
    cluster.directory.set(105, PeerStanding::Unknown);
    let wrong_key = cluster.node(106, Role::Proxy);
    let other_key = AuthorityKey::from_seed(&[3; 32]).issue(
        protocol::ids::ClusterId([9; 16]),
        uuid(106),
        protocol::identity::Validity {
            from_ms: 0,
            until_ms: 1,
        },
        &[77; 32],
    );
    cluster.list(106, Role::Proxy, other_key.node_key().public());

    let strangers = [
        (expired, "cert_expired"),
        (wrong_role, "role_denied"),
        (revoked, "revoked"),
        (unlisted, "not_in_topology"),
        (wrong_key, "not_in_topology"),
    ];
    for (stranger, reason) in strangers {
        let before = server.stats.refused(reason);
        let mut at_stranger = cluster.dial(&stranger, address);
        eventually(reason, || server.stats.refused(reason) > before).await;
        eventually("the stranger is told", || stranger.stats.refused(reason) > 0).await;
        assert!(at_stranger.nothing_waits());
        sender.try_send(&ack(1)).unwrap();
        assert_eq!(at_server.messages(1).await, [ack(1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_link_ends_when_its_peer_is_revoked_or_its_certificate_expires() {
    let cluster = Cluster::new();
    let server = cluster.node(SERVER, Role::GameServer);
    let (address, mut at_server) = cluster.serve(&server).await;
    let short = cluster.node_with(PROXY, Role::Proxy, LinkConfig::default(), 1_500, 1);
    let mut at_short = cluster.dial(&short, address);
    at_short.up().await;
    at_server.up().await;
    assert_eq!(at_server.down().await, DownReason::Closed(Code::CertExpired));
    assert_eq!(at_short.down().await, DownReason::ClosedByPeer(Code::CertExpired));

    let revoked = cluster.node(PROXY + 1, Role::Proxy);
    let mut at_revoked = cluster.dial(&revoked, address);
    at_revoked.up().await;
    at_server.up().await;
    server.recheck();
    cluster.directory.set(PROXY + 1, PeerStanding::Revoked);
    let revoked_at = Instant::now();
    server.recheck();
    assert_eq!(at_server.down().await, DownReason::Closed(Code::Revoked));
    assert_eq!(at_revoked.down().await, DownReason::ClosedByPeer(Code::Revoked));
    assert!(revoked_at.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nh_14_of_two_links_the_higher_incarnation_stays_then_the_newer() {
    let cluster = Cluster::new();
    let server = cluster.node(SERVER, Role::GameServer);
    let (address, mut at_server) = cluster.serve(&server).await;
    let starts =
        |incarnation| cluster.node_with(PROXY, Role::Proxy, LinkConfig::default(), 3_600_000, incarnation);
    let (old, new) = (starts(5), starts(6));
    let mut at_old = cluster.dial(&old, address);
    at_old.up().await;
    at_server.up().await;
    let mut at_new = cluster.dial(&new, address);
    at_new.up().await;
    assert_eq!(at_old.down().await, DownReason::ClosedByPeer(Code::DuplicateLink));
    // The old process redials and redials, and does not get its place back.
    for _ in 0..3 {
        assert_eq!(at_old.down().await, DownReason::ClosedByPeer(Code::DuplicateLink));
    }
    let links = server.registry.links();
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].peer.incarnation.0, 6);
    assert!(at_new.nothing_waits());
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_strangers_hold_a_few_places_for_three_seconds_and_live_links_go_on() {
    let cluster = Cluster::new();
    let (server, proxy) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let (address, mut at_server) = cluster.serve(&server).await;
    let mut at_proxy = cluster.dial(&proxy, address);
    let sender = at_proxy.up().await;
    at_server.up().await;

    let mut silent = Vec::new();
    for _ in 0..NODE_HANDSHAKES_PENDING_MAX + 8 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    eventually("the surplus is closed", || {
        server.stats.refused("handshakes_pending") == 8
    })
    .await;
    let other = cluster.node(PROXY + 1, Role::Proxy);
    let mut at_other = cluster.dial(&other, address);
    sender.try_send(&ack(1)).unwrap();
    assert_eq!(at_server.messages(1).await, [ack(1)]);
    let waited = Instant::now();
    at_other.up().await;
    assert!(waited.elapsed() > Duration::from_secs(2));
    eventually("all silent ones are given up", || {
        server.stats.refused("too_late") == NODE_HANDSHAKES_PENDING_MAX as u64
    })
    .await;
    // Closed without a word.
    for mut stranger in silent {
        assert_eq!(stranger.read(&mut [0; 64]).await.unwrap_or(0), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn throughput_is_printed() {
    const COUNT: u64 = 200_000;
    let cluster = Cluster::new();
    let (server, proxy) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let (address, mut at_server) = cluster.serve(&server).await;
    let mut at_proxy = cluster.dial(&proxy, address);
    let sender = at_proxy.up().await;
    at_server.up().await;
    let command = |number| {
        ProxyToServer::from(Command {
            user: 1,
            number,
            body: vec![0; 50].into(),
            ..Command::default()
        })
    };
    let started = Instant::now();
    let sending = tokio::task::spawn_blocking(move || {
        for number in 1..=COUNT {
            // Far below what a link may hold back, as a producer that listens would stay.
            while number % 64 == 0 && sender.queued_bytes() > 4 << 20 {
                std::thread::sleep(Duration::from_millis(1));
            }
            sender.try_send(&command(number)).unwrap();
        }
    });
    let mut expected = 1;
    while expected <= COUNT {
        for message in at_server.messages(1).await {
            assert_eq!(message, command(expected));
            expected += 1;
        }
    }
    sending.await.unwrap();
    let rate = COUNT as f64 / started.elapsed().as_secs_f64() / 1000.0;
    let bytes = command(COUNT).encoded_len();
    println!("one link, messages of {bytes} B encoded, sealed, opened, decoded: {rate:.0} k/s");
}
