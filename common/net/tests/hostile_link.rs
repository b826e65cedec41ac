//! Somebody sits between two nodes and plays with a live link's frames: each trick is refused under its own name, and
//! another link of the same server goes on as if nothing had happened.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod cluster;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use cluster::{Cluster, Event, Events, PROXY, SERVER, uuid};
use net::link::DrivenLink;
use net::link_core::DownReason;
use protocol::identity::Role;
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::message::player::EventAck;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex as AsyncMutex;

const HEADER: usize = 57;

/// What the one in between does, once, to the next frames from the proxy to the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trick {
    /// Sends a frame twice.
    Replay,
    /// Swaps two frames.
    Reorder,
    /// Leaves a frame out.
    Drop,
    /// Sends a frame back to where it came from.
    Reflect,
    /// Sends half a frame and hangs up.
    Cut,
    /// Changes the lowest bit of the byte at this place, counted from the end when negative.
    Flip(i64),
    /// Claims the longest payload there is.
    Lengthen,
    /// Puts a made-up frame before a true one.
    Forge,
}

type Tricks = Arc<Mutex<VecDeque<Trick>>>;

/// A relay towards `server`; true to what passes, but for the tricks it is told.
async fn relay(server: SocketAddr) -> (SocketAddr, Tricks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tricks = Tricks::default();
    let shared = tricks.clone();
    tokio::spawn(async move {
        while let Ok((from_proxy, _)) = listener.accept().await {
            let (proxy_in, proxy_out) = from_proxy.into_split();
            let (server_in, server_out) = TcpStream::connect(server).await.unwrap().into_split();
            let proxy_out = Arc::new(AsyncMutex::new(proxy_out));
            tokio::spawn(pass_on(server_in, proxy_out.clone()));
            tokio::spawn(play(proxy_in, server_out, proxy_out, shared.clone()));
        }
    });
    (address, tricks)
}

async fn next_frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut frame = vec![0; HEADER];
    from.read_exact(&mut frame).await.ok()?;
    let payload = u32::from_le_bytes(frame[..4].try_into().unwrap()) as usize;
    frame.resize(HEADER + payload, 0);
    from.read_exact(&mut frame[HEADER..]).await.ok()?;
    Some(frame)
}

async fn pass_on(mut from: OwnedReadHalf, to: Arc<AsyncMutex<OwnedWriteHalf>>) {
    while let Some(frame) = next_frame(&mut from).await {
        if to.lock().await.write_all(&frame).await.is_err() {
            return;
        }
    }
    let _ = to.lock().await.shutdown().await;
}

