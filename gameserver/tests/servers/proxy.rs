//! A proxy, or a game server, made of real links and nothing else: it says what the test says, and hands over what it hears.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use net::link::{
    DrivenLink, HandedLink, Heard, LinkConfig, LinkContext, LinkTarget, PeerDirectory, drive, keep_linked,
};
use net::link_core::DownReason;
use node::data_dir::DataDir;
use protocol::Code;
use protocol::identity::Role;
use protocol::ids::{Incarnation, NodeNumber, NodeUuid, TopologyVersion};
use protocol::message::family::{BatchMessage, ProxyToServer, ServerToProxy, ServerToServer};
use protocol::message::node::Heartbeat;
use protocol::node_handshake::{Lane, LocalNode, PeerStanding};
use store::Store;
use store::sqlite::SqliteStore;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use topology::{Standing, TopologyView};

/// Longest that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Directory(TopologyView);

impl PeerDirectory for Directory {
    fn standing(&self, uuid: NodeUuid) -> PeerStanding {
        match self.0.standing(uuid) {
            Standing::Listed(node) => PeerStanding::Listed {
                number: node.number,
                role: node.roles[0],
                public: node.public,
            },
            _ => PeerStanding::Unknown,
        }
    }

    fn topology_version(&self) -> TopologyVersion {
        self.0.version()
    }
}

/// What happens at a node that says `S` and hears `H`.
pub enum Event<S, H> {
    Up(NodeNumber, DrivenLink<S>),
    Says(NodeNumber, H),
    Down(NodeNumber, DownReason),
}

/// A proxy, or somebody who poses as one.
pub type Proxy = Scripted<ProxyToServer, ServerToProxy>;
/// A game server, or somebody who poses as one.
pub type Neighbour = Scripted<ServerToServer, ServerToServer>;

/// A node that does what a test tells it.
pub struct Scripted<S: BatchMessage + Send + 'static, H> {
    pub dir: DataDir,
    pub context: Arc<LinkContext>,
    links: BTreeMap<NodeNumber, DrivenLink<S>>,
    events: mpsc::UnboundedReceiver<Event<S, H>>,
    to_events: mpsc::UnboundedSender<Event<S, H>>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl<S, H> Scripted<S, H>
where
    S: BatchMessage + From<Heartbeat> + Send + 'static,
    H: BatchMessage + Send + 'static,
{
    /// With the identity of a data directory, whoever that is.
    pub fn new(dir: DataDir) -> Self {
        let mut local = LocalNode::new(
            &dir.certificate,
            dir.cluster.cluster_id,
            dir.cluster.authorities,
            Incarnation(1),
        )
        .unwrap();
        // All nodes of the cluster share the file beside their directories.
        let path = dir.path().with_file_name("store.sqlite");
        local.store = SqliteStore::open(&path).unwrap().identity();
        let directory = Arc::new(Directory(dir.view.clone()));
        let context = LinkContext::new(LinkConfig::default(), local, directory);
        let (to_events, events) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        Self {
            dir,
            context: Arc::new(context),
            links: BTreeMap::new(),
            events,
            to_events,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        }
    }

    pub fn dial(&self, server: NodeNumber, address: SocketAddr) {
        let target = LinkTarget {
            address: Arc::new(move || Some(address.into())),
            responder: self.dir.view.node(server).unwrap().uuid,
            role: Role::GameServer,
            lane: Lane::default(),
        };
        let (events, clock) = (self.to_events.clone(), self.context.clock);
        let hand_over = move |link: HandedLink| {
            let heard_by = events.clone();
            let hear = move |heard| {
                let _ = match heard {
                    Heard::Message(message) => heard_by.send(Event::Says(server, message)),
                    Heard::Ended(reason) => heard_by.send(Event::Down(server, reason)),
                    Heard::Heartbeat(_) => Ok(()),
                };
            };
            let up = |link| drop(events.send(Event::Up(server, link)));
            drive::<H, S>(link, clock, up, hear).unwrap();
        };
        tokio::spawn(keep_linked(
            Arc::clone(&self.context),
            target,
            hand_over,
            self.stop.clone(),
        ));
    }

    pub fn say(&self, server: NodeNumber, message: impl Into<S>) {
        self.links[&server].say(message.into());
    }

    /// Waits for something that `server` says; passes over all else.
    pub async fn hear<T>(
        &mut self,
        server: NodeNumber,
        what: &str,
        mut wanted: impl FnMut(&H) -> Option<T>,
    ) -> T {
        self.wait(what, |event| match event {
            Event::Says(from, message) if *from == server => wanted(message),
            _ => None,
        })
        .await
    }

    pub async fn hear_any<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(NodeNumber, &H) -> Option<T>,
    ) -> T {
        self.wait(what, |event| match event {
            Event::Says(from, message) => wanted(*from, message),
            _ => None,
        })
        .await
    }

    pub async fn up(&mut self, server: NodeNumber) {
        if !self.links.contains_key(&server) {
            let up =
                |event: &Event<S, H>| matches!(event, Event::Up(node, _) if *node == server).then_some(());
            self.wait("a link", up).await;
        }
    }

    pub async fn down(&mut self, server: NodeNumber) -> DownReason {
        self.wait("a link that goes down", |event| match event {
            Event::Down(node, reason) if *node == server => Some(*reason),
            _ => None,
        })
        .await
    }

    async fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event<S, H>) -> Option<T>) -> T {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.expect("the proxy hears");
                match &event {
                    Event::Up(node, link) => drop(self.links.insert(*node, link.clone())),
                    Event::Down(node, _) => drop(self.links.remove(node)),
                    Event::Says(..) => {}
                }
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        });
        waited.await.unwrap_or_else(|_| panic!("never: {what}"))
    }
}

impl Proxy {
    /// Dials both servers' proxy listeners and waits for them.
    pub async fn linked(dir: DataDir) -> Self {
        let mut proxy = Self::new(dir);
        let servers = proxy.dir.view.topology().servers().to_vec();
        for server in &servers {
            proxy.dial(server.number, server.proxy.socket().unwrap());
        }
        for server in &servers {
            proxy.up(server.number).await;
        }
        proxy
    }
}

impl<S: BatchMessage + Send + 'static, H> Drop for Scripted<S, H> {
    fn drop(&mut self) {
        self.links.values().for_each(|link| link.close(Code::Draining));
    }
}
