//! A running proxy: starts the shards, the links and the listener, and ends them in the order that loses nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use net::clock::Monotonic;
use net::udp::{BatchSocket, Waker};
use node::dial_plan::{Dialed, follow};
use node::life::{Ended, Failure, Node, OwnerThread, Patience};
use protocol::ids::Lanes;
use serde_json::json;
use store::{Store, StoreThreads};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::auth::AuthRole;
use super::build::{Built, build, build_with};
use super::client_context::ClientContext;
use super::client_listener::{DoorLimits, accept_clients};
use super::directory::{Directory, ShardIndex};
use super::inbox::Inbox;
use super::owner_reads::{self, OwnerReadTask};
use super::rate_limits::RateLimits;
use super::ready;
use super::refusals::Refusals;
use super::server_link::{self, LinkWorld};
use super::server_links::ServerLinks;
use super::services::Services;
use super::settings::ProxySettings;
use super::shard_effects::{Outside, ShardEffects};
use super::shard_handle::{SessionCounts, ShardGauges, ShardHandle, Shards, counts};
use super::shard_thread::ShardThread;
use super::status_task::StatusTask;
use super::subscriptions::Subscriptions;
use super::topology_news::TopologyNews;
use crate::edge::{Edge, EdgeConfig, EdgeInput};

/// How long clients that were told goodbye may take to go.
const GOODBYES: Duration = Duration::from_secs(1);
/// From the last session's end until its last word is on its way to the game server.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// Between two looks while draining.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// Where a proxy listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Clients' streams.
    pub tcp: SocketAddr,
    /// Clients' datagrams, by shard.
    pub udp: Vec<SocketAddr>,
}

/// A proxy that runs until it is drained.
pub struct Proxy {
    addresses: Addresses,
    clients: Arc<ClientContext>,
    peers: TaskTracker,
    links: TaskTracker,
    stop_links: CancellationToken,
    shards: Shards,
    threads: Vec<OwnerThread>,
    store_threads: StoreThreads,
    drain_grace: Duration,
}

impl Proxy {
    /// Builds and starts a proxy on the store that its settings name. Its status, its checks and what it cannot do
    /// without are listed in `node`.
    ///
    /// # Errors
    /// What the operator has to change, or what could not be reached.
    pub async fn start(settings: &ProxySettings, node: &Node) -> Result<Self, Failure> {
        Starting::new(build(settings).await?, settings, node)?.start(settings)
    }

