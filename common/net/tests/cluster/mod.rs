//! A made-up cluster on loopback for link tests: an authority, a topology that can change, nodes with certificates, and
//! links on threads of their own that write down what they bring.

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

use net::clock::Monotonic;
use net::link::{
    DrivenLink, HandedLink, Heard, LinkConfig, LinkContext, LinkTarget, PeerDirectory, admit_links, drive,
    keep_linked,
};
use net::link_core::DownReason;
use protocol::entropy::CountingEntropy;
use protocol::identity::{AuthorityKey, AuthorityKeys, DiskCertificate, NodePublic, Role, Validity};
use protocol::ids::{ClusterId, Incarnation, NodeNumber, NodeUuid, TopologyVersion};
use protocol::message::family::{BatchMessage, ProxyToServer, ServerToProxy};
use protocol::message::node::Heartbeat;
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
        let local = self.local(number, role, lifetime_ms, incarnation);
        Arc::new(LinkContext::new(config, local, self.directory.clone()))
    }

    /// A listed node that works on another store than all others.
    pub fn stray(&self, number: u8, role: Role) -> Arc<LinkContext> {
        let mut local = self.local(number, role, 3_600_000, 1);
        local.store.copy = 1;
        Arc::new(LinkContext::new(
            LinkConfig::default(),
            local,
            self.directory.clone(),
        ))
    }

    fn local(&self, number: u8, role: Role, lifetime_ms: i64, incarnation: u64) -> LocalNode {
        let certificate = self.certificate(number, lifetime_ms);
        self.list(number, role, certificate.node_key().public());
        let authorities = AuthorityKeys::new(self.authority.public());
        LocalNode::new(&certificate, CLUSTER, authorities, Incarnation(incarnation)).unwrap()
    }

    pub fn certificate(&self, number: u8, lifetime_ms: i64) -> DiskCertificate {
        let now = net::clock::wall_ms() as i64;
        let validity = Validity {
            from_ms: now - 3_600_000,
            until_ms: now + lifetime_ms,
        };
        self.authority
            .issue(CLUSTER, uuid(number), validity, &[number; 32])
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
        (address, self.serve_at(context, listener, self.shutdown.clone()))
    }

    /// As `serve`, at this listener until `stop`.
    pub fn serve_at(
        &self,
        context: &Arc<LinkContext>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Events<ProxyToServer, ServerToProxy> {
        let (recorder, events) = recorder(context.clock);
        let hand_over = move |link| recorder.take(link);
        let serving = admit_links(context.clone(), listener, &[Role::Proxy], hand_over, stop);
        tokio::spawn(serving);
        events
    }

    /// A proxy that dials a game server.
    pub fn dial(&self, context: &Arc<LinkContext>, to: SocketAddr) -> Events<ServerToProxy, ProxyToServer> {
        self.dial_at(context, move || Some(to))
    }

    /// As `dial`, wherever the server is just now.
    pub fn dial_at(
        &self,
        context: &Arc<LinkContext>,
        address: impl Fn() -> Option<SocketAddr> + Send + Sync + 'static,
    ) -> Events<ServerToProxy, ProxyToServer> {
        let (recorder, events) = recorder(context.clock);
        let target = LinkTarget {
            address: Arc::new(move || address().map(Into::into)),
            responder: uuid(SERVER),
            role: Role::GameServer,
            lane: Lane::default(),
        };
        let hand_over = move |link| recorder.take(link);
        tokio::spawn(keep_linked(
            context.clone(),
            target,
            hand_over,
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

pub enum Event<In, Out> {
    Up(DrivenLink<Out>),
    Message(In),
    Down(DownReason),
}

/// While it is set, whoever hears hangs: its peer sees a frozen process.
pub type Gate = Arc<AtomicBool>;

pub struct Recorder<In, Out> {
    events: mpsc::UnboundedSender<Event<In, Out>>,
    gate: Gate,
    clock: Monotonic,
}

impl<In, Out> Clone for Recorder<In, Out> {
    fn clone(&self) -> Self {
        Self {
            events: self.events.clone(),
            gate: self.gate.clone(),
            clock: self.clock,
        }
    }
}

impl<In, Out> Recorder<In, Out>
where
    In: BatchMessage + Send + 'static,
    Out: BatchMessage + From<Heartbeat> + Send + 'static,
{
    pub fn take(&self, link: HandedLink) {
        let (events, gate) = (self.events.clone(), self.gate.clone());
        let hear = move |heard| {
            while gate.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = match heard {
                Heard::Message(message) => events.send(Event::Message(message)),
                Heard::Ended(reason) => events.send(Event::Down(reason)),
                Heard::Heartbeat(_) => Ok(()),
            };
        };
        let up = |driven| drop(self.events.send(Event::Up(driven)));
        drive::<In, Out>(link, self.clock, up, hear).unwrap();
    }
}

pub struct Events<In, Out> {
    events: mpsc::UnboundedReceiver<Event<In, Out>>,
    pub gate: Gate,
}

pub fn recorder<In, Out>(clock: Monotonic) -> (Recorder<In, Out>, Events<In, Out>) {
    let (sender, events) = mpsc::unbounded_channel();
    let gate = Gate::default();
    let recorder = Recorder {
        events: sender,
        gate: gate.clone(),
        clock,
    };
    (recorder, Events { events, gate })
}

impl<In: std::fmt::Debug, Out> Events<In, Out> {
    pub async fn next(&mut self) -> Event<In, Out> {
        let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv());
        event
            .await
            .expect("nothing happens")
            .expect("the recorder is gone")
    }

    /// The next link; whatever an older one brings before it is dropped.
    pub async fn up(&mut self) -> DrivenLink<Out> {
        loop {
            if let Event::Up(link) = self.next().await {
                return link;
            }
        }
    }

    /// So many messages, on whichever link.
    pub async fn messages(&mut self, count: usize) -> Vec<In> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.next().await {
                Event::Message(message) => all.push(message),
                Event::Up(_) => {}
                Event::Down(reason) => panic!("{reason:?} instead of messages"),
            }
        }
        all
    }

    /// The reason of the next loss, whatever comes before it.
    pub async fn down(&mut self) -> DownReason {
        loop {
            if let Event::Down(reason) = self.next().await {
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
