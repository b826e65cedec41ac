//! The live map at a real proxy: who may look, what is told, and that game servers are asked only while somebody does.

use std::time::Duration;

use net::websocket::Form;
use protocol::message::family::ProxyToServer;
use protocol::message::subscription::RegionBrief;
use proxy::server::{MapAudience, Proxy};
use serde_json::{Value, json};

use super::tool::Tool;
use super::world::{A, HOME, WEST, World};
use super::{KEY, answered, mesh, request};

const MAP: &str = "regionmesh.map.v1";
const EDGE: u16 = 101;
/// Longest until a picture shows what is so.
const PATIENCE: Duration = Duration::from_secs(20);

async fn with_map(world: &World, audience: MapAudience) -> Proxy {
    let mut settings = world.settings("edge-1");
    settings.http.map = audience;
    world.proxy_with(&settings).await
}

/// Pictures until one shows the west so; it.
async fn west_is(tool: &mut Tool, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = tokio::time::timeout(PATIENCE, async {
        loop {
            let now = tool.heard("now").await;
            if wanted(&now["regions"][0]) {
                return now;
            }
        }
    });
    until.await.expect("the west is never shown so")
}

/// Whether the server is asked for briefs, as it hears next.
async fn asked(server: &mut super::world::server::GameServer) -> bool {
    let wish = server.heard(|_, message| match message {
        ProxyToServer::WatchMap(wish) => Some(*wish),
        _ => None,
    });
    wish.await.on
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_shows_who_serves_what_and_how_many_are_where_as_long_as_somebody_looks() {
    let mut world = World::new().await;
    let mut server = world.server(A);
    let proxy = with_map(&world, MapAudience::Operators).await;
    server.serve(EDGE, world.region_epoch).await;
    let at = proxy.addresses().http;
    let mut tool = Tool::connect(at, Form::Text, MAP).await;
    assert!(asked(&mut server).await, "somebody looks");
    let described = tool.heard("world").await;
    assert_eq!(
        (&described["size"][0], &described["proxy"]),
        (&json!(256), &json!(EDGE))
    );
    assert_eq!(described["regions"][0]["number"], WEST.0);
    let now = west_is(&mut tool, |west| west["state"] == "unknown").await;
    assert_eq!(
        (&now["servers"][0]["up"], &now["servers"][1]["up"]),
        (&json!(true), &json!(false))
    );
    // The other region's server is not linked.
    assert_eq!(now["regions"][1]["state"], "away");
    let brief = RegionBrief {
        region: WEST.0,
        region_epoch: world.region_epoch,
        tick: 7,
        tick_p50_us: 900,
        tick_p99_us: 2_000,
        population: 12,
        cells: vec![HOME.0],
        counts: vec![12],
        crossed_to: vec![2],
        crossed: vec![3],
        asleep: false,
    };
    server.say(EDGE, brief);
    let now = west_is(&mut tool, |west| west["state"] == "awake").await;
    let west = &now["regions"][0];
    assert_eq!((&west["players"], &west["server"]), (&json!(12), &json!(A.0)));
    assert_eq!(
        (&west["cells"], &west["crossed"]),
        (&json!([HOME.0, 12]), &json!([2, 3]))
    );
    assert_eq!(west["tick_us"], json!([900, 2_000]));
    // A second one sees the same world from the next picture on, and nobody is asked again for it.
    let mut second = Tool::connect(at, Form::Text, MAP).await;
    assert_eq!(second.heard("world").await, described);
    assert_eq!(second.heard("now").await["regions"][0]["players"], 12);
    drop((tool, second));
    assert!(!asked(&mut server).await, "nobody looks any more");
    // What was told is old by then.
    let mut tool = Tool::connect(at, Form::Text, MAP).await;
    assert!(asked(&mut server).await);
    west_is(&mut tool, |west| west["state"] == "unknown").await;
    server.die();
    west_is(&mut tool, |west| west["state"] == "away").await;
    let draining = tokio::spawn(proxy.drain());
    let left = tokio::time::timeout(PATIENCE, async {
        let mut scratch = [0; 4_096];
        while !matches!(
            tokio::io::AsyncReadExt::read(&mut tool.io, &mut scratch).await,
            Ok(0) | Err(_)
        ) {}
    });
    left.await.expect("a drain ends the picture");
    draining.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_look_at_the_map_is_told_why() {
    let world = World::new().await;
    let socket = format!("{KEY}Sec-WebSocket-Protocol: {MAP}\r\n");
    let relayed = "X-Forwarded-For: 192.0.2.7\r\n";
    let proxy = with_map(&world, MapAudience::Off).await;
    let at = proxy.addresses().http;
    for asked in [request("GET", "/map", at, ""), mesh(at, &socket)] {
        let answer = answered(at, &asked).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 ") && answer.contains("http.map"),
            "{answer}"
        );
    }
    assert_eq!(proxy.refused("http_map"), 2);
    proxy.drain().await;
    let proxy = with_map(&world, MapAudience::Operators).await;
    let at = proxy.addresses().http;
    for asked in [
        request("GET", "/map", at, relayed),
        mesh(at, &format!("{socket}{relayed}")),
    ] {
        let answer = answered(at, &asked).await;
        assert!(
            answer.starts_with("HTTP/1.1 403 ") && answer.contains("ssh -L"),
            "{answer}"
        );
    }
    let page = answered(at, &request("GET", "/map", at, ""))
        .await
        .to_ascii_lowercase();
    for part in [
        "http/1.1 200 ok\r\n",
        "script-src 'self'",
        "/assets/map.js",
        "<!doctype html>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    // One network gets its share of the places, but for those that limits do not apply to.
    let mut looking = Vec::new();
    for _ in 0..32 {
        looking.push(Tool::connect(at, Form::Text, MAP).await);
    }
    let answer = answered(at, &mesh(at, &socket)).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(proxy.refused("map_viewers"), 1);
    proxy.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_gets_its_share_of_places_for_tools() {
    let world = World::new().await;
    let mut settings = world.settings("edge-1");
    settings.clients.exempt = Vec::new();
    let proxy = world.proxy_with(&settings).await;
    let at = proxy.addresses().http;
    let mut tools = Vec::new();
    for _ in 0..8 {
        tools.push(Tool::connect(at, Form::Text, "regionmesh.v1.json").await);
    }
    let ninth = mesh(
        at,
        &format!("{KEY}Sec-WebSocket-Protocol: regionmesh.v1.json\r\n"),
    );
    let answer = answered(at, &ninth.replace("keep-alive, ", "close, ")).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 "),
        "an eighth of 64 is 8: {answer}"
    );
    assert_eq!(proxy.refused("tool_sessions_of_network"), 1);
    proxy.drain().await;
}
