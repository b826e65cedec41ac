//! The life of a game server: config → build → start → drain.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use net::link::LinkContext;
use node::life::{Exit, Failure, Node, NodeProcess};
use node::listen_file;
use node::telemetry::LINK_METRICS;
use protocol::ids::NodeNumber;
use serde_json::json;
use store::StoreHandle;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use topology::Topology;

use super::build::{Built, OpenStore, build};
use super::census::CensusTask;
use super::inbox::{InboxReader, inbox};
use super::link_table::Side;
use super::metrics::{METRICS, RegionMetrics};
use super::outbound::Outbound;
use super::peer_messages::PeerMessages;
use super::proxy_peer::ProxyPeer;
use super::region_task::{Bookkeeping, RegionEnd, RegionTask};
use super::report::ReportSlot;

use super::settings::{Args, GameServerSettings};
use super::status::StatusTask;
use super::switchboard::Switchboard;
use super::tick_schedule::TickSchedule;
use super::topology_gossip::TopologyGossip;
use super::{peer_link, peer_listener, proxy_listener};
use crate::region::{Region, RegionInput};

/// Runs a game server process from its command line to its exit code.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let process = NodeProcess {
        role: "gameserver",
        metrics: &[METRICS, LINK_METRICS],
        node_settings: |settings: &GameServerSettings| &settings.node,
    };
    node::life::run(&process, &args.node, args.flags(), serve)
}

/// Serves until `node.shutdown` asks to drain, and drains: writes everything down, says goodbye, closes the store. The
/// players stay this node's, so that it finds them when it comes back.
///
/// # Errors
/// What the operator has to change, or what broke.
pub async fn serve(settings: GameServerSettings, node: Node) -> Result<(), Failure> {
    let built = build(&settings).await?;
    let running = Running::start(built, &settings, &node)?;
    node.readiness.started();
    running.until_drained(&settings, &node).await
}

/// A game server whose tasks run.
struct Running {
    context: Arc<LinkContext>,
    store: OpenStore,
    regions: JoinSet<RegionEnd>,
    links: TaskTracker,
    drain_regions: CancellationToken,
    stop_links: CancellationToken,
    /// However this ends, no link stays.
    _no_link_stays: DropGuard,
}

impl Running {
    fn start(built: Built, settings: &GameServerSettings, node: &Node) -> Result<Self, Failure> {
        let addresses = addresses(&built)?;
        let (drain_regions, stop_links) = (CancellationToken::new(), CancellationToken::new());
        let (mut inboxes, mut readers) = (BTreeMap::new(), Vec::new());
        for region in &built.regions {
            let (inbox, reader) = inbox(settings.limits.inbox_bytes_max);
            inboxes.insert(region.number(), inbox);
            readers.push(reader);
        }
        let board = Arc::new(Switchboard::new(built.number, inboxes));
        let mut starting = Starting {
            board: Arc::clone(&board),
            topology: Arc::clone(&built.topology),
            store: built.store.handle.clone(),
            reports: Vec::new(),
            regions: JoinSet::new(),
            drain: drain_regions.clone(),
            // The rest of the time is for goodbyes and for closing the store.
            drain_ms: node.settings.drain_timeout_ms / 2,
        };
        for (region, reader) in built.regions.into_iter().zip(readers) {
            starting.region(region, reader);
        }
        // Regions of one server are each other's peers without a link.
        board.tell_all(&RegionInput::PeerUp(board.node));
        let links = TaskTracker::new();
        let census = CensusTask::new(&node.status, built.store.handle.clone());
        let status = StatusTask {
            board: Arc::clone(&board),
            context: Arc::clone(&built.context),
            topology: Arc::clone(&built.topology),
            reports: starting.reports,
            store: starting.store,
            status: node.status.clone(),
            players_max: settings.limits.players_max,
            fixed: json!({
                "number": built.number.0,
                "incarnation": built.incarnation.0,
                "listen": {"peer": addresses.peer, "proxy": addresses.proxy},
            }),
        };
        links.spawn(status.run(stop_links.clone()));
        links.spawn(census.run(stop_links.clone()));
        let gossip = Arc::new(TopologyGossip {
            in_force: built.in_force,
            context: Arc::clone(&built.context),
            data: settings.node.data.clone(),
        });
        let meeting = Meeting {
            board,
            gossip,
            links: &links,
            stop: &stop_links,
        };
        meeting.listen(built.proxy_listener, built.peer_listener);
        meeting.dial(&built.topology);
        links.close();
        announce(&settings.node.data, &addresses, node.admin)?;
        Ok(Self {
            context: built.context,
            store: built.store,
            regions: starting.regions,
            links,
            drain_regions,
            _no_link_stays: stop_links.clone().drop_guard(),
            stop_links,
        })
    }

