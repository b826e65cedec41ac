//! From settings to a game server that is ready to start: opens the data directory, binds, opens the store, and takes
//! over its regions there. Nothing has been said to any peer then.

use std::net::SocketAddr;
use std::sync::Arc;

use net::link::{LinkConfig, LinkContext};
use node::admin::Papers;
use node::clock::wall_ms;
use node::data_dir::DataDir;
use node::life::{Failure, Owners};
use node::topology_in_force::TopologyInForce;
use protocol::identity::Role;
use protocol::ids::{ClusterId, Incarnation, NodeNumber, RegionEpoch, RegionNumber};
use protocol::node_handshake::LocalNode;
use store::sqlite::SqliteStore;
use store::{Store, StoreHandle, StoreReply, StoreRequest, StoreSettings, StoreThreads};
use tokio::net::TcpListener;
use topology::Topology;

use super::ready::store_watch;
use super::settings::GameServerSettings;
use crate::demo::DemoGame;
use crate::process_numbers::ProcessNumbers;
use crate::region::{Region, RegionConfig};

/// How often somebody else may begin to serve a region between our reading of it and our taking it.
const SERVE_TRIES_MAX: usize = 8;

/// Everything that runs, before it runs.
pub(super) struct Built {
    pub(super) number: NodeNumber,
    pub(super) incarnation: Incarnation,
    /// The world as it stays until the next start; who may be a peer is asked of `in_force`.
    pub(super) topology: Arc<Topology>,
    pub(super) in_force: Arc<TopologyInForce>,
    pub(super) papers: Papers,
    pub(super) context: Arc<LinkContext>,
    pub(super) peer_listener: TcpListener,
    pub(super) proxy_listener: TcpListener,
    pub(super) regions: Vec<Region>,
    pub(super) store: OpenStore,
}

/// The store and the threads in front of it.
pub(super) struct OpenStore {
    pub(super) handle: StoreHandle,
    threads: StoreThreads,
    file: Arc<SqliteStore>,
}

impl OpenStore {
    async fn open(
        settings: &GameServerSettings,
        owners: &Owners,
        cluster: ClusterId,
    ) -> Result<Self, Failure> {
        let path = settings.store_path();
        let opening = move || SqliteStore::open_for(&path, cluster);
        let opened = tokio::task::spawn_blocking(opening)
            .await
            .map_err(Failure::failed)?;
        let file = Arc::new(opened.map_err(|error| {
            if error.may_pass() {
                Failure::unreachable(error)
            } else {
                Failure::bad_input(error)
            }
        })?);
        let queue_bytes_max = settings.store.queue_bytes_max;
        let store: Arc<dyn Store> = file.clone();
        let started =
            StoreHandle::spawn_watched(&store, StoreSettings { queue_bytes_max }, store_watch(owners));
        let (handle, threads) = started.map_err(Failure::failed)?;
        Ok(Self {
            handle,
            threads,
            file,
        })
    }

    async fn ask(&self, request: StoreRequest) -> Result<StoreReply, Failure> {
        let answer = self.handle.ask(request).await;
        answer
            .map_err(|error| Failure::unreachable(format!("the store does not let this node start: {error}")))
    }

    /// Resolves when a thread of the store has panicked, to its name.
    pub(super) async fn broken(&self) -> &'static str {
        self.threads.broken().await
    }

    /// Waits until everything sent has been answered; all other handles must be gone.
    pub(super) async fn close(self) {
        let Self {
            handle,
            threads,
            file,
        } = self;
        drop(handle);
        let closing = move || {
            threads.join();
            if let Some(file) = Arc::into_inner(file) {
                file.close();
            }
        };
        if tokio::task::spawn_blocking(closing).await.is_err() {
            tracing::error!("the store was not closed cleanly");
        }
    }
}

