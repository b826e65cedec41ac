//! Browsers at a real proxy: what HTTP answers, who is let in, and a session over WebSocket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may"
)]

mod accounts;
mod looks;
mod quic;
mod tool;
mod world;

use std::net::SocketAddr;
use std::time::Duration;

use net::clock::Monotonic;
use net::sealed_stream::StreamError;
use net::websocket::{Form, Over};
use protocol::Code;
use protocol::ids::UserId;
use protocol::message::client::{Input, Logout, Ping};
use protocol::message::family::{ProxyToClient, ProxyToServer};
use protocol::message::player::{LeaveReason, Output};
use protocol::message::subscription::TickEnd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tool::Tool;
use world::client::{Client, upgraded};
use world::server::joined;
use world::{A, HOME, WEST, World, eventually};

/// Waits until something that takes its time holds.
async fn eventually_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// Sends bytes as they are; everything that is answered until the proxy closes.
async fn answered(at: SocketAddr, request: &str) -> String {
    let mut io = TcpStream::connect(at).await.unwrap();
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(20), io.read_to_end(&mut answer));
    // One that was closed with something unread ends in an error, and says what it said before.
    let _ = reading.await.expect("the proxy closes");
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(method: &str, path: &str, at: SocketAddr, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{more}\r\n")
}