async fn play(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    back: Arc<AsyncMutex<OwnedWriteHalf>>,
    tricks: Tricks,
) {
    let mut frames = 0;
    while let Some(mut frame) = next_frame(&mut from).await {
        frames += 1;
        // The handshake passes; it has tests of its own.
        let trick = if frames > 2 {
            tricks.lock().unwrap().pop_front()
        } else {
            None
        };
        let out = match trick {
            None => frame,
            Some(Trick::Replay) => frame.repeat(2),
            Some(Trick::Reorder) => match next_frame(&mut from).await {
                Some(second) => [second, frame].concat(),
                None => return,
            },
            Some(Trick::Drop) => continue,
            Some(Trick::Reflect) => {
                let _ = back.lock().await.write_all(&frame).await;
                continue;
            }
            Some(Trick::Cut) => {
                let _ = to.write_all(&frame[..frame.len() / 2]).await;
                return;
            }
            Some(Trick::Flip(place)) => {
                let place = if place < 0 {
                    frame.len() as i64 + place
                } else {
                    place
                };
                frame[place as usize] ^= 1;
                frame
            }
            Some(Trick::Lengthen) => {
                frame[..4].copy_from_slice(&u32::MAX.to_le_bytes());
                frame
            }
            Some(Trick::Forge) => {
                let mut forged = frame.clone();
                forged[HEADER..].fill(0x55);
                [forged, frame].concat()
            }
        };
        if to.write_all(&out).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

fn ack(number: u64) -> ProxyToServer {
    EventAck {
        number,
        ..EventAck::default()
    }
    .into()
}

/// A server with a true link and one that runs through a relay.
struct Scene {
    _cluster: Cluster,
    tricks: Tricks,
    at_server: Events<ProxyToServer, ServerToProxy>,
    at_victim: Events<ServerToProxy, ProxyToServer>,
    bystander: DrivenLink<ProxyToServer>,
    at_bystander: Events<ServerToProxy, ProxyToServer>,
}

impl Scene {
    async fn new() -> Self {
        let cluster = Cluster::new();
        let server = cluster.node(SERVER, Role::GameServer);
        let victim = cluster.node(PROXY, Role::Proxy);
        let other = cluster.node(PROXY + 1, Role::Proxy);
        let (address, mut at_server) = cluster.serve(&server).await;
        let mut at_bystander = cluster.dial(&other, address);
        let bystander = at_bystander.up().await;
        at_server.up().await;
        let (between, tricks) = relay(address).await;
        let at_victim = cluster.dial(&victim, between);
        at_server.up().await;
        Self {
            _cluster: cluster,
            tricks,
            at_server,
            at_victim,
            bystander,
            at_bystander,
        }
    }

    /// Plays one trick on a fresh link and gives the reasons it ended with, at the server and at the proxy.
    async fn play(&mut self, trick: Trick) -> (DownReason, DownReason) {
        let link = self.at_victim.up().await;
        // One true message first: the link is good until the trick.
        link.say(ack(1));
        assert_eq!(self.at_server.messages(1).await, [ack(1)]);
        self.tricks.lock().unwrap().push_back(trick);
        // Two frames: some tricks take a second one, or show only with it.
        link.say(ack(2));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        link.say(ack(3));
        (self.at_server.down().await, self.at_victim.down().await)
    }

    /// The link that nobody plays with still carries messages, and the victim comes back, in either order.
    async fn all_is_well_again(&mut self) {
        assert!(self.at_bystander.nothing_waits());
        self.bystander.say(ack(77));
        let (mut heard, mut back) = (false, false);
        while !(heard && back) {
            match self.at_server.next().await {
                Event::Up(up) => back |= up.peer.uuid == uuid(PROXY),
                Event::Message(message) => heard |= message == ack(77),
                Event::Down(reason) => panic!("{reason:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trick_at_the_server_is_refused_under_its_name_and_costs_one_link() {
    let mut scene = Scene::new().await;
    let tricks = [
        (Trick::Replay, "replayed"),
        (Trick::Reorder, "reordered"),
        (Trick::Drop, "reordered"),
        (Trick::Forge, "hmac"),
        (Trick::Lengthen, "oversized"),
        (Trick::Flip(5), "hmac"),       // the hmac itself
        (Trick::Flip(36), "phase"),     // key phase
        (Trick::Flip(41), "reordered"), // counter
        (Trick::Flip(48), "type"),      // frame type
        (Trick::Flip(50), "hmac"),      // timestamp
        (Trick::Flip(57), "tag"),       // first byte of the payload: the tag stands for it
        (Trick::Flip(-1), "hmac"),      // last byte of the tag
    ];
    for (trick, label) in tricks {
        let (at_server, _) = scene.play(trick).await;
        assert_eq!(at_server, DownReason::Broken(label), "{trick:?}");
        scene.all_is_well_again().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_thrown_back_is_refused_by_the_one_who_sent_it() {
    let mut scene = Scene::new().await;
    let (_, at_victim) = scene.play(Trick::Reflect).await;
    // Its counter may fit or not; what it was sealed with never does.
    let DownReason::Broken(label) = at_victim else {
        panic!("{at_victim:?}");
    };
    assert!(["hmac", "replayed", "reordered"].contains(&label), "{label}");
    scene.all_is_well_again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_cut_within_a_frame_ends_and_comes_back() {
    let mut scene = Scene::new().await;
    let (at_server, at_victim) = scene.play(Trick::Cut).await;
    assert!(
        matches!(at_server, DownReason::Broken("eof" | "io")),
        "{at_server:?}"
    );
    assert!(
        matches!(at_victim, DownReason::Broken("eof" | "io")),
        "{at_victim:?}"
    );
    scene.all_is_well_again().await;
}