    async fn until_drained(mut self, settings: &GameServerSettings, node: &Node) -> Result<(), Failure> {
        tokio::select! {
            () = node.shutdown.draining() => {}
            thread = self.store.broken() => {
                return Err(Failure::failed(format!("the thread \"{thread}\" has ended by itself")));
            }
            Some(ended) = self.regions.join_next() => {
                return Err(Failure::failed(match ended {
                    Ok(RegionEnd::Superseded(region)) => format!(
                        "another process serves region {region} now; let only one of this name run, and start it again"
                    ),
                    other => format!("a region ended by itself: {other:?}"),
                }));
            }
        }
        tracing::info!("draining");
        self.context.loads.start_draining();
        self.drain_regions.cancel();
        while self.regions.join_next().await.is_some() {}
        self.stop_links.cancel();
        self.links.wait().await;
        listen_file::remove(&settings.node.data);
        self.store.close().await;
        Ok(())
    }
}

/// Starts the regions one by one.
struct Starting {
    board: Arc<Switchboard>,
    topology: Arc<Topology>,
    store: StoreHandle,
    reports: Vec<ReportSlot>,
    regions: JoinSet<RegionEnd>,
    drain: CancellationToken,
    drain_ms: u64,
}

impl Starting {
    fn region(&mut self, region: Region, inbox: InboxReader) {
        let number = region.number();
        let answered = Arc::new(Notify::new());
        let wake = Arc::clone(&answered);
        let store = self.store.port(move || wake.notify_one());
        let outbound = Outbound::new(Arc::clone(&self.board), number, store);
        let clock = node::clock::process();
        let report = ReportSlot::new(ArcSwap::default());
        let own_place = (
            self.reports.len(),
            self.topology.regions_of(self.board.node).count(),
        );
        self.reports.push(Arc::clone(&report));
        let regions = self.topology.regions();
        let index = regions.iter().position(|region| region.number == number);
        let place = (index.unwrap_or(0), regions.len());
        let wall_us = node::clock::wall_ms() * 1000;
        let task = RegionTask {
            region,
            inbox,
            answered,
            outbound,
            schedule: TickSchedule::new(self.topology.world().tick_us(), place, clock.now_us(), wall_us),
            clock,
            report,
            state: Bookkeeping::new(RegionMetrics::new(number), own_place),
        };
        self.regions.spawn(task.run(self.drain.clone(), self.drain_ms));
    }
}

/// Starts everything that meets other nodes.
struct Meeting<'a> {
    board: Arc<Switchboard>,
    gossip: Arc<TopologyGossip>,
    links: &'a TaskTracker,
    stop: &'a CancellationToken,
}

impl Meeting<'_> {
    fn listen(&self, proxies: TcpListener, peers: TcpListener) {
        let context = || Arc::clone(&self.gossip.context);
        let proxy = ProxyPeer::new(Arc::clone(&self.board), Arc::clone(&self.gossip));
        let accepted = self.peer(Side::Accepted);
        self.links.spawn(proxy_listener::listen(
            context(),
            proxies,
            proxy,
            self.stop.clone(),
        ));
        self.links.spawn(peer_listener::listen(
            context(),
            peers,
            accepted,
            self.stop.clone(),
        ));
    }

    fn dial(&self, topology: &Topology) {
        for node in topology.peers_of(self.board.node) {
            let (context, in_force) = (
                Arc::clone(&self.gossip.context),
                Arc::clone(&self.gossip.in_force),
            );
            let dialed = self.peer(Side::Dialed);
            self.links.spawn(peer_link::dial(
                context,
                in_force,
                node,
                dialed,
                self.stop.clone(),
            ));
        }
    }

    fn peer(&self, side: Side) -> PeerMessages {
        PeerMessages::new(Arc::clone(&self.board), Arc::clone(&self.gossip), side)
    }
}

/// Where a server listens, with the ports that were found.
struct Addresses {
    number: NodeNumber,
    peer: SocketAddr,
    proxy: SocketAddr,
}

fn addresses(built: &Built) -> Result<Addresses, Failure> {
    Ok(Addresses {
        number: built.number,
        peer: built.peer_listener.local_addr().map_err(Failure::failed)?,
        proxy: built.proxy_listener.local_addr().map_err(Failure::failed)?,
    })
}

/// For people, and for whoever started this process with ports 0.
fn announce(data: &Path, addresses: &Addresses, admin: SocketAddr) -> Result<(), Failure> {
    let Addresses { number, peer, proxy } = addresses;
    let file = json!({"number": number.0, "peer": peer, "proxy": proxy, "admin": admin});
    listen_file::write(data, &file).map_err(Failure::failed)?;
    writeln!(io::stdout(), "listening peer={peer} proxy={proxy} admin={admin}").map_err(Failure::failed)
}