    /// As [`start`](Self::start), on a store that is open already.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        settings: &ProxySettings,
        node: &Node,
        store: Arc<dyn Store>,
    ) -> Result<Self, Failure> {
        Starting::new(build_with(settings, &store).await?, settings, node)?.start(settings)
    }

    /// Makes a shard panic, to see what becomes of its process.
    #[cfg(feature = "fault-injection")]
    pub fn panic_shard(&self, index: usize) {
        if let Some(shard) = self.shards.get(index) {
            let _ = shard.inbox.push(super::inbox::ShardInput::Panic);
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Its sessions.
    #[must_use]
    pub fn sessions(&self) -> SessionCounts {
        counts(&self.shards)
    }

    /// How often something was refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: &str) -> u64 {
        self.clients.refusals.all().get(reason).copied().unwrap_or(0)
    }

    /// Resolves when a thread of the store has panicked, to its name: the proxy can let nobody in any more.
    pub async fn store_broken(&self) -> &'static str {
        self.store_threads.broken().await
    }

    /// Lets nobody in any more, tells everybody where else to go, gives them time, and ends.
    pub async fn drain(self) {
        self.clients.drain.cancel();
        self.clients.links.loads.start_draining();
        for shard in self.shards.iter() {
            shard.inbox.push_news(EdgeInput::Drain);
        }
        self.until_empty(self.drain_grace).await;
        self.clients.close.cancel();
        self.peers.close();
        let _ = tokio::time::timeout(GOODBYES, self.peers.wait()).await;
        self.until_empty(GOODBYES).await;
        // Players who stay behind are linkdead at their owners, which must hear of it from us.
        tokio::time::sleep(LAST_WORDS).await;
        for shard in self.shards.iter() {
            shard.inbox.stop();
        }
        self.stop_links.cancel();
        self.links.wait().await;
        for thread in &self.threads {
            thread.ended().await;
        }
    }

    async fn until_empty(&self, patience: Duration) {
        let empty = async {
            while counts(&self.shards).sessions > 0 {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(patience, empty).await;
    }
}

/// The parts that everything else refers to.
struct Starting {
    built: Built,
    node: Node,
    clock: Monotonic,
    topology: Arc<topology::Topology>,
    directory: Directory,
    shards: Shards,
    sockets: Vec<(BatchSocket, Waker)>,
    server_links: Arc<ServerLinks>,
    subscriptions: Arc<Subscriptions>,
    refusals: Arc<Refusals>,
}

impl Starting {
    fn new(mut built: Built, settings: &ProxySettings, node: &Node) -> Result<Self, Failure> {
        let topology = Arc::new(built.topology.view().topology().clone());
        let (mut shards, mut sockets) = (Vec::new(), Vec::new());
        for (index, socket) in (0..).zip(std::mem::take(&mut built.udp)) {
            let waker = Waker::new().map_err(Failure::failed)?;
            shards.push(ShardHandle {
                index: ShardIndex(index),
                inbox: Arc::new(Inbox::new(waker.clone())),
                gauges: Arc::new(ShardGauges::default()),
                udp: socket.local_addr().map_err(Failure::failed)?,
            });
            sockets.push((socket, waker));
        }
        let server_links = Arc::new(ServerLinks::default());
        let lanes = u8::try_from(shards.len()).ok().and_then(Lanes::new);
        let lanes = lanes.ok_or_else(|| Failure::bad_input("a proxy has 1 to 16 shards"))?;
        tracing::debug!(shards = shards.len(), name = settings.node.name, "built");
        Ok(Self {
            clock: built.links.clock,
            directory: Directory::new(lanes),
            shards: shards.into(),
            sockets,
            subscriptions: Arc::new(Subscriptions::new(
                Arc::clone(&topology),
                Arc::clone(&server_links),
            )),
            server_links,
            refusals: Arc::new(Refusals::default()),
            topology,
            built,
            node: node.clone(),
        })
    }

    fn start(mut self, settings: &ProxySettings) -> Result<Proxy, Failure> {
        let addresses = Addresses {
            tcp: self.built.tcp.local_addr().map_err(Failure::failed)?,
            udp: self.shards.iter().map(|shard| shard.udp).collect(),
        };
        let (links, stop_links) = (TaskTracker::new(), CancellationToken::new());
        let threads = self.start_shards(settings, &links)?;
        self.dial_servers(&links, &stop_links);
        let status = StatusTask {
            board: self.node.status.clone(),
            links: Arc::clone(&self.built.links),
            shards: Arc::clone(&self.shards),
            subscriptions: Arc::clone(&self.subscriptions),
            refusals: Arc::clone(&self.refusals),
            sessions_max: settings.clients.sessions_max,
            fixed: json!({
                "number": self.built.own.number.0,
                "listen": {"tcp": addresses.tcp, "udp": addresses.udp},
            }),
        };
        let (owners, stop) = (&self.node.owners, &stop_links);
        links.spawn(owners.task_until("status", stop, status.run(stop.clone())));
        links.spawn(owners.task(
            "store probe",
            ready::probe_store(&self.node, self.built.store.clone(), self.built.own.number, stop),
        ));
        ready::check_links(&self.node.readiness, &self.built.links, &self.built.topology);
        links.close();
        let shards = Arc::clone(&self.shards);
        let (clients, peers, store_threads) = self.listen(settings);
        Ok(Proxy {
            addresses,
            clients,
            peers,
            links,
            stop_links,
            shards,
            threads,
            store_threads,
            drain_grace: Duration::from_millis(settings.clients.drain_grace_ms),
        })
    }

    fn start_shards(
        &mut self,
        settings: &ProxySettings,
        tasks: &TaskTracker,
    ) -> Result<Vec<OwnerThread>, Failure> {
        let (questions, asked) = owner_reads::channel();
        let reads = OwnerReadTask {
            store: self.built.store.clone(),
            shards: Arc::clone(&self.shards),
            questions: asked,
        };
        // Ends when no shard can ask any more.
        tasks.spawn(self.node.owners.task("owner reads", async move {
            reads.run().await;
            Ended::AsAsked
        }));
        let outside = Outside {
            links: Arc::clone(&self.server_links),
            subscriptions: Arc::clone(&self.subscriptions),
            questions,
            refusals: Arc::clone(&self.refusals),
        };
        let config = EdgeConfig {
            snapshot_bytes_per_s: settings.edge.snapshot_bytes_per_s,
        };
        let sockets = std::mem::take(&mut self.sockets);
        let owners = self.node.owners.clone();
        let spawn = |(shard, (socket, waker)): (&ShardHandle, _)| {
            let thread = ShardThread {
                edge: Edge::new(config.clone(), Arc::clone(&self.topology)),
                socket,
                waker,
                inbox: Arc::clone(&shard.inbox),
                effects: ShardEffects::new(shard.index, outside.clone()),
                gauges: Arc::clone(&shard.gauges),
                clock: self.clock,
                sweep_us: settings.edge.sweep_us,
            };
            let name = format!("shard-{}", shard.index.0);
            let running = owners.thread(name, Patience::HOT, move |pulse| thread.run(pulse));
            running.map_err(Failure::failed)
        };
        self.shards.iter().zip(sockets).map(spawn).collect()
    }

    fn dial_servers(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let news = TopologyNews {
            topology: Arc::clone(&self.built.topology),
            links: Arc::clone(&self.built.links),
            data: self.built.data.path().to_owned(),
        };
        let services = Services::new(
            self.built.store.clone(),
            Arc::clone(&self.shards),
            Arc::clone(&self.subscriptions),
            Arc::clone(&self.refusals),
            stop.clone(),
        );
        let world = Arc::new(LinkWorld {
            news,
            services: Arc::new(services),
            grid: self.topology.world().grid(),
            directory: self.directory,
            shards: Arc::clone(&self.shards),
            links: Arc::clone(&self.server_links),
            subscriptions: Arc::clone(&self.subscriptions),
            refusals: Arc::clone(&self.refusals),
        });
        let in_force = Arc::clone(&self.built.topology);
        let wanted = move || server_link::servers(&in_force);
        let (owners, links, dialing_stops) = (self.node.owners.clone(), tasks.clone(), stop.clone());
        let dial = move |dialed: Dialed, until: CancellationToken| {
            let dialing = server_link::dial(Arc::clone(&world), dialed, until.clone());
            links.spawn(owners.task_until(&format!("link to {}", dialed.0), &until, dialing));
        };
        let following = follow(self.built.topology.changes(), dialing_stops, wanted, dial);
        tasks.spawn(self.node.owners.task_until("dialer", stop, following));
    }

    fn listen(self, settings: &ProxySettings) -> (Arc<ClientContext>, TaskTracker, StoreThreads) {
        let Self {
            built, clock, node, ..
        } = self;
        let limits = &settings.clients;
        let logins = RateLimits::new(
            limits.logins_per_s,
            limits.logins_per_prefix_per_s,
            limits.exempt_networks(),
            clock.now_ms(),
        );
        let context = Arc::new(ClientContext {
            clock,
            own: built.own,
            doors: built.doors.into_iter().map(Arc::new).collect(),
            auth: Arc::new(AuthRole {
                store: built.store,
                topology: Arc::clone(&built.topology),
                cluster_id: built.own.cluster_id,
                issuer: built.own.uuid,
                key: built.data.certificate.node_key(),
                guests: settings.auth.guests,
            }),
            directory: self.directory,
            shards: self.shards,
            topology: built.topology,
            links: built.links,
            refusals: self.refusals,
            logins: Mutex::new(logins),
            sessions_max: limits.sessions_max as usize,
            messages_per_s: limits.messages_per_s,
            advertise: settings.edge.advertise,
            drain: CancellationToken::new(),
            close: CancellationToken::new(),
        });
        let door = DoorLimits {
            accepts_per_s: limits.accepts_per_s,
            handshakes_max: limits.handshakes_max,
            exempt: limits.exempt_networks(),
        };
        let (peers, drain) = (TaskTracker::new(), context.drain.clone());
        let stop = drain.clone();
        let accepting = accept_clients(Arc::clone(&context), built.tcp, door, peers.clone(), drain);
        peers.spawn(node.owners.task_until("client listener", &stop, accepting));
        (context, peers, built.store_threads)
    }
}