fn mesh(at: SocketAddr, more: &str) -> String {
    format!(
        "GET /mesh HTTP/1.1\r\nHost: {at}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const SEALED: &str = "Sec-WebSocket-Protocol: regionmesh.v1\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_with_what_keeps_a_browser_from_misusing_it() {
    let world = World::new().await;
    let proxy = world.proxy("edge-1").await;
    let at = proxy.addresses().http;
    let page = answered(at, &request("GET", "/", at, "")).await;
    let page = page.to_ascii_lowercase();
    for part in [
        "http/1.1 200 ok\r\n",
        "content-type: text/html; charset=utf-8\r\n",
        "cache-control: no-cache\r\n",
        "x-content-type-options: nosniff\r\n",
        "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self';",
        "frame-ancestors 'none'; connect-src 'self' http://127.0.0.1:0 ws://127.0.0.1:0",
        "<!doctype html>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let (_, etag) = page.split_once("etag: ").unwrap();
    let (etag, _) = etag.split_once("\r\n").unwrap();
    let known = format!("If-None-Match: {etag}\r\n");
    let known = answered(at, &request("GET", "/", at, &known)).await;
    assert!(
        known.starts_with("HTTP/1.1 304 ") && !known.contains("<!doctype"),
        "{known}"
    );
    let join = answered(at, &request("GET", "/join.json", at, "")).await;
    assert!(join.contains("access-control-allow-origin: *\r\n"), "{join}");
    let (_, join) = join.split_once("\r\n\r\n").unwrap();
    let join: serde_json::Value = serde_json::from_str(join).unwrap();
    let key = world.trust().authorities.current.to_bytes();
    assert_eq!(join["authority_public_key"], node::files::hex(&key));
    for (method, path, status) in [
        ("GET", "/assets/none.js", "404"),
        ("GET", "/..%2fCargo.toml", "404"),
        ("GET", "/../Cargo.toml", "404"),
        ("HEAD", "/", "200"),
        ("POST", "/", "405"),
        ("DELETE", "/join.json", "405"),
    ] {
        let answer = answered(at, &request(method, path, at, "")).await;
        let found = answer.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(found && answer.contains("nosniff"), "{method} {path}: {answer}");
    }
    let other = request("GET", "/", at, "").replace(&at.to_string(), "rebound.example");
    let other = answered(at, &other).await;
    assert!(
        other.starts_with("HTTP/1.1 421 ") && proxy.refused("http_host") == 1,
        "{other}"
    );
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_not_to_be_had_is_refused_with_the_reason() {
    let world = World::new().await;
    let proxy = world.proxy("edge-1").await;
    let at = proxy.addresses().http;
    let good = format!("{KEY}{SEALED}");
    for (more, status, says, label) in [
        (
            format!("{KEY}Sec-WebSocket-Protocol: chat, regionmesh.v9\r\n"),
            "400",
            "spoken here: regionmesh.v1, regionmesh.map.v1, regionmesh.v1.json, regionmesh.v1.msgpack",
            "http_upgrade",
        ),
        (
            KEY.to_owned(),
            "400",
            "spoken here: regionmesh.v1",
            "http_upgrade",
        ),
        (SEALED.to_owned(), "400", "Sec-WebSocket-Key", "http_upgrade"),
        (
            format!("{good}Origin: https://evil.example\r\n"),
            "403",
            "http.origins",
            "http_origin",
        ),
        (
            format!("{good}Origin: null\r\n"),
            "403",
            "http.origins",
            "http_origin",
        ),
    ] {
        let before = proxy.refused(label);
        let answer = answered(at, &mesh(at, &more)).await;
        let is_told = answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(says);
        assert!(is_told, "{more}: {answer}");
        assert_eq!(proxy.refused(label), before + 1, "{more}");
    }
    for wrong in [
        mesh(at, &good)
            .replace("version: 13", "version: 8")
            .replace("Version: 13", "Version: 8"),
        request("GET", "/mesh", at, ""),
    ] {
        let answer = answered(at, &wrong).await;
        let is_told = answer.starts_with("HTTP/1.1 426 ") && answer.contains("sec-websocket-version: 13");
        assert!(is_told, "{answer}");
    }
    // From here on it is as at the other door: who says nothing is not kept.
    let origin = format!("{good}Origin: http://localhost:5173\r\n");
    let answer = answered(at, &mesh(at, &origin)).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    eventually("lateness is counted", || proxy.refused("handshake_late") == 1).await;
    // Who is passed on by a proxy of HTTP on this machine is not on it.
    let words = format!("{KEY}Sec-WebSocket-Protocol: regionmesh.v1.json\r\nX-Forwarded-For: 192.0.2.7\r\n");
    let answer = answered(at, &mesh(at, &words)).await;
    let is_told = answer.starts_with("HTTP/1.1 403 ") && answer.contains("clients.balancers");
    assert!(is_told && proxy.refused("http_private") == 1, "{answer}");
    // The same, to somebody who only pings.
    let pings = [&b"\x89\x80\0\0\0\0"[..]; 400].concat();
    let mut io = TcpStream::connect(at).await.unwrap();
    io.write_all(mesh(at, &good).as_bytes()).await.unwrap();
    io.write_all(&pings).await.unwrap();
    eventually("a flood is counted", || proxy.refused("websocket_flood") == 1).await;
    proxy.drain().await;
}

/// A browser that plays in the west: inputs go over its stream, and snapshots come over it.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_plays_over_its_socket_as_others_do_over_tcp() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy("edge-1").await;
    server.serve(101, world.region_epoch).await;
    let mut browser = Client::browser(world.trust(), proxy.addresses().http, "Ada").await;
    browser.attach().await;
    let join = server.join(101).await;
    assert_eq!(join.name, "Ada");
    let epoch = world.own(browser.welcome.user).await;
    server.say(101, joined(&join, epoch, world.region_epoch));
    browser.playing().await;
    let input = Input {
        number: 1,
        inputs: vec![bytes::Bytes::from_static(b"go")],
        ..Input::default()
    };
    browser.say(input).await;
    let heard = server.heard(|_, message| match message {
        ProxyToServer::Inputs(inputs) => Some(inputs.user),
        _ => None,
    });
    assert_eq!(heard.await, join.user);
    let output = Output {
        user: join.user,
        owner_epoch: epoch,
        tick: 7,
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
        tick: 7,
        server_time_ms: 350,
        outputs: 0,
        cells: 0,
    };
    server.say(101, end);
    let own = browser.heard("a snapshot", |message| match message {
        ProxyToClient::Snapshot(snapshot) if !snapshot.own.is_empty() => Some(snapshot.own.clone()),
        _ => None,
    });
    assert_eq!(&own.await[..], b"here");
    let ping = Ping {
        sent_at_us: 77,
        echo_us: 0,
    };
    browser.say(ping).await;
    let echo = browser.heard("an echo", |message| match message {
        ProxyToClient::Ping(ping) => Some(ping.echo_us),
        _ => None,
    });
    assert_eq!(echo.await, 77);
    browser.say(Logout {}).await;
    let left = server.heard(|_, message| match message {
        ProxyToServer::Leave(leave) => Some(leave.reason()),
        _ => None,
    });
    assert_eq!(left.await, LeaveReason::Logout);
    assert!(matches!(
        browser.over().await,
        StreamError::WebSocket(Over::Closed) | StreamError::Eof
    ));
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_says_goodbye_in_a_frame_and_closes_the_socket() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy("edge-1").await;
    server.serve(101, world.region_epoch).await;
    let mut browser = Client::browser(world.trust(), proxy.addresses().http, "Ada").await;
    browser.attach().await;
    server.join(101).await;
    let draining = tokio::spawn(proxy.drain());
    assert_eq!(browser.closed().await.code, Code::Draining);
    browser.over().await;
    draining.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_the_framing_is_closed_with_the_code_that_says_how() {
    let world = World::new().await;
    let proxy = world.proxy("edge-1").await;
    let at = proxy.addresses().http;
    // In the handshake …
    let mut io = TcpStream::connect(at).await.unwrap();
    io.write_all(mesh(at, &format!("{KEY}{SEALED}")).as_bytes())
        .await
        .unwrap();
    io.write_all(&[0x81, 0x81, 1, 2, 3, 4, 5]).await.unwrap();
    eventually("text is counted", || proxy.refused("websocket_text") == 1).await;
    // … and from a session, whose player stays.
    let mut browser = Client::browser(world.trust(), at, "Ada").await;
    browser.attach().await;
    browser.break_framing().await;
    eventually("the fault is counted", || {
        proxy.refused("websocket_protocol") == 1
    })
    .await;
    browser.over().await;
    eventually("the session is over", || proxy.sessions().sessions == 0).await;
    drop(upgraded(at, Monotonic::default()).await);
    eventually("who hangs up is not kept", || {
        proxy.refused("handshake_stream") == 1
    })
    .await;
    proxy.drain().await;
}

/// A header of a balancer for a client at this address.
fn header(from: [u8; 4], over_tls: bool) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14".to_vec();
    bytes.extend(from);
    bytes.extend([
        10,
        0,
        0,
        1,
        0x1F,
        0x90,
        0,
        80,
        0x20,
        0,
        5,
        u8::from(over_tls),
        0,
        0,
        0,
        0,
    ]);
    bytes
}

async fn answered_behind(at: SocketAddr, header: &[u8], request: &str) -> String {
    let mut io = TcpStream::connect(at).await.unwrap();
    io.write_all(&[header, request.as_bytes()].concat())
        .await
        .unwrap();
    let mut answer = vec![0; 4_096];
    let read = tokio::time::timeout(Duration::from_secs(20), io.read(&mut answer)).await;
    answer.truncate(read.expect("the proxy answers").unwrap_or(0));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_privacy_go_by_who_is_behind_the_balancer() {
    let world = World::new().await;
    let mut settings = world.settings("edge-1");
    settings.clients.balancers = vec!["127.0.0.0/8".to_owned()];
    settings.http.connections_max = 8;
    let proxy = world.proxy_with(&settings).await;
    let at = proxy.addresses().http;
    let page = request("GET", "/", at, "");
    for network in 0..3 {
        let answer = answered_behind(at, &header([192, 0, network, 7], false), &page).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // One of 203.0.113.0/24 holds all that its network may have, and another network is served all the same.
    let mut held = TcpStream::connect(at).await.unwrap();
    held.write_all(&header([203, 0, 113, 7], false)).await.unwrap();
    held.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let shares = || proxy.refused("http_connections_of_network");
    for _ in 0..1_000 {
        if shares() > 0 {
            break;
        }
        answered_behind(at, &header([203, 0, 113, 99], false), &page).await;
    }
    assert!(shares() > 0, "its network has its share");
    let answer = answered_behind(at, &header([198, 51, 100, 7], false), &page).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // A balancer on this machine makes nobody private; its TLS mark does.
    let tool = mesh(
        at,
        &format!("{KEY}Sec-WebSocket-Protocol: regionmesh.v1.json\r\n"),
    );
    let answer = answered_behind(at, &header([198, 51, 101, 7], false), &tool).await;
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && proxy.refused("http_private") == 1,
        "{answer}"
    );
    let answer = answered_behind(at, &header([198, 51, 102, 7], true), &tool).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    for door in [at, proxy.addresses().tcp] {
        let before = proxy.refused("balancer_header");
        assert_eq!(answered_behind(door, b"", &page).await, "");
        eventually("it is counted", || proxy.refused("balancer_header") == before + 1).await;
    }
    proxy.drain().await;
}

/// Whole words of a tool in JSON, over a socket that knows nothing of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_plays_in_words_and_hears_what_is_wrong_with_them() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = world.proxy("edge-1").await;
    server.serve(101, world.region_epoch).await;
    let at = proxy.addresses().http;
    let mut tool = Tool::connect(at, Form::Text, "regionmesh.v1.json").await;
    tool.say(br#"{"type": "join", "name": "Robot"}"#).await;
    let join = server.join(101).await;
    assert_eq!(join.name, "Robot");
    let epoch = world.own(UserId(join.user)).await;
    server.say(101, joined(&join, epoch, world.region_epoch));
    let word = tool.heard("welcome").await;
    assert_eq!(word["user"], join.user.to_string());
    assert_eq!(tool.heard("world").await["width"], 256);
    assert_eq!(tool.heard("playing").await["entity"], world::ENTITY.0.to_string());
    tool.say(br#"{"type": "input", "input": "Z28="}"#).await;
    let heard = server.heard(|_, message| match message {
        ProxyToServer::Inputs(inputs) => inputs
            .inputs
            .first()
            .filter(|input| &input[..] == b"go")
            .map(|_| inputs.user),
        _ => None,
    });
    assert_eq!(heard.await, join.user);
    tool.say(br#"{"type": "fly"}"#).await;
    let word = tool.heard("close").await;
    assert_eq!(word["code"], u32::from(Code::Protocol.number()));
    assert!(word["text"].as_str().unwrap().contains("fly"), "{word}");
    assert_eq!(proxy.refused("tool_word"), 1);
    // {"type": "join", "name": "Packed"} in MessagePack.
    let mut packed = Tool::connect(at, Form::Binary, "regionmesh.v1.msgpack").await;
    packed.say(b"\x82\xA4type\xA4join\xA4name\xA6Packed").await;
    assert_eq!(server.join(101).await.name, "Packed");
    drop(packed);
    // A close that comes with a word, in one write.
    let mut leaving = Tool::connect(at, Form::Text, "regionmesh.v1.json").await;
    leaving.messages.send(br#"{"type": "join", "name": "Gone"}"#);
    leaving.messages.close();
    leaving.say_staged().await;
    let mut rest = Vec::new();
    let closing = tokio::time::timeout(Duration::from_secs(20), leaving.io.read_to_end(&mut rest)).await;
    let _ = closing.expect("its close is noticed");
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_a_number_of_requests() {
    let world = World::new().await;
    let proxy = world.proxy("edge-1").await;
    let at = proxy.addresses().http;
    let one = format!("HEAD / HTTP/1.1\r\nHost: {at}\r\n\r\n");
    let answers = answered(at, &one.repeat(140)).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 128);
    assert_eq!(
        answers.matches("connection: close").count(),
        1,
        "the last one says so"
    );
    proxy.drain().await;
}

/// A connection that has begun a header, if it was let in.
async fn half_asked(at: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await;
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_gets_its_share_of_connections_and_a_slow_or_long_header_ends_one() {
    let world = World::new().await;
    let mut settings = world.settings("edge-1");
    settings.clients.exempt = Vec::new();
    settings.http.connections_max = 8;
    let proxy = world.proxy_with(&settings).await;
    let at = proxy.addresses().http;
    // An eighth of 8 is 1. On a machine that takes long to connect, the first gives way to the second, and so on.
    let (kept_out, gone) = (
        || proxy.refused("http_connections_of_network"),
        || proxy.refused("http_gave_way"),
    );
    let mut slow = half_asked(at).await;
    while kept_out() == 0 {
        let before = gone();
        let next = half_asked(at).await;
        eventually("one of the two is closed", || kept_out() == 1 || gone() > before).await;
        if gone() > before {
            slow = next;
        }
    }
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut heard))
        .await
        .expect("a header has its time");
    eventually("slowness is counted", || proxy.refused("http_idle") == 1).await;
    let long = format!("X: {}\r\n", "x".repeat(20_000));
    let answer = answered(at, &request("GET", "/", at, &long)).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    eventually("length is counted", || proxy.refused("http_malformed") == 1).await;
    proxy.drain().await;
}