/// Builds a game server.
pub(super) async fn build(settings: &GameServerSettings, owners: &Owners) -> Result<Built, Failure> {
    let node = &settings.node;
    let dir = DataDir::open(&node.data, &node.name, Role::GameServer, wall_ms())?;
    let topology = Arc::new(dir.view.topology().clone());
    let server = topology
        .server(dir.number)
        .ok_or_else(|| Failure::bad_input("the topology does not list this node"))?;
    let peer_listener = bind(server.peer).await?;
    let proxy_listener = bind(server.proxy).await?;
    let store = OpenStore::open(settings, owners, dir.cluster.cluster_id).await?;
    let incarnation = start_node(&store, dir.number).await?;
    let regions = serve_regions(settings, &store, &dir, incarnation, &topology).await?;
    let authorities = dir.cluster.authorities;
    let local = LocalNode::new(&dir.certificate, dir.cluster.cluster_id, authorities, incarnation);
    let local = local.map_err(Failure::bad_input)?;
    let in_force = Arc::new(TopologyInForce::of(&dir));
    let context = LinkContext::new(LinkConfig::default(), local, in_force.clone());
    Ok(Built {
        papers: Papers::new(&dir, &in_force),
        number: dir.number,
        incarnation,
        topology,
        in_force,
        context: Arc::new(context),
        peer_listener,
        proxy_listener,
        regions,
        store,
    })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::bad_input(format!(
            "cannot listen on {address}: {error}; free it, or change the topology"
        ))
    })
}

async fn start_node(store: &OpenStore, node: NodeNumber) -> Result<Incarnation, Failure> {
    match store.ask(StoreRequest::StartNode { node }).await? {
        StoreReply::Started(incarnation) => Ok(incarnation),
        other => Err(unexpected(&other)),
    }
}

async fn serve_regions(
    settings: &GameServerSettings,
    store: &OpenStore,
    dir: &DataDir,
    incarnation: Incarnation,
    topology: &Arc<Topology>,
) -> Result<Vec<Region>, Failure> {
    let numbers: Vec<_> = topology
        .regions_of(dir.number)
        .map(|region| region.number)
        .collect();
    let process = ProcessNumbers::new(dir.number, incarnation);
    let mut regions = Vec::with_capacity(numbers.len());
    for number in numbers {
        let config = RegionConfig {
            seed: world_seed(dir),
            linkdead_grace_ms: settings.limits.linkdead_grace_ms,
            soft_save_ms: settings.limits.soft_save_ms,
            #[cfg(feature = "fault-injection")]
            fault: fault()?,
            ..RegionConfig::new(
                number,
                serve(store, dir.number, number).await?,
                process.clone(),
                topology.clone(),
            )
        };
        let game = Box::new(DemoGame::with_creatures(settings.game.creatures));
        regions.push(Region::new(config, game).map_err(Failure::bad_input)?);
    }
    Ok(regions)
}

/// Which mistake to make on purpose.
#[cfg(feature = "fault-injection")]
fn fault() -> Result<crate::region::Fault, Failure> {
    let name = std::env::var("FAULT_INJECTION").unwrap_or_default();
    name.parse().map_err(Failure::bad_input)
}

async fn serve(store: &OpenStore, node: NodeNumber, region: RegionNumber) -> Result<RegionEpoch, Failure> {
    let mut reply = store.ask(StoreRequest::ReadService { region }).await?;
    for _ in 0..SERVE_TRIES_MAX {
        let after = match reply {
            StoreReply::Serving(epoch) => return Ok(epoch),
            StoreReply::Service(newest) => newest.map(|service| service.region_epoch),
            other => return Err(unexpected(&other)),
        };
        reply = store
            .ask(StoreRequest::ServeRegion { region, node, after })
            .await?;
    }
    Err(Failure::failed(format!(
        "other processes keep taking region {region} over; let only one of this name run"
    )))
}

/// The same on every server of a cluster, and another in every cluster.
fn world_seed(dir: &DataDir) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = dir.cluster.cluster_id.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn unexpected(reply: &StoreReply) -> Failure {
    Failure::failed(format!("the store gave an answer to another question: {reply:?}"))
}
