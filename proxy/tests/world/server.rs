//! A game server that does what a test says, behind a real link.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Drain;

use net::link::{DownReason, LinkConfig, LinkContext, LinkHandler, LinkId, LinkSender, LinkUp, accept_links};
use node::data_dir::DataDir;
use node::topology_in_force::TopologyInForce;
use protocol::identity::Role;
use protocol::ids::{Incarnation, NodeNumber};
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::message::player::{Join, Joined, SessionKey};
use protocol::message::subscription::Serving;
use protocol::node_handshake::LocalNode;
use protocol::ticket::RawTicket;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ENTITY, HOME, WEST};

enum Event {
    Up(NodeNumber, LinkSender<ServerToProxy>),
    Said(NodeNumber, ProxyToServer),
}

#[derive(Clone)]
struct Recorder {
    events: mpsc::UnboundedSender<Event>,
    peer: Option<NodeNumber>,
}

impl LinkHandler for Recorder {
    type In = ProxyToServer;
    type Out = ServerToProxy;

    fn handle_up(&mut self, up: LinkUp<ServerToProxy>) {
        self.peer = Some(up.peer.number);
        let _ = self.events.send(Event::Up(up.peer.number, up.sender));
    }

    fn handle_batch(&mut self, _: LinkId, batch: Drain<'_, ProxyToServer>) {
        for message in batch {
            let _ = self.events.send(Event::Said(self.peer.unwrap(), message));
        }
    }

    fn handle_down(&mut self, _: LinkId, _: DownReason) {}
}

/// See the module.
pub struct GameServer {
    events: mpsc::UnboundedReceiver<Event>,
    proxies: BTreeMap<NodeNumber, LinkSender<ServerToProxy>>,
    stop: CancellationToken,
}

impl GameServer {
    pub fn start(data: &Path, name: &str, listener: TcpListener) -> Self {
        let data = DataDir::open(data, name, Role::GameServer, net::clock::wall_ms()).unwrap();
        let cluster = &data.cluster;
        let local = LocalNode::new(
            &data.certificate,
            cluster.cluster_id,
            cluster.authorities,
            Incarnation(1),
        );
        let directory = Arc::new(TopologyInForce::of(&data));
        let context = LinkContext::new(LinkConfig::default(), local.unwrap(), Role::GameServer, directory);
        let (sender, events) = mpsc::unbounded_channel();
        let recorder = Recorder {
            events: sender,
            peer: None,
        };
        let stop = CancellationToken::new();
        let serving = accept_links(
            Arc::new(context),
            listener,
            &[Role::Proxy],
            recorder,
            stop.clone(),
        );
        tokio::spawn(serving);
        Self {
            events,
            proxies: BTreeMap::new(),
            stop,
        }
    }

    /// Breaks every link and never comes back.
    pub fn die(&self) {
        self.stop.cancel();
    }

    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv());
        event.await.expect("nothing happens at the server").unwrap()
    }

    /// Waits for a proxy's link and tells it who serves the west at this epoch.
    pub async fn serve(&mut self, proxy: u16, region_epoch: u64) {
        while !self.proxies.contains_key(&NodeNumber(proxy)) {
            if let Event::Up(node, sender) = self.event().await {
                self.proxies.insert(node, sender);
            }
        }
        let serving = Serving {
            region: WEST.0,
            region_epoch,
        };
        self.say(proxy, serving);
    }

    pub async fn linked(&mut self, proxy: u16) {
        while !self.proxies.contains_key(&NodeNumber(proxy)) {
            if let Event::Up(node, sender) = self.event().await {
                self.proxies.insert(node, sender);
            }
        }
    }

    pub fn say(&self, proxy: u16, message: impl Into<ServerToProxy>) {
        self.proxies[&NodeNumber(proxy)]
            .try_send(&message.into())
            .unwrap();
    }

    /// The next thing said that `wanted` takes; everything before it is dropped.
    pub async fn heard<T>(&mut self, mut wanted: impl FnMut(NodeNumber, &ProxyToServer) -> Option<T>) -> T {
        loop {
            match self.event().await {
                Event::Up(node, sender) => {
                    self.proxies.insert(node, sender);
                }
                Event::Said(node, message) => {
                    if let Some(found) = wanted(node, &message) {
                        return found;
                    }
                }
            }
        }
    }

    pub async fn join(&mut self, proxy: u16) -> Join {
        self.heard(|node, message| match message {
            ProxyToServer::Join(join) if node.0 == proxy => Some(join.clone()),
            _ => None,
        })
        .await
    }
}

impl Drop for GameServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The answer of a region that has the player.
pub fn joined(join: &Join, owner_epoch: u64, region_epoch: u64) -> Joined {
    let ticket = RawTicket::parse(&join.ticket).unwrap();
    Joined {
        user: join.user,
        session: Some(SessionKey {
            session_id: bytes::Bytes::copy_from_slice(&ticket.claims().session.0),
            session_generation: ticket.claims().session_generation.0,
            attach_no: join.attach_no,
        }),
        owner_epoch,
        entity: ENTITY.0,
        region: WEST.0,
        region_epoch,
        home_cell: HOME.0,
        last_input: 0,
        last_command: 0,
    }
}
