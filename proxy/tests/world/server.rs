//! A game server that does what a test says, behind a real link.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use net::link::{DrivenLink, HandedLink, Heard, LinkConfig, LinkContext, admit_links, drive};
use node::data_dir::DataDir;
use node::topology_in_force::TopologyInForce;
use protocol::Code;
use protocol::identity::Role;
use protocol::ids::{Incarnation, Lane, NodeNumber, ProxyLane, UserId, lane_of};
use protocol::message::family::{ProxyToServer, ServerToProxy};
use protocol::message::player::{Join, Joined, SessionKey};
use protocol::message::subscription::Serving;
use protocol::node_handshake::{LocalNode, StoreIdentity};
use protocol::ticket::RawTicket;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ENTITY, HOME, WEST};

enum Event {
    Up(DrivenLink<ServerToProxy>),
    Said(NodeNumber, ProxyToServer),
}

/// See the module.
pub struct GameServer {
    events: mpsc::UnboundedReceiver<Event>,
    links: BTreeMap<ProxyLane, DrivenLink<ServerToProxy>>,
    stop: CancellationToken,
}

impl GameServer {
    pub fn start(data: &Path, name: &str, listener: TcpListener, store: StoreIdentity) -> Self {
        let data = DataDir::open(data, name, Role::GameServer, net::clock::wall_ms()).unwrap();
        let cluster = &data.cluster;
        let mut local = LocalNode::new(
            &data.certificate,
            cluster.cluster_id,
            cluster.authorities,
            Incarnation(1),
        )
        .unwrap();
        local.store = store;
        let directory = Arc::new(TopologyInForce::of(&data));
        let context = LinkContext::new(LinkConfig::default(), local, directory);
        let (sender, events) = mpsc::unbounded_channel();
        let clock = context.clock;
        let hand_over = move |link: HandedLink| {
            let (node, said) = (link.peer.number, sender.clone());
            let hear = move |heard| {
                if let Heard::Message(message) = heard {
                    let _ = said.send(Event::Said(node, message));
                }
            };
            let up = |link| drop(sender.send(Event::Up(link)));
            drive(link, clock, up, hear).unwrap();
        };
        let stop = CancellationToken::new();
        let admitting = admit_links(
            Arc::new(context),
            listener,
            &[Role::Proxy],
            hand_over,
            stop.clone(),
        );
        tokio::spawn(admitting);
        Self {
            events,
            links: BTreeMap::new(),
            stop,
        }
    }

    /// Breaks every link and never comes back.
    pub fn die(&self) {
        self.stop.cancel();
        self.links.values().for_each(|link| link.close(Code::Draining));
    }

    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv());
        event.await.expect("nothing happens at the server").unwrap()
    }

    fn up(&mut self, link: DrivenLink<ServerToProxy>) {
        let (node, lane) = (link.peer.number, link.lane);
        self.links.insert(ProxyLane { node, lane }, link);
    }

    /// Waits for all lanes of a proxy and tells them who serves the west at this epoch.
    pub async fn serve(&mut self, proxy: u16, region_epoch: u64) {
        self.linked(proxy).await;
        let serving = Serving {
            region: WEST.0,
            region_epoch,
            briefs: true,
            ..Serving::default()
        };
        self.say(proxy, serving);
    }

    pub async fn linked(&mut self, proxy: u16) {
        while !self.is_linked(NodeNumber(proxy)) {
            if let Event::Up(link) = self.event().await {
                self.up(link);
            }
        }
    }

    fn links_to(&self, node: NodeNumber) -> impl Iterator<Item = &DrivenLink<ServerToProxy>> {
        let links = self.links.iter();
        links.filter_map(move |(at, link)| (at.node == node).then_some(link))
    }

    fn is_linked(&self, node: NodeNumber) -> bool {
        let lanes = self.links_to(node).next().map(|link| link.lanes);
        lanes.is_some_and(|lanes| usize::from(lanes.count()) == self.links_to(node).count())
    }

    /// What concerns a user goes by the user's lane, everything else by all; by how many it went.
    pub fn say(&self, proxy: u16, message: impl Into<ServerToProxy>) -> usize {
        let message = message.into();
        let user = user_of(&message).map(UserId);
        let hears = |link: &&DrivenLink<_>| user.is_none_or(|user| lane_of(user, link.lanes) == link.lane);
        let lanes = self.links_to(NodeNumber(proxy)).filter(hears);
        lanes.map(|link| link.say(message.clone())).count()
    }

    /// Says something on one lane, whoever it concerns.
    pub fn say_on(&self, proxy: u16, lane: Lane, message: impl Into<ServerToProxy>) {
        let node = NodeNumber(proxy);
        self.links[&ProxyLane { node, lane }].say(message.into());
    }

    /// The next thing said that `wanted` takes; everything before it is dropped.
    pub async fn heard<T>(&mut self, mut wanted: impl FnMut(NodeNumber, &ProxyToServer) -> Option<T>) -> T {
        loop {
            match self.event().await {
                Event::Up(link) => self.up(link),
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
        self.die();
    }
}

fn user_of(message: &ServerToProxy) -> Option<u64> {
    match message {
        ServerToProxy::Output(it) => Some(it.user),
        ServerToProxy::CommandAck(it) => Some(it.user),
        ServerToProxy::Event(it) => Some(it.user),
        ServerToProxy::Joined(it) => Some(it.user),
        ServerToProxy::JoinRefused(it) => Some(it.user),
        ServerToProxy::Moved(it) => Some(it.user),
        ServerToProxy::Here(it) => Some(it.user),
        ServerToProxy::Elsewhere(it) => Some(it.user),
        ServerToProxy::Superseded(it) => Some(it.user),
        ServerToProxy::Kick(it) => Some(it.user),
        ServerToProxy::Notify(it) => Some(it.user),
        _ => None,
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
