//! From settings to a game server that is ready to start: opens the data directory, binds, opens the store, and takes
//! over its regions there. Nothing has been said to any peer then.

use std::sync::Arc;

use net::link::{LinkConfig, LinkContext};
use node::addresses::Listener;
use node::admin::Papers;
use node::clock::wall_ms;
use node::data_dir::{DataDir, HeldDir};
use node::life::{Failure, Node};
use node::sanction_board::SanctionBoard;
use node::topology_in_force::TopologyInForce;
use protocol::identity::Role;
use protocol::ids::{Incarnation, NodeNumber};
use protocol::node_handshake::LocalNode;
use store::{StoreReply, StoreRequest};
use tokio::net::TcpListener;
use topology::Topology;

use super::hang_watch::HangWatch;
use super::open_store::{OpenStore, unexpected};
use super::played::Played;
use super::region_maker::RegionMaker;
use super::settings::GameServerSettings;
use super::take_over::TakeOver;
use crate::region::Region;

/// Everything that runs, before it runs.
pub(super) struct Built {
    pub(super) number: NodeNumber,
    pub(super) incarnation: Incarnation,
    /// The world as it stays until the next start; who may be a peer, and serve what, is asked of `in_force`.
    pub(super) topology: Arc<Topology>,
    pub(super) in_force: Arc<TopologyInForce>,
    pub(super) papers: Papers,
    pub(super) context: Arc<LinkContext>,
    pub(super) peer_listener: TcpListener,
    pub(super) proxy_listener: TcpListener,
    /// Those that are served from the beginning.
    pub(super) regions: Vec<Region>,
    pub(super) maker: RegionMaker,
    pub(super) store: OpenStore,
    /// Read before anybody joins.
    pub(super) sanctions: Arc<SanctionBoard>,
    /// Sees rules that hang, until it is dropped.
    pub(super) hang_watch: HangWatch,
    /// No other process gets the data directory meanwhile.
    pub(super) held: HeldDir,
}

/// Builds a game server.
pub(super) async fn build(
    settings: &GameServerSettings,
    game: &Played,
    node: &Node,
) -> Result<Built, Failure> {
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
    let sanctions = SanctionBoard::load(&store.handle).await;
    let in_force = Arc::new(TopologyInForce::of(&dir));
    let maker = RegionMaker::new(settings, game, &dir, incarnation, &in_force)?;
    let hang_watch = HangWatch::start(&node.owners, maker.calls(), store.handle.clone(), dir.number);
    let regions = {
        let take_over = TakeOver {
            store: &store,
            node: dir.number,
            topology: &topology,
            version: dir.view.version(),
            readiness: &node.readiness,
        };
        take_over.unlisted().await?;
        match store.has_standbys() {
            // The keeper of the lease sees to them, while the process runs.
            true => Vec::new(),
            false => serve_regions(&take_over, &maker).await?,
        }
    };
    let authorities = dir.cluster.authorities;
    let local = LocalNode::new(&dir.certificate, dir.cluster.cluster_id, authorities, incarnation);
    let mut local = local.map_err(Failure::bad_input)?;
    local.store = store.identity();
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
        maker,
        store,
        sanctions: Arc::new(sanctions.map_err(Failure::unreachable)?),
        hang_watch,
        held,
    })
}

async fn start_node(store: &OpenStore, node: NodeNumber) -> Result<Incarnation, Failure> {
    match store.ask(StoreRequest::StartNode { node }).await? {
        StoreReply::Started(incarnation) => Ok(incarnation),
        other => Err(unexpected(&other)),
    }
}

/// Takes over all that the topology gives to this node, where nobody stands by.
async fn serve_regions(take_over: &TakeOver<'_>, maker: &RegionMaker) -> Result<Vec<Region>, Failure> {
    let own = take_over.topology.regions_of(take_over.node);
    let numbers: Vec<_> = own.map(|region| region.number).collect();
    let mut regions = Vec::with_capacity(numbers.len());
    for number in numbers {
        let (epoch, maker) = (take_over.region(number).await?, maker.clone());
        // The rules say what lies there, and may hang at that.
        let making = tokio::task::spawn_blocking(move || maker.make(number, epoch));
        let region = making.await.map_err(Failure::failed)?;
        regions.push(region.map_err(Failure::bad_input)?);
    }
    Ok(regions)
}
