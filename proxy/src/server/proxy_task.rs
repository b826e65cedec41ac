//! A running proxy: starts the shards, the links and the listener, and ends them in the order that loses nothing.

mod auths;
mod renewals;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use net::udp::{BatchSocket, Poller};
use node::admin::{probe_store, world_check};
use node::data_dir::HeldDir;
use node::dial_plan::{Dialed, follow};
use node::life::{Ended, Failure, Node, OwnerThread, Patience};
use protocol::Code;
use protocol::ids::Lane;
use serde_json::json;
use store::{Store, StoreThreads};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::auth_links::AuthLinks;
use super::balance::Balance;
use super::browser_queues::BrowserQueues;
use super::build::{Built, build, build_with};
use super::client_context::{ClientContext, ClientIds};
use super::control_task::ControlTask;
use super::descriptors::ClientRoom;
use super::directory::ShardIndex;
use super::handshake_permits::HandshakePermits;
use super::listeners::Listeners;
use super::live_metrics;
use super::mailbox::{Mailbox, News, Order};
use super::map::MapBoard;
use super::rate_limits::RateLimits;
use super::ready::{self, ShardChecks};
use super::refusals::Refusals;
use super::sanction_watch;
use super::server_dialer;
use super::services::Services;
use super::settings::ProxySettings;
use super::shard_desk::ShardDesk;
use super::shard_handle::{SessionCounts, ShardGauges, ShardHandle, Shards, counts, tell_all};
use super::shard_thread::ShardThread;
use super::status_task::StatusTask;
use super::topology_news::TopologyNews;
use crate::edge::EdgeConfig;
use crate::shard::{Shard, ShardConfig, StreamRoom};

/// How long clients that were told goodbye may take to go.
const GOODBYES: Duration = Duration::from_secs(1);
/// How long sessions of tools may take to end, which hear of it when their clients are sent away.
const TOOLS_END: Duration = Duration::from_secs(2);
/// How long the store may take to end its last round.
const STORE_CLOSES: Duration = Duration::from_secs(2);
/// Between two groups of players that are sent elsewhere in a drain.
const DRAIN_TURN: Duration = Duration::from_millis(50);
/// Between two looks while draining.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// Where a proxy listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Clients' streams.
    pub tcp: SocketAddr,
    /// Clients' datagrams, by shard.
    pub udp: Vec<SocketAddr>,
    /// The page, and WebSocket.
    pub http: SocketAddr,
    /// Datagrams of browsers, if it takes any.
    pub webtransport: Option<SocketAddr>,
}

/// A proxy that runs until it is drained.
pub struct Proxy {
    addresses: Addresses,
    clients: Arc<ClientContext>,
    peers: TaskTracker,
    /// Of tools and of TLS; none once they are waited for.
    helpers: Vec<JoinHandle<()>>,
    links: TaskTracker,
    stop_links: CancellationToken,
    shards: Shards,
    threads: Vec<OwnerThread>,
    /// `None` once they are waited for.
    store_threads: Option<StoreThreads>,
    held: Option<HeldDir>,
    drain_lead: Duration,
    drain_grace: Duration,
}

impl Proxy {
    /// Builds and starts a proxy on the store that its settings name. Its status, its checks and what it cannot do
    /// without are listed in `node`.
    ///
    /// # Errors
    /// What the operator has to change, or what could not be reached.
    pub async fn start(settings: &ProxySettings, node: &Node) -> Result<Self, Failure> {
        Starting::new(build(settings, &node.owners).await?, settings, node)?.start(settings)
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
        Starting::new(build_with(settings, &node.owners, &store).await?, settings, node)?.start(settings)
    }

