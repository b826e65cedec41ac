//! Links between nodes over real sockets: they come up, carry messages by class, come back, notice the dead, and are
//! refused to whoever is not who it must be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod cluster;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cluster::{Cluster, PROXY, SERVER, eventually, uuid};
use net::link::{LinkConfig, LinkContext, PapersOf, recheck};
use net::link_core::{DownReason, WAITING_BYTES_MAX};
use protocol::Code;
use protocol::identity::{AuthorityKey, Role};
use protocol::limits::NODE_HANDSHAKES_PENDING_MAX;
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::message::node::Kick;
use protocol::message::player::{Event as PlayerEvent, EventAck, Moved};
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
    let (up, down) = (at_proxy.up().await, at_server.up().await);
    assert_eq!((up.peer.uuid, up.peer.role), (uuid(SERVER), Role::GameServer));
    assert_eq!(
        (down.peer.uuid, down.peer.number.0),
        (uuid(PROXY), u16::from(PROXY))
    );

    up.say_all([ack(1), ack(2), ack(3)]);
    assert_eq!(at_server.messages(3).await, [ack(1), ack(2), ack(3)]);

    let (kick, moved) = (
        ServerToProxy::from(Kick::default()),
        ServerToProxy::from(Moved::default()),
    );
    down.say_all([cells(1, 9), event(1, 9), moved.clone(), event(2, 9), kick.clone()]);
    let expected = [kick, moved, event(1, 9), event(2, 9), cells(1, 9)];
    assert_eq!(at_proxy.messages(5).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_comes_back_when_its_listener_does() {
    let cluster = Cluster::new();
    let (server, proxy) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let address = Arc::new(Mutex::new(None));
    let current = address.clone();
    let mut at_proxy = cluster.dial_at(&proxy, move || *current.lock().unwrap());
    let mut last = None;
    for number in 0..3 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        *address.lock().unwrap() = Some(listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let mut at_server = cluster.serve_at(&server, listener, stop.clone());
        let (up, down) = (at_proxy.up().await, at_server.up().await);
        assert!(last.is_none_or(|last| last < up.id));
        last = Some(up.id);
        up.say(ack(number));
        assert_eq!(at_server.messages(1).await, [ack(number)]);
        stop.cancel();
        down.close(Code::Draining);
        assert_eq!(at_proxy.down().await, DownReason::ClosedByPeer(Code::Draining));
        assert_eq!(at_server.down().await, DownReason::Closed(Code::Draining));
        up.say(ack(9));
        assert!(at_server.nothing_waits(), "nobody hears it");
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
    at_proxy.up().await;
    let down = at_server.up().await;
    let sent: Vec<_> = (0..2_000).map(|number| event(number, 500)).collect();
    down.say_all(sent.clone());
    down.close(Code::Draining);
    down.say(event(9, 9));
    assert_eq!(at_proxy.messages(2_000).await, sent);
    assert_eq!(at_proxy.down().await, DownReason::ClosedByPeer(Code::Draining));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_frozen_peer_is_too_slow_and_comes_back_when_it_lives_again() {
    let cluster = Cluster::new();
    let config = LinkConfig {
        dead_ms: 20_000,
        ..LinkConfig::default()
    };
    let server = cluster.node_with(SERVER, Role::GameServer, config, 3_600_000, 1);
    let proxy = cluster.node(PROXY, Role::Proxy);
    let (address, mut at_server) = cluster.serve(&server).await;
    let mut at_proxy = cluster.dial(&proxy, address);
    let down = at_server.up().await;
    at_proxy.up().await;
    at_proxy.gate.store(true, Ordering::Relaxed);
    // More than a link and the kernel hold together.
    let updates = WAITING_BYTES_MAX / 50_000 + 400;
    down.say_all((0..updates as u64).map(|tick| cells(tick, 50_000)));
    assert_eq!(at_server.down().await, DownReason::Closed(Code::SlowConsumer));
    at_proxy.gate.store(false, Ordering::Relaxed);
    at_proxy.down().await;
    at_server.up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_peer_whose_process_hangs_is_dead_within_two_seconds() {
    let cluster = Cluster::new();
    let (server, proxy) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let (address, mut at_server) = cluster.serve(&server).await;
    let mut at_proxy = cluster.dial(&proxy, address);
    let down = at_server.up().await;
    at_proxy.up().await;
    at_proxy.gate.store(true, Ordering::Relaxed);
    let hung_at = Instant::now();
    down.say(event(1, 9));
    assert_eq!(at_server.down().await, DownReason::Dead);
    let silence = hung_at.elapsed();
    at_proxy.gate.store(false, Ordering::Relaxed);
    assert!((1_400..9_000).contains(&silence.as_millis()), "{silence:?}");
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
    let good_link = at_good.up().await;
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
        good_link.say(ack(1));
        assert_eq!(at_server.messages(1).await, [ack(1)]);
    }
}

/// Whosever papers are out of time, and whoever dials: both are told whose they are, and how far the clocks are apart.
#[tokio::test(flavor = "multi_thread")]
async fn papers_out_of_time_are_named_on_both_sides() {
    let cluster = Cluster::new();
    let expired = |number, role| cluster.node_with(number, role, LinkConfig::default(), -1_000, 1);
    let (server, late_proxy) = (cluster.node(SERVER, Role::GameServer), expired(102, Role::Proxy));
    let (address, _at_server) = cluster.serve(&server).await;
    let _at_proxy = cluster.dial(&late_proxy, address);
    let whose = |context: &LinkContext, peer| context.stats.paper_trouble(uuid(peer)).map(|told| told.whose);
    eventually("the server tells", || whose(&server, 102) == Some(PapersOf::Peer)).await;
    eventually("the proxy tells", || {
        whose(&late_proxy, SERVER) == Some(PapersOf::ThisNode)
    })
    .await;
    let told = late_proxy.stats.why_unreached(uuid(SERVER)).unwrap();
    assert!(
        told.contains("refuses this node's certificate") && told.contains("its clock is 0."),
        "{told}"
    );

    // The dialer finds out first, and says nothing: the other side looks at its own.
    let other = Cluster::new();
    let late_server = other.node_with(SERVER, Role::GameServer, LinkConfig::default(), -1_000, 1);
    let proxy = other.node(PROXY, Role::Proxy);
    let (address, _at_late) = other.serve(&late_server).await;
    let _at_early = other.dial(&proxy, address);
    eventually("the proxy tells", || {
        whose(&proxy, SERVER) == Some(PapersOf::Peer)
    })
    .await;
    eventually("the server tells", || late_server.stats.own_papers_ended()).await;

    // A renewed certificate is shown at the next dial, without a new start.
    let renewed = cluster.certificate(102, 3_600_000);
    late_proxy.renew(&renewed).unwrap();
    eventually("they are linked", || {
        whose(&server, 102).is_none() && whose(&late_proxy, SERVER).is_none()
    })
    .await;
    let foreign = cluster.certificate(103, 3_600_000);
    assert!(late_proxy.renew(&foreign).is_err(), "another node's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_another_store_is_noticed_on_both_sides_and_nobody_else_is_hurt() {
    let cluster = Cluster::new();
    let server = cluster.node(SERVER, Role::GameServer);
    let (address, mut events) = cluster.serve(&server).await;
    let proxy = cluster.node(PROXY, Role::Proxy);
    let _dialing = cluster.dial(&proxy, address);
    events.up().await;
    let stray = cluster.stray(PROXY + 1, Role::Proxy);
    let _straying = cluster.dial(&stray, address);
    let met = |context: &LinkContext| context.store_peers.met(context.clock.now_ms());
    eventually("the stray is told", || met(&stray).others == [uuid(SERVER)]).await;
    eventually("the server knows", || met(&server).others == [uuid(PROXY + 1)]).await;
    assert_eq!((met(&server).ours, met(&stray).ours), (1, 0));
    assert_eq!((met(&proxy).ours, met(&proxy).others.len()), (1, 0));
    assert!(server.stats.refused("other_store") > 0 && stray.stats.refused("other_store") > 0);
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

    // Whoever owns a link asks again about its peer when the topology has changed.
    let revoked = cluster.node(PROXY + 1, Role::Proxy);
    let mut at_revoked = cluster.dial(&revoked, address);
    at_revoked.up().await;
    let link = at_server.up().await;
    assert_eq!(recheck(&link.peer, &*server.directory), Ok(()));
    cluster.directory.set(PROXY + 1, PeerStanding::Revoked);
    let code = recheck(&link.peer, &*server.directory).unwrap_err();
    link.close(code);
    assert_eq!(at_server.down().await, DownReason::Closed(Code::Revoked));
    assert_eq!(at_revoked.down().await, DownReason::ClosedByPeer(Code::Revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_strangers_give_way_and_live_links_go_on() {
    let cluster = Cluster::new();
    let (server, proxy) = (
        cluster.node(SERVER, Role::GameServer),
        cluster.node(PROXY, Role::Proxy),
    );
    let (address, mut at_server) = cluster.serve(&server).await;
    let mut at_proxy = cluster.dial(&proxy, address);
    let link = at_proxy.up().await;
    at_server.up().await;

    let mut silent = Vec::new();
    for _ in 0..NODE_HANDSHAKES_PENDING_MAX + 8 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    eventually("the oldest give way", || {
        server.stats.refused("handshake_gave_way") == 8
    })
    .await;
    let other = cluster.node(PROXY + 1, Role::Proxy);
    let mut at_other = cluster.dial(&other, address);
    at_other.up().await;
    link.say(ack(1));
    assert_eq!(at_server.messages(1).await, [ack(1)]);
    eventually("all silent ones are given up", || {
        let given_up = server.stats.refused("too_late") + server.stats.refused("handshake_gave_way");
        given_up == silent.len() as u64
    })
    .await;
    // Closed without a word.
    for mut stranger in silent {
        assert_eq!(stranger.read(&mut [0; 64]).await.unwrap_or(0), 0);
    }
}
