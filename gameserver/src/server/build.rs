//! From settings to a game server that is ready to start: opens the data directory, binds, opens the store, and takes
//! over its regions there. Nothing has been said to any peer then.

use std::sync::Arc;

use net::link::{LinkConfig, LinkContext};
use node::addresses::Listener;
use node::admin::Papers;
use node::clock::wall_ms;
use node::data_dir::{DataDir, HeldDir};
use node::life::{Failure, Node};
use node::topology_in_force::TopologyInForce;
use protocol::identity::Role;
use protocol::ids::{Incarnation, NodeNumber};
use protocol::node_handshake::LocalNode;
use store::{StoreReply, StoreRequest};
use tokio::net::TcpListener;
use topology::Topology;

use super::open_store::{OpenStore, unexpected};
use super::settings::GameServerSettings;
use super::take_over::TakeOver;
use crate::demo::DemoGame;
use crate::process_numbers::ProcessNumbers;
use crate::region::{Region, RegionConfig};

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
    /// No other process gets the data directory meanwhile.
    pub(super) held: HeldDir,
}

/// Builds a game server.
pub(super) async fn build(settings: &GameServerSettings, node: &Node) -> Result<Built, Failure> {
    let own = &settings.node;
    let dir = DataDir::open(&own.data, &own.name, Role::GameServer, wall_ms())?;
    let held = dir.hold()?;
    let topology = Arc::new(dir.view.topology().clone());
    let server = topology
        .server(dir.number)
        .ok_or_else(|| Failure::bad_input("the topology does not list this node"))?;
    let peers = Listener {
        key: "listen.peer",
        said: settings.listen.peer,
        advertised: &server.peer,
    };
    let proxies = Listener {
        key: "listen.proxy",
        said: settings.listen.proxy,
        advertised: &server.proxy,
    };
    let (peer_listener, proxy_listener) = (peers.tcp().await?, proxies.tcp().await?);
    let store = OpenStore::open(settings, &node.owners, &dir).await?;
    let incarnation = start_node(&store, dir.number).await?;
    let regions = {
        let take_over = TakeOver {
            store: &store,
            node: dir.number,
            topology: &topology,
            version: dir.view.version(),
            readiness: &node.readiness,
        };
        take_over.unlisted().await?;
        serve_regions(settings, &take_over, &dir, incarnation, &topology).await?
    };
    let authorities = dir.cluster.authorities;
    let local = LocalNode::new(&dir.certificate, dir.cluster.cluster_id, authorities, incarnation);
    let mut local = local.map_err(Failure::bad_input)?;
    local.store = store.identity();
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
        held,
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
    take_over: &TakeOver<'_>,
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
                take_over.region(number).await?,
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

/// The same on every server of a cluster, and another in every cluster.
fn world_seed(dir: &DataDir) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = dir.cluster.cluster_id.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