    /// Makes a shard panic, to see what becomes of its process.
    #[cfg(feature = "fault-injection")]
    pub fn panic_shard(&self, index: usize) {
        if let Some(shard) = self.shards.get(index) {
            shard.mailbox.send(Order::Panic);
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
        match &self.store_threads {
            Some(threads) => threads.broken().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until balancers have noticed, lets nobody in any more, tells everybody where else to go, gives them time, and ends. The data directory is this one's until
    /// the store is closed: its keeper writes there last of all.
    pub async fn drain(mut self) {
        self.clients.links.loads.start_draining();
        tokio::time::sleep(self.drain_lead).await;
        self.clients.drain.cancel();
        let others = self.clients.other_proxies();
        tell_all(&self.shards, || Order::Drain(others.clone()));
        self.send_away_in_turn().await;
        // Whoever is still shaking hands finds a shard that sends everybody away.
        self.peers.close();
        tell_all(&self.shards, || Order::SendAway(Code::Draining));
        let _ = tokio::time::timeout(GOODBYES, self.peers.wait()).await;
        self.until_empty(GOODBYES).await;
        let helpers = std::mem::take(&mut self.helpers);
        let ending = tokio::task::spawn_blocking(move || helpers.into_iter().map(JoinHandle::join).count());
        if tokio::time::timeout(TOOLS_END, ending).await.is_err() {
            tracing::warn!("sessions of tools did not end in time");
        }
        // Nobody dials what shards give up now. Players who stay behind are linkdead at their owners, which hear of it.
        self.stop_links.cancel();
        tell_all(&self.shards, || Order::Stop);
        for thread in &self.threads {
            thread.ended().await;
        }
        self.links.wait().await;
        let (threads, held) = (self.store_threads.take(), self.held.take());
        // The threads of the store end with the last who may ask them.
        drop(self);
        let closing = tokio::task::spawn_blocking(move || threads.map(StoreThreads::join));
        if tokio::time::timeout(STORE_CLOSES, closing).await.is_err() {
            tracing::warn!("the store was not closed in time; its log is merged by whoever opens it next");
        }
        drop(held);
    }

    /// Spread over the time that there is for it: where they go, nobody waits behind all the others.
    async fn send_away_in_turn(&self) {
        let turns = self.drain_grace.div_duration_f64(DRAIN_TURN).ceil() as usize;
        for left in (1..=turns).rev() {
            if counts(&self.shards).sessions == 0 {
                return;
            }
            // Before the first ones go, all have heard why.
            tokio::time::sleep(DRAIN_TURN).await;
            for shard in self.shards.iter() {
                let some = shard.gauges.get().sessions.div_ceil(left);
                shard.mailbox.send(Order::SendSomeAway(some));
            }
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

/// Dropped without a drain, it ends all the same, and whoever is here finds out by itself.
impl Drop for Proxy {
    fn drop(&mut self) {
        self.clients.drain.cancel();
        self.stop_links.cancel();
        tell_all(&self.shards, || Order::Stop);
    }
}

/// A shard's sockets, before its thread has them.
type ShardSockets = (BatchSocket, Poller);

/// The parts that everything else refers to.
struct Starting {
    built: Built,
    node: Node,
    topology: Arc<topology::Topology>,
    news: Arc<TopologyNews>,
    shards: Shards,
    sockets: Vec<ShardSockets>,
    refusals: Arc<Refusals>,
    board: Arc<MapBoard>,
    /// Woken when shards have left datagrams for browsers.
    left: Arc<Notify>,
    auths: Arc<AuthLinks>,
    links: TaskTracker,
    stop_links: CancellationToken,
}

impl Starting {
    fn new(mut built: Built, settings: &ProxySettings, node: &Node) -> Result<Self, Failure> {
        // The world as it was when the proxy started: what it looks like does not change while it runs.
        let topology = Arc::new(built.topology.view().topology().clone());
        let (mut shards, mut sockets) = (Vec::new(), Vec::new());
        let left = Arc::new(Notify::new());
        for (number, socket) in (0..).zip(std::mem::take(&mut built.udp)) {
            let poller = Poller::new().map_err(Failure::failed)?;
            shards.push(ShardHandle {
                index: ShardIndex(Lane::new(number).unwrap_or_default()),
                mailbox: Mailbox::new(poller.waker()),
                gauges: Arc::new(ShardGauges::default()),
                udp: socket.local_addr().map_err(Failure::failed)?,
                browsers: Arc::new(BrowserQueues::new(poller.waker(), Arc::clone(&left))),
            });
            sockets.push((socket, poller));
        }
        tracing::debug!(shards = shards.len(), name = settings.node.name, "built");
        let news = TopologyNews {
            topology: Arc::clone(&built.topology),
            data: built.data.path().to_owned(),
        };
        Ok(Self {
            shards: shards.into(),
            sockets,
            refusals: Arc::new(Refusals::default()),
            board: Arc::default(),
            left,
            auths: Arc::default(),
            topology,
            news: Arc::new(news),
            built,
            node: node.clone(),
            links: TaskTracker::new(),
            stop_links: CancellationToken::new(),
        })
    }

    fn start(mut self, settings: &ProxySettings) -> Result<Proxy, Failure> {
        let addresses = Addresses {
            tcp: self.built.tcp.local_addr().map_err(Failure::failed)?,
            udp: self.shards.iter().map(|shard| shard.udp).collect(),
            http: self.built.http.local_addr().map_err(Failure::failed)?,
            webtransport: match &self.built.webtransport {
                Some(socket) => Some(socket.local_addr().map_err(Failure::failed)?),
                None => None,
            },
        };
        let (to_control, from_shards) = mpsc::unbounded_channel();
        let threads = self.start_shards(settings, &to_control)?;
        self.watch_papers(to_control.downgrade());
        self.dial_auths(to_control.downgrade());
        drop(to_control);
        let room = self.client_room(settings);
        let clients = self.client_context(settings, room);
        self.start_control(Arc::clone(&clients), from_shards);
        let watching = sanction_watch::watch(&self.built, &self.shards, &self.stop_links);
        self.spawn("sanctions", watching);
        self.dial_servers();
        self.watch_certificate(settings);
        if let Some(tokens) = self.built.tokens.clone() {
            let (readiness, stop) = (self.node.readiness.clone(), self.stop_links.clone());
            self.spawn("token keys", tokens.keep_fresh(readiness, stop));
        }
        self.tell_status(room, &addresses);
        self.links.close();
        let (links, stop_links) = (self.links.clone(), self.stop_links.clone());
        let shards = Arc::clone(&self.shards);
        let listeners = Listeners {
            tcp: self.built.tcp,
            http: self.built.http,
            tls: self.built.tls,
            webtransport: self.built.webtransport,
            left: self.left,
            authorities: self.built.authorities,
            board: self.board,
        };
        let (peers, helpers) = listeners.open(settings, room, &self.node, &clients)?;
        Ok(Proxy {
            addresses,
            clients,
            peers,
            helpers,
            links,
            stop_links,
            shards,
            threads,
            store_threads: Some(self.built.store_threads),
            held: Some(self.built.held),
            drain_lead: settings.clients.drain_lead(),
            drain_grace: Duration::from_millis(settings.clients.drain_grace_ms),
        })
    }

    fn start_shards(
        &mut self,
        settings: &ProxySettings,
        control: &mpsc::UnboundedSender<News>,
    ) -> Result<Vec<OwnerThread>, Failure> {
        let sockets = std::mem::take(&mut self.sockets);
        let spawn = |(shard, (socket, poller)): (&ShardHandle, ShardSockets)| {
            let config = ShardConfig {
                edge: EdgeConfig {
                    snapshot_bytes_per_s: settings.edge.snapshot_bytes_per_s,
                },
                messages_per_s: settings.clients.messages_per_s,
                stream_room: StreamRoom::default(),
                lane: shard.index.0,
                lanes: self.built.lanes,
            };
            let waker = poller.waker();
            let mut shard_core = Shard::new(config, Arc::clone(&self.topology));
            shard_core.handle_listing(self.built.topology.listing());
            let thread = ShardThread {
                shard: shard_core,
                socket,
                browsers: Arc::clone(&shard.browsers),
                poller,
                mailbox: shard.mailbox.clone(),
                desk: ShardDesk::new(
                    shard.index,
                    Arc::clone(&self.built.links),
                    Arc::clone(&self.news),
                    control.clone(),
                    (Arc::clone(&self.refusals), Arc::clone(&self.board)),
                    self.built.store.port(move || waker.wake()),
                ),
                gauges: Arc::clone(&shard.gauges),
                clock: self.built.links.clock,
                sweep_us: settings.edge.sweep_us,
            };
            let (owners, name) = (&self.node.owners, format!("shard-{}", shard.index.0));
            let running = owners.thread(name, Patience::HOT, move |pulse| thread.run(pulse));
            running.map_err(Failure::failed)
        };
        self.shards.iter().zip(sockets).map(spawn).collect()
    }

    /// Something that the proxy cannot do without until it ends.
    fn spawn(&self, name: &str, running: impl Future<Output = ()> + Send + 'static) {
        let (owners, stop) = (&self.node.owners, &self.stop_links);
        self.links.spawn(owners.task_until(name, stop, running));
    }

    /// Links to every server, on every shard, are counted with what is open already.
    fn client_room(&self, settings: &ProxySettings) -> ClientRoom {
        let links = self.topology.servers().len() * self.shards.len();
        let taken = node::telemetry::usage().open_fds + links as u64;
        ClientRoom::of_process((&settings.clients, &settings.http), taken)
    }

    fn client_context(&self, settings: &ProxySettings, room: ClientRoom) -> Arc<ClientContext> {
        let (built, limits) = (&self.built, &settings.clients);
        let clock = built.links.clock;
        let logins = RateLimits::new(
            limits.logins_per_s,
            limits.logins_per_prefix_per_s,
            limits.exempt_networks(),
            clock.now_ms(),
        );
        Arc::new(ClientContext {
            clock,
            own: built.own,
            doors: Arc::clone(&built.doors),
            auth: Arc::new(self.auth_role(settings)),
            sanctions: Arc::clone(&built.sanctions),
            lanes: built.lanes,
            shards: Arc::clone(&self.shards),
            topology: Arc::clone(&built.topology),
            links: Arc::clone(&built.links),
            refusals: Arc::clone(&self.refusals),
            logins: Mutex::new(logins),
            balance: Mutex::new(Balance::new(limits.redirect_percent)),
            handshakes: HandshakePermits::of_handshakes(
                room.handshakes_max as usize,
                limits.exempt_networks(),
            ),
            sessions_max: room.sessions_max as usize,
            advertise: settings.edge.advertise,
            names: self.keep_names(),
            ids: ClientIds::default(),
            drain: CancellationToken::new(),
        })
    }

    fn start_control(&self, context: Arc<ClientContext>, news: mpsc::UnboundedReceiver<News>) {
        let services = Services::new(
            self.built.store.clone(),
            Arc::clone(&self.shards),
            Arc::clone(&self.refusals),
            self.stop_links.clone(),
        );
        let control = ControlTask {
            context,
            services: Arc::new(services),
            topologies: Arc::clone(&self.news),
            news,
        };
        // Ends when no shard can say anything any more.
        self.links.spawn(self.node.owners.task("control", async move {
            control.run().await;
            Ended::AsAsked
        }));
    }

    fn dial_servers(&self) {
        let (in_force, context) = (Arc::clone(&self.built.topology), Arc::clone(&self.built.links));
        let (shards, owners) = (Arc::clone(&self.shards), self.node.owners.clone());
        let links = self.links.clone();
        let listed = Arc::clone(&in_force);
        let wanted = move || server_dialer::servers(&listed);
        let dial = move |dialed: Dialed, until: CancellationToken| {
            for shard in shards.iter() {
                let (context, topology) = (Arc::clone(&context), Arc::clone(&in_force));
                let dialing = server_dialer::dial(context, topology, shard.clone(), dialed, until.clone());
                let name = format!("link to {} of shard {}", dialed.0, shard.index.0);
                links.spawn(owners.task_until(&name, &until, dialing));
            }
        };
        let (stop, changes) = (&self.stop_links, self.built.topology.changes());
        let following = follow(changes, None, stop.clone(), wanted, dial);
        self.spawn("dialer", following);
    }

    fn tell_status(&self, room: ClientRoom, addresses: &Addresses) {
        let status = StatusTask {
            board: self.node.status.clone(),
            links: Arc::clone(&self.built.links),
            shards: Arc::clone(&self.shards),
            refusals: Arc::clone(&self.refusals),
            sessions_max: room.sessions_max,
            fixed: json!({
                "number": self.built.own.number.0,
                "listen": {"tcp": addresses.tcp, "udp": addresses.udp, "http": addresses.http},
            }),
        };
        self.spawn("status", status.run(self.stop_links.clone()));
        let store = self.built.store.clone();
        let probing = probe_store(&self.node.readiness, store, &self.stop_links);
        self.links.spawn(self.node.owners.task("store probe", probing));
        ready::check_room(&self.node.readiness, &self.shards, room);
        let stores = world_check(Arc::clone(&self.built.links));
        self.node.readiness.ask("stores", stores);
        let checks = ShardChecks {
            shards: Arc::clone(&self.shards),
            links: Arc::clone(&self.built.links),
            topology: Arc::clone(&self.built.topology),
        };
        checks.watch(&self.node.readiness);
        let papers = self.built.papers.clone();
        papers.watch(&self.node.readiness, &self.node.live);
        live_metrics::tell(&self.node.live, &self.shards, &self.built.topology);
    }
}
