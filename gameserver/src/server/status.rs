//! Puts together, a few times a second, what `/status` shows and what heartbeats tell of this server's load.

use std::sync::Arc;
use std::time::Duration;

use net::link::LinkContext;
use node::admin::StatusBoard;
use node::topology_in_force::TopologyInForce;
use protocol::ids::NodeNumber;
use protocol::message::node::Load;
use serde_json::{Value, json};
use store::StoreHandle;
use tokio_util::sync::CancellationToken;

use super::report::{WorldReport, WorldReports};
use crate::world::{LinkPeer, RegionReport, Side};

const INTERVAL: Duration = Duration::from_millis(250);

/// What the task reads; all of it snapshots.
pub(super) struct StatusTask {
    pub(super) node: NodeNumber,
    pub(super) context: Arc<LinkContext>,
    pub(super) in_force: Arc<TopologyInForce>,
    pub(super) reports: WorldReports,
    pub(super) store: StoreHandle,
    pub(super) status: StatusBoard,
    pub(super) players_max: u32,
    /// What does not change: number, incarnation, addresses.
    pub(super) fixed: Value,
}

/// Processor time, between two looks at it.
struct CpuMeter {
    cpu_s: f64,
    at_us: u64,
}

impl CpuMeter {
    /// Thousandths of a core since the last call.
    fn permille(&mut self) -> u32 {
        let (cpu_s, at_us) = (node::telemetry::cpu_s(), node::clock::now_us());
        let elapsed_s = at_us.saturating_sub(self.at_us).max(1) as f64 / 1e6;
        let permille = (cpu_s - self.cpu_s) / elapsed_s * 1000.0;
        (self.cpu_s, self.at_us) = (cpu_s, at_us);
        permille as u32
    }
}

impl StatusTask {
    /// Runs until `stop`; the last status stays.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut interval = tokio::time::interval(INTERVAL);
        let mut meter = CpuMeter {
            cpu_s: node::telemetry::cpu_s(),
            at_us: node::clock::now_us(),
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = interval.tick() => {}
            }
            let report = self.reports.load_full();
            self.context.loads.set_own(self.load(&report, meter.permille()));
            self.status.publish(self.status(&report));
        }
    }

    fn load(&self, report: &WorldReport, cpu_permille: u32) -> Load {
        let slowest = |us: fn(&RegionReport) -> u32| report.regions.iter().map(us).max();
        Load {
            players: u32::try_from(report.players()).unwrap_or(u32::MAX),
            players_max: self.players_max,
            cpu_permille,
            tick_p50_us: slowest(|region| region.tick_us.p50).unwrap_or(0),
            tick_p99_us: slowest(|region| region.tick_us.p99).unwrap_or(0),
        }
    }

    fn status(&self, report: &WorldReport) -> Value {
        let mut status = self.fixed.clone();
        status["players"] = json!(report.players());
        status["users_known"] = json!(report.users);
        status["topology_version"] = json!(self.context.directory.topology_version().0);
        status["regions"] = json!(report.regions);
        status["links"] = self.links(report);
        status["refused"] = json!({"links": self.context.stats.all_refused(), "messages": report.refused});
        status["store"] = json!({"queue_bytes": self.store.queue_bytes()});
        status
    }

    /// Every link that should be, up or down: each lane of a proxy, and one each way between two servers.
    fn links(&self, report: &WorldReport) -> Value {
        let listing = self.in_force.listing();
        let topology = listing.now();
        let proxies = topology.proxies().iter().map(|proxy| {
            let is_it =
                |peer: &LinkPeer| matches!(peer, LinkPeer::Proxy(lane) if lane.node() == proxy.number);
            link("proxy", &proxy.name, proxy.number, report, is_it)
        });
        let peers = listing.peers_of(self.node).into_iter();
        let servers = peers.filter_map(|number| topology.server(number));
        let servers = servers.flat_map(|server| {
            [("dialed", Side::Dialed), ("accepted", Side::Accepted)].map(|(kind, side)| {
                let is_it = move |peer: &LinkPeer| *peer == LinkPeer::Server(side, server.number);
                link(kind, &server.name, server.number, report, is_it)
            })
        });
        proxies.chain(servers).collect()
    }
}

fn link(
    kind: &'static str,
    name: &str,
    number: NodeNumber,
    report: &WorldReport,
    is_it: impl Fn(&LinkPeer) -> bool,
) -> Value {
    let links = report.links.iter().map(|(_, link)| link);
    let up: Vec<_> = links
        .filter(|link| is_it(&link.peer))
        .map(|link| &link.sight)
        .collect();
    json!({
        "kind": kind,
        "name": name,
        "number": number.0,
        "state": if up.is_empty() { "down" } else { "up" },
        "lanes": up.len(),
        "rtt_us": up.iter().filter_map(|sight| sight.round_trip_us).max(),
        "queued_bytes": up.iter().map(|sight| sight.waiting_bytes).sum::<usize>(),
    })
}
