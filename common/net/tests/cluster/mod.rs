//! A made-up cluster on loopback for link tests: an authority, a topology that can change, nodes with certificates, and
//! a handler that writes down what it is told.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::large_enum_variant,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by several tests, and tests may"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::vec::Drain;

use net::link::{
    DownReason, LinkConfig, LinkContext, LinkHandler, LinkId, LinkSender, LinkTarget, LinkUp, PeerDirectory,
    accept_links, dial_link,
};
use protocol::entropy::CountingEntropy;
use protocol::identity::{AuthorityKey, AuthorityKeys, NodePublic, Role, Validity};
use protocol::ids::{ClusterId, Incarnation, NodeNumber, NodeUuid, TopologyVersion};
use protocol::message::family::{BatchMessage, ProxyToServer, ServerToProxy};
use protocol::node_handshake::{Lane, LocalNode, PeerStanding};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub const SERVER: u8 = 1;
pub const PROXY: u8 = 101;
const CLUSTER: ClusterId = ClusterId([9; 16]);

pub fn uuid(number: u8) -> NodeUuid {
    NodeUuid([number; 16])
}

#[derive(Default)]
pub struct Directory(Mutex<BTreeMap<NodeUuid, PeerStanding>>);

impl Directory {
    pub fn set(&self, number: u8, standing: PeerStanding) {
        self.0.lock().unwrap().insert(uuid(number), standing);
    }
}

impl PeerDirectory for Directory {
    fn standing(&self, uuid: NodeUuid) -> PeerStanding {
        let standings = self.0.lock().unwrap();
        standings.get(&uuid).copied().unwrap_or(PeerStanding::Unknown)
    }

    fn topology_version(&self) -> TopologyVersion {
        TopologyVersion(7)
    }
}

pub struct Cluster {
    authority: AuthorityKey,
    pub directory: Arc<Directory>,
    pub shutdown: CancellationToken,
}

impl Cluster {
    pub fn new() -> Self {
        Self {
            authority: AuthorityKey::generate(&mut CountingEntropy(1)),
            directory: Arc::default(),
            shutdown: CancellationToken::new(),
        }
    }

    pub fn node(&self, number: u8, role: Role) -> Arc<LinkContext> {
        self.node_with(number, role, LinkConfig::default(), 3_600_000, 1)
    }

    /// A node listed in the topology, whose certificate is good for `lifetime_ms` from now on (negative: over).
    pub fn node_with(
        &self,
        number: u8,
        role: Role,
        config: LinkConfig,
        lifetime_ms: i64,
        incarnation: u64,
    ) -> Arc<LinkContext> {
        let now = net::clock::wall_ms() as i64;
        let validity = Validity {
            from_ms: now - 3_600_000,
            until_ms: now + lifetime_ms,
        };
        let certificate = self
            .authority
            .issue(CLUSTER, uuid(number), validity, &[number; 32]);
        self.list(number, role, certificate.node_key().public());
        let authorities = AuthorityKeys::new(self.authority.public());
        let local = LocalNode::new(&certificate, CLUSTER, authorities, Incarnation(incarnation)).unwrap();
        Arc::new(LinkContext::new(config, local, role, self.directory.clone()))
    }

    pub fn list(&self, number: u8, role: Role, public: NodePublic) {
        let number_in_topology = NodeNumber(number.into());
        let standing = PeerStanding::Listed {
            number: number_in_topology,
            role,
            public,
        };
        self.directory.set(number, standing);
    }

    /// A game server that serves proxies.
    pub async fn serve(
        &self,
        context: &Arc<LinkContext>,
    ) -> (SocketAddr, Events<ProxyToServer, ServerToProxy>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (recorder, events) = recorder();
        let serving = accept_links(
            context.clone(),
            listener,
            &[Role::Proxy],
            recorder,
            self.shutdown.clone(),
        );
        tokio::spawn(serving);
        (address, events)
    }

    /// A proxy that dials a game server.
    pub fn dial(&self, context: &Arc<LinkContext>, to: SocketAddr) -> Events<ServerToProxy, ProxyToServer> {
        let (recorder, events) = recorder();
        let target = target(move || Some(to));
        tokio::spawn(dial_link(
            context.clone(),
            target,
            recorder,
            self.shutdown.clone(),
        ));
        events
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub fn target(address: impl Fn() -> Option<SocketAddr> + Send + Sync + 'static) -> LinkTarget {
    LinkTarget {
        address: Arc::new(address),
        responder: uuid(SERVER),
        role: Role::GameServer,
        lane: Lane::default(),
    }
}

#[derive(Debug)]
pub enum Event<In, Out> {
    Up(LinkUp<Out>),
    Batch(Vec<In>),
    Down(LinkId, DownReason),
}

/// While it is set, handlers hang: their peers look frozen.
pub type Gate = Arc<AtomicBool>;

pub struct Recorder<In, Out> {
    events: mpsc::UnboundedSender<Event<In, Out>>,
    gate: Gate,
}

impl<In, Out> Clone for Recorder<In, Out> {
    fn clone(&self) -> Self {
        Self {
            events: self.events.clone(),
            gate: self.gate.clone(),
        }
    }
}

impl<In: BatchMessage + Send + 'static, Out: BatchMessage + Send + 'static> LinkHandler
    for Recorder<In, Out>
{
    type In = In;
    type Out = Out;

    fn handle_up(&mut self, up: LinkUp<Out>) {
        let _ = self.events.send(Event::Up(up));
    }

    fn handle_batch(&mut self, _link: LinkId, batch: Drain<'_, In>) {
        let batch = batch.collect();
        while self.gate.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.events.send(Event::Batch(batch));
    }

    fn handle_down(&mut self, link: LinkId, reason: DownReason) {
        let _ = self.events.send(Event::Down(link, reason));
    }
}

pub struct Events<In, Out> {
    events: mpsc::UnboundedReceiver<Event<In, Out>>,
    pub gate: Gate,
}

pub fn recorder<In, Out>() -> (Recorder<In, Out>, Events<In, Out>) {
    let (sender, events) = mpsc::unbounded_channel();
    let gate = Gate::default();
    let recorder = Recorder {
        events: sender,
        gate: gate.clone(),
    };
    (recorder, Events { events, gate })
}

impl<In: std::fmt::Debug, Out: std::fmt::Debug> Events<In, Out> {
    pub async fn next(&mut self) -> Event<In, Out> {
        let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv());
        event
            .await
            .expect("nothing happens")
            .expect("the handler is gone")
    }

    pub async fn up(&mut self) -> LinkSender<Out> {
        self.link_up().await.sender
    }

    pub async fn link_up(&mut self) -> LinkUp<Out> {
        match self.next().await {
            Event::Up(up) => up,
            other => panic!("{other:?} instead of a link"),
        }
    }

    pub async fn messages(&mut self, count: usize) -> Vec<In> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.next().await {
                Event::Batch(batch) => all.extend(batch),
                other => panic!("{other:?} instead of messages"),
            }
        }
        all
    }

    /// The reason of the next loss, whatever comes before it.
    pub async fn down(&mut self) -> DownReason {
        loop {
            if let Event::Down(_, reason) = self.next().await {
                return reason;
            }
        }
    }

    pub fn nothing_waits(&mut self) -> bool {
        self.events.is_empty()
    }
}

/// Waits until something holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
