//! From settings to a proxy that is ready to start: opens the data directory, binds, opens the store. Nothing has been
//! said to any peer then.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use net::link::{LinkConfig, LinkContext};
use net::udp::BatchSocket;
use node::addresses::Listener;
use node::admin::{Papers, store_watch};
use node::cluster_file::ClusterFile;
use node::data_dir::{DataDir, HeldDir};
use node::life::{Failure, Owners};
use node::sanction_board::SanctionBoard;
use node::topology_in_force::TopologyInForce;
use protocol::client_handshake::{ProxyIdentity, Versions};
use protocol::frame::HandshakeKey;
use protocol::identity::{AuthorityKeys, Clock, DiskCertificate, Role, RoleVoucher};
use protocol::ids::Lanes;
use protocol::node_handshake::LocalNode;
use store::{
    Accept, Membership, NodeStore, Store, StoreHandle, StoreIdentity, StoreReply, StoreRequest,
    StoreSettings, StoreThreads,
};
use tokio::net::TcpListener;

use super::auth::Tokens;
use super::client_context::{Door, Doors, OwnNode};
use super::settings::{MapAudience, ProxySettings};
use super::tls::Tls;

/// Everything that runs, before it runs.
pub(super) struct Built {
    pub(super) own: OwnNode,
    pub(super) topology: Arc<TopologyInForce>,
    pub(super) links: Arc<LinkContext>,
    pub(super) doors: Arc<Doors>,
    /// Whom clients are told to trust.
    pub(super) authorities: Arc<ArcSwap<AuthorityKeys>>,
    pub(super) papers: Papers,
    pub(super) data: DataDir,
    /// No other process gets the data directory meanwhile.
    pub(super) held: HeldDir,
    pub(super) store: StoreHandle,
    pub(super) store_threads: StoreThreads,
    /// Read before anybody is let in.
    pub(super) sanctions: Arc<SanctionBoard>,
    pub(super) tcp: TcpListener,
    pub(super) http: TcpListener,
    /// The certificate of `http`, if there is one.
    pub(super) tls: Option<Arc<Tls>>,
    /// Of somebody else who vouches for players.
    pub(super) tokens: Option<Arc<Tokens>>,
    pub(super) udp: Vec<BatchSocket>,
    /// For datagrams of browsers, if the topology says where they find it.
    pub(super) webtransport: Option<BatchSocket>,
    /// One for each shard.
    pub(super) lanes: Lanes,
}

/// Builds a proxy on the store that the settings name.
pub(super) async fn build(settings: &ProxySettings, owners: &Owners) -> Result<Built, Failure> {
    let data = open_data(settings)?;
    let held = data.hold()?;
    let store = open_store(settings.store_path(), settings.accept(), &data).await?;
    build_of(settings, (data, held), owners, &store).await
}

/// Opens the store of a node.
pub(super) async fn open_store(
    path: PathBuf,
    accept: Accept,
    data: &DataDir,
) -> Result<Arc<dyn Store>, Failure> {
    let folder = data.path().to_owned();
    let (cluster, node) = (data.cluster.cluster_id, data.number);
    let opening = tokio::task::spawn_blocking(move || {
        let data = folder.as_path();
        NodeStore::open_as(
            &path,
            &Membership {
                cluster,
                node,
                data,
                accept,
            },
        )
    });
    let store = opening.await.map_err(Failure::failed)?.map_err(|error| {
        if error.may_pass() {
            Failure::unreachable(error)
        } else {
            Failure::bad_input(error)
        }
    })?;
    Ok(Arc::new(store))
}

/// Builds a proxy on this store.
pub(super) async fn build_with(
    settings: &ProxySettings,
    owners: &Owners,
    store: &Arc<dyn Store>,
) -> Result<Built, Failure> {
    let data = open_data(settings)?;
    let held = data.hold()?;
    build_of(settings, (data, held), owners, store).await
}

fn open_data(settings: &ProxySettings) -> Result<DataDir, Failure> {
    let (path, name) = (&settings.node.data, &settings.node.name);
    Ok(DataDir::open(path, name, Role::Proxy, net::clock::wall_ms())?)
}

