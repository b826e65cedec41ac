//! TLS at a real proxy: sessions over it, who comes in clear, a certificate that is renewed, and who does not keep to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may"
)]

mod tool;
mod world;

use std::net::SocketAddr;
use std::time::Duration;

use net::connection::Connection;
use net::websocket::Form;
use node::life::Node;
use protocol::Code;
use protocol::message::client::{Logout, Ping};
use protocol::message::family::{ProxyToClient, ProxyToServer};
use protocol::message::player::{Event, LeaveReason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tool::Tool;
use world::client::Client;
use world::secure::{secure, secured};
use world::server::joined;
use world::{A, World, eventually};

/// What is answered until the proxy closes, or until it says nothing more for a while.
async fn answered(mut io: Connection, request: &str) -> String {
    io.write_all(request.as_bytes()).await.unwrap();
    io.flush().await.unwrap();
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(20), io.read_to_end(&mut answer));
    let _ = reading.await.expect("the proxy closes");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str, at: SocketAddr) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")
}

async fn in_clear(at: SocketAddr, request: &str) -> String {
    answered(TcpStream::connect(at).await.unwrap().into(), request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_plays_over_tls_in_a_shard_as_others_do() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy_with(&world.tls_settings("one")).await;
    server.serve(101, world.region_epoch).await;
    let at = proxy.addresses().http;
    let page = answered(secure(at, "one").await.unwrap(), &get("/", at)).await;
    assert!(
        page.starts_with("HTTP/1.1 200 ") && page.contains("<!doctype html>"),
        "{page}"
    );
    let io = secure(at, "one").await.unwrap();
    let mut browser = Client::browser_on(io, world.trust(), at, "Ada").await;
    browser.attach().await;
    let join = server.join(101).await;
    let epoch = world.own(browser.welcome.user).await;
    server.say(101, joined(&join, epoch, world.region_epoch));
    browser.playing().await;
    for sent_at_us in 1..=50 {
        browser
            .say(Ping {
                sent_at_us,
                echo_us: 0,
            })
            .await;
        let echo = browser.heard("an echo", |message| match message {
            ProxyToClient::Ping(ping) => Some(ping.echo_us),
            _ => None,
        });
        assert_eq!(echo.await, sent_at_us);
    }
    // More than a record of TLS, and more than a message of a WebSocket, in one go.
    let body = bytes::Bytes::from(vec![7; 1_000]);
    for number in 1..=100 {
        let event = Event {
            user: join.user,
            owner_epoch: epoch,
            number,
            body: body.clone(),
            session_generation: browser.welcome.session_generation.0,
        };
        server.say(101, event);
    }
    for wanted in 1..=100 {
        let number = browser.heard("an event", |message| match message {
            ProxyToClient::Event(event) => Some(event.number),
            _ => None,
        });
        assert_eq!(number.await, wanted);
    }
    browser.say(Logout {}).await;
    let left = server.heard(|_, message| match message {
        ProxyToServer::Leave(leave) => Some(leave.reason()),
        _ => None,
    });
    assert_eq!(left.await, LeaveReason::Logout);
    browser.over().await;
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_clear_is_told_where_to_go_and_served_nothing() {
    let world = World::new().await;
    let proxy = world.proxy_with(&world.tls_settings("one")).await;
    let at = proxy.addresses().http;
    let answer = in_clear(at, &get("/assets/page.js?x=1", at)).await;
    let there = format!("location: https://{at}/assets/page.js?x=1\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 307 ") && answer.contains(&there),
        "{answer}"
    );
    for request in [
        get("/", at).replace("GET", "POST"),
        get("/", at).replace(&at.to_string(), "stranger.example"),
        get("/mesh", at).replace(
            "Connection: close",
            "Upgrade: websocket\r\nConnection: close, upgrade",
        ),
    ] {
        let answer = in_clear(at, &request).await;
        let is_told = answer.starts_with("HTTP/1.1 400 ") && answer.contains("here TLS is spoken");
        assert!(is_told && !answer.contains("location:"), "{request}: {answer}");
    }
    assert_eq!(proxy.refused("http_clear"), 4);
    proxy.drain().await;
}

/// What a balancer says of a client in another network.
fn header(over_tls: u8) -> Vec<u8> {
    let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14".to_vec();
    [
        &head[..],
        &[
            192, 0, 2, 7, 10, 0, 0, 1, 31, 144, 0, 80, 32, 0, 5, over_tls, 0, 0, 0, 0,
        ],
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_may_speak_over_tls_from_anywhere_also_through_a_balancer_that_passes_it_on_or_ends_it() {
    let world = World::new().await;
    let mut settings = world.tls_settings("one");
    settings.clients.balancers = vec!["127.0.0.0/8".to_owned()];
    let proxy = world.proxy_with(&settings).await;
    let at = proxy.addresses().http;
    let behind = async |over_tls| {
        let mut io = TcpStream::connect(at).await.unwrap();
        io.write_all(&header(over_tls)).await.unwrap();
        io
    };
    let passed_on = secured(behind(0).await, "one").await.unwrap();
    let mut tool = Tool::on(passed_on, at, Form::Text, "regionmesh.v1.json").await;
    tool.say(br#"{"type": "fly"}"#).await;
    assert!(
        tool.heard("close").await["text"]
            .as_str()
            .unwrap()
            .contains("fly")
    );
    let mut ended = Tool::on(behind(1).await.into(), at, Form::Text, "regionmesh.v1.json").await;
    ended.say(br#"{"type": "swim"}"#).await;
    assert!(
        ended.heard("close").await["text"]
            .as_str()
            .unwrap()
            .contains("swim")
    );
    let answer = answered(behind(0).await.into(), &get("/", at)).await;
    assert!(answer.starts_with("HTTP/1.1 307 "), "{answer}");
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_to_the_next_and_a_bad_one_to_nobody() {
    let world = World::new().await;
    let settings = world.tls_settings("one");
    let node = Node::in_process(settings.node.clone());
    let proxy = world.proxy_of(&settings, &node).await;
    let at = proxy.addresses().http;
    let is_shown = async |name: &'static str| secure(at, name).await.is_ok();
    assert!(is_shown("one").await && !is_shown("other").await);
    eventually("distrust is counted", || proxy.refused("tls_handshake") > 0).await;
    let io = secure(at, "one").await.unwrap();
    let mut early = Client::browser_on(io, world.trust(), at, "Ada").await;
    early.attach().await;
    let ping = |sent_at_us| Ping {
        sent_at_us,
        echo_us: 0,
    };
    let told = |part: &str| node.readiness.report().verbose().contains(part);
    // One without its key, an expired one, and one that others may read.
    world.write_certificate("other");
    eventually("strangers are told of", || {
        told("is not that of the first certificate")
    })
    .await;
    assert!(is_shown("one").await);
    early.say(ping(1)).await;
    world.write_certificate("expired");
    world.write_key("expired");
    eventually("expiry is told of", || told("the new certificate expired")).await;
    assert!(is_shown("one").await && told("the one before stays in use"));
    early.say(ping(2)).await;
    world.write_certificate("other");
    world.write_key("other");
    eventually("the good one is taken", || !told("new certificate")).await;
    assert!(is_shown("other").await && !is_shown("one").await);
    // Who was here before stays.
    early.say(ping(7)).await;
    let echo = early.heard("an echo", |message| match message {
        ProxyToClient::Ping(ping) if ping.echo_us == 7 => Some(ping.echo_us),
        _ => None,
    });
    assert_eq!(echo.await, 7);
    assert!(told("tls: the certificate has ") && told("`url` with https://"));
    let scraped = node.live.render();
    assert!(
        scraped.contains("regionmesh_proxy_tls_certificate_left_seconds "),
        "{scraped}"
    );
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_is_no_good_keeps_a_proxy_from_starting_and_says_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    let settings = world.tls_settings("one");
    let (certificate, key) = (settings.tls.certificate.clone(), settings.tls.key.clone());
    let started = async || {
        let node = Node::in_process(settings.node.clone());
        let started = proxy::server::Proxy::start_with(&settings, &node, world.store()).await;
        started
            .err()
            .map_or_else(String::new, |failure| failure.to_string())
    };
    for (what, change, wanted) in [
        (
            "no key",
            Box::new(|| std::fs::write(&key, "nothing").unwrap()) as Box<dyn Fn()>,
            "http.key (tls.key) holds no private key",
        ),
        (
            "encrypted",
            Box::new(|| std::fs::write(&key, "-----BEGIN ENCRYPTED PRIVATE KEY-----").unwrap()),
            "openssl pkey",
        ),
        (
            "another's",
            Box::new(|| world.write_key("other")),
            "issued together",
        ),
        (
            "no certificate",
            Box::new(|| std::fs::write(&certificate, "").unwrap()),
            "http.pem (tls.certificate) holds no certificate",
        ),
        (
            "missing",
            Box::new(|| std::fs::remove_file(&certificate).unwrap()),
            "http.pem: No such file",
        ),
    ] {
        change();
        let failure = started().await;
        assert!(failure.contains(wanted), "{what}: {failure}");
    }
    world.write_certificate("one");
    world.write_key("one");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let failure = started().await;
    assert!(failure.contains("chmod 600"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_a_handshake_and_does_not_end_it_holds_a_place_for_its_time_and_no_longer() {
    let world = World::new().await;
    let mut settings = world.tls_settings("one");
    settings.clients.exempt = Vec::new();
    settings.http.connections_max = 8;
    let proxy = world.proxy_with(&settings).await;
    let at = proxy.addresses().http;
    // An eighth of 8 is 1: whoever comes while that one is held is turned away.
    let mut half = TcpStream::connect(at).await.unwrap();
    half.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await.unwrap();
    assert!(secure(at, "one").await.is_err());
    assert_eq!(proxy.refused("http_connections_of_network"), 1);
    eventually("lateness is counted", || proxy.refused("tls_late") == 1).await;
    let mut garbage = TcpStream::connect(at).await.unwrap();
    garbage.write_all(&[22; 600]).await.unwrap();
    let mut answer = Vec::new();
    let _ = garbage.read_to_end(&mut answer).await;
    eventually("garbage is counted", || proxy.refused("tls_handshake") == 1).await;
    let page = answered(secure(at, "one").await.unwrap(), &get("/join.json", at)).await;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_tls_in_a_session_or_reads_too_slowly_is_cut_off_and_counted() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy_with(&world.tls_settings("one")).await;
    server.serve(101, world.region_epoch).await;
    let at = proxy.addresses().http;
    let io = secure(at, "one").await.unwrap();
    let mut browser = Client::browser_on(io, world.trust(), at, "Ada").await;
    browser.attach().await;
    let join = server.join(101).await;
    let epoch = world.own(browser.welcome.user).await;
    server.say(101, joined(&join, epoch, world.region_epoch));
    browser.playing().await;
    let body = bytes::Bytes::from(vec![7; 1_000]);
    let session_generation = browser.welcome.session_generation.0;
    let mut number = 0;
    while proxy.refused("client_slow") == 0 {
        for _ in 0..100 {
            number += 1;
            let event = Event {
                user: join.user,
                owner_epoch: epoch,
                number,
                body: body.clone(),
                session_generation,
            };
            server.say(101, event);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(number < 200_000, "it is never cut off");
    }
    assert_eq!(browser.closed().await.code, Code::SlowConsumer);
    browser.over().await;
    let io = secure(at, "one").await.unwrap();
    let mut broken = Client::browser_on(io, world.trust(), at, "Bob").await;
    broken.attach().await;
    broken.break_framing().await;
    eventually("the fault is counted", || proxy.refused("tls_broken") == 1).await;
    broken.over().await;
    eventually("the session is over", || proxy.sessions().sessions == 0).await;
    proxy.drain().await;
}