async fn build_of(
    settings: &ProxySettings,
    (data, held): (DataDir, HeldDir),
    owners: &Owners,
    store: &Arc<dyn Store>,
) -> Result<Built, Failure> {
    let entry = data.view.topology().proxy(data.number).cloned();
    let entry = entry.ok_or_else(|| Failure::bad_input("the topology does not list this proxy"))?;
    check_map(settings, &entry)?;
    let streams = Listener {
        key: "listen.tcp",
        said: settings.listen.tcp,
        advertised: &entry.tcp,
    };
    let datagrams = Listener {
        key: "listen.udp",
        said: settings.listen.udp,
        advertised: &entry.udp,
    };
    let browsers = Listener {
        key: "listen.http",
        said: settings.listen.http,
        advertised: &entry.http,
    };
    let webtransport = bind_webtransport(settings, &entry).await?;
    let lanes = lanes(entry.shards)?;
    let (tcp, udp) = (streams.tcp().await?, datagrams.udp(entry.shards).await?);
    let (http, tls) = (
        browsers.tcp().await?,
        Tls::open(&settings.tls).map_err(Failure::bad_input)?,
    );
    let tokens = Tokens::open(&settings.jwt).map_err(Failure::bad_input)?;
    let identity = store.identity();
    let started = StoreHandle::spawn_watched(store, StoreSettings::default(), store_watch(owners));
    let (store, store_threads) = started.map_err(Failure::failed)?;
    let own = OwnNode {
        cluster_id: data.cluster.cluster_id,
        number: data.number,
        uuid: data.uuid(),
    };
    let topology = Arc::new(TopologyInForce::of(&data));
    let local = local_node(&data, &store, identity, lanes).await?;
    let links = LinkContext::new(LinkConfig::default(), local, topology.clone());
    let sanctions = SanctionBoard::load(&store).await.map_err(Failure::unreachable)?;
    let doors = doors(&data.cluster, &data.certificate, data.voucher).map_err(Failure::bad_input)?;
    Ok(Built {
        own,
        links: Arc::new(links),
        doors: Arc::new(ArcSwap::from_pointee(doors)),
        authorities: Arc::new(ArcSwap::from_pointee(data.cluster.authorities)),
        papers: Papers::new(&data, &topology),
        data,
        topology,
        held,
        store,
        store_threads,
        sanctions: Arc::new(sanctions),
        tcp,
        http,
        tls,
        tokens,
        udp,
        webtransport,
        lanes,
    })
}

/// Where browsers send datagrams, if the topology says that they may.
async fn bind_webtransport(
    settings: &ProxySettings,
    entry: &topology::Proxy,
) -> Result<Option<BatchSocket>, Failure> {
    let Some(advertised) = &entry.webtransport else {
        return Ok(None);
    };
    let listener = Listener {
        key: "listen.webtransport",
        said: settings.listen.webtransport,
        advertised,
    };
    Ok(listener.udp(1).await?.pop())
}

/// Who plays on one machine may all look at the map; a world that others come to keeps it for its operators.
fn check_map(settings: &ProxySettings, entry: &topology::Proxy) -> Result<(), Failure> {
    let url = entry.found_at();
    if settings.http.map == MapAudience::Public && !url.is_loopback() {
        return Err(Failure::bad_input(format!(
            "http.map is `public`, which is for a cluster on one machine, and this proxy is found at {url}; write `operators`"
        )));
    }
    Ok(())
}

/// Every shard has a lane of its own to every game server.
fn lanes(shards: u16) -> Result<Lanes, Failure> {
    let lanes = u8::try_from(shards).ok().and_then(Lanes::new);
    lanes.ok_or_else(|| Failure::bad_input(format!("a proxy cannot have {shards} shards")))
}

/// This start of the node, as its peers will know it.
pub(super) async fn local_node(
    data: &DataDir,
    store: &StoreHandle,
    identity: StoreIdentity,
    lanes: Lanes,
) -> Result<LocalNode, Failure> {
    let incarnation = match store.ask(StoreRequest::StartNode { node: data.number }).await {
        Ok(StoreReply::Started(incarnation)) => incarnation,
        other => {
            let what = format!("the store does not let this node start: {other:?}");
            return Err(Failure::unreachable(what));
        }
    };
    let authorities = data.cluster.authorities;
    let local = LocalNode::new(
        &data.certificate,
        data.cluster.cluster_id,
        authorities,
        incarnation,
    );
    let mut local = local.map_err(Failure::bad_input)?;
    local.lanes = lanes;
    local.store = identity;
    Ok(local)
}

/// While authority keys are rotated, clients know the old or the new one; we answer under those that vouch for us.
pub(super) fn doors(
    cluster: &ClusterFile,
    certificate: &DiskCertificate,
    voucher: Option<RoleVoucher>,
) -> Result<Vec<Arc<Door>>, &'static str> {
    let voucher = voucher.ok_or("this proxy has no role voucher")?;
    let (cluster_id, uuid) = (cluster.cluster_id, certificate.wire().claimed_uuid());
    let clock = Clock::of_node(net::clock::wall_ms());
    let vouched = cluster.authorities.iter().filter(|authority| {
        let alone = AuthorityKeys::new(*authority);
        let certified = certificate.wire().verify(&alone, cluster_id, clock).is_ok();
        certified
            && voucher
                .verify(&alone, cluster_id, uuid, Role::Proxy, clock)
                .is_ok()
    });
    let doors: Vec<Arc<Door>> = vouched
        .map(|authority| Door {
            key: HandshakeKey::client(&authority.to_bytes(), cluster_id),
            identity: ProxyIdentity {
                cluster_id,
                authority,
                certificate: certificate.wire(),
                voucher,
                key: certificate.node_key(),
                versions: Versions::default(),
            },
        })
        .map(Arc::new)
        .collect();
    if doors.is_empty() {
        return Err(
            "certificate and role voucher are signed by different authority keys; have both issued anew",
        );
    }
    Ok(doors)
}
