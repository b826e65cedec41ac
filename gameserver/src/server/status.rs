//! Puts together, a few times a second, what `/status` shows and what heartbeats tell of this server's load.

use std::sync::Arc;
use std::time::Duration;

use net::link::{LinkContext, LinkSender};
use node::admin::StatusBoard;
use protocol::ids::{NodeNumber, ProxyLane};
use protocol::message::node::Load;
use serde_json::{Value, json};
use store::StoreHandle;
use tokio_util::sync::CancellationToken;
use topology::Topology;

use super::link_table::{Links, Side};
use super::report::{RegionReport, ReportSlot};
use super::switchboard::Switchboard;

const INTERVAL: Duration = Duration::from_millis(250);

/// What the task reads; all of it snapshots.
pub(super) struct StatusTask {
    pub(super) board: Arc<Switchboard>,
    pub(super) context: Arc<LinkContext>,
    pub(super) topology: Arc<Topology>,
    pub(super) reports: Vec<ReportSlot>,
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
        let (cpu_s, at_us) = (node::telemetry::usage().cpu_s, node::clock::now_us());
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
            cpu_s: node::telemetry::usage().cpu_s,
            at_us: node::clock::now_us(),
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = interval.tick() => {}
            }
            let reports: Vec<_> = self.reports.iter().map(|slot| slot.load_full()).collect();
            self.context.loads.set_own(self.load(&reports, meter.permille()));
            self.status.publish(self.status(&reports));
            metrics::gauge!("regionmesh_gameserver_store_queue_bytes").set(self.store.queue_bytes() as f64);
        }
    }

    fn load(&self, reports: &[Arc<RegionReport>], cpu_permille: u32) -> Load {
        let slowest = |us: fn(&RegionReport) -> u32| reports.iter().map(|report| us(report)).max();
        Load {
            players: u32::try_from(players(reports)).unwrap_or(u32::MAX),
            players_max: self.players_max,
            cpu_permille,
            tick_p50_us: slowest(|report| report.tick_us.p50).unwrap_or(0),
            tick_p99_us: slowest(|report| report.tick_us.p99).unwrap_or(0),
        }
    }

    fn status(&self, reports: &[Arc<RegionReport>]) -> Value {
        let mut status = self.fixed.clone();
        let regions: Vec<&RegionReport> = reports.iter().map(|report| &**report).collect();
        status["players"] = json!(players(reports));
        status["users_known"] = json!(self.board.directory().users());
        status["topology_version"] = json!(self.context.directory.topology_version().0);
        status["regions"] = json!(regions);
        status["links"] = self.links();
        status["refused"] =
            json!({"links": self.context.stats.all_refused(), "messages": self.board.refused()});
        status["store"] = json!({"queue_bytes": self.store.queue_bytes()});
        status
    }

    /// Every link that should be, up or down; each pair of servers has one each way.
    fn links(&self) -> Value {
        let links = self.board.links.load();
        let proxies = self.topology.proxies().iter().map(|proxy| {
            let sender = links.proxies.get(&ProxyLane::first(proxy.number));
            link("proxy", &proxy.name, proxy.number, sender)
        });
        let peers = self.topology.peers_of(self.board.node).into_iter();
        let servers = peers.filter_map(|number| self.topology.server(number));
        let servers = servers.flat_map(|server| self.server_links(&links, &server.name, server.number));
        proxies.chain(servers).collect()
    }

    fn server_links(&self, links: &Links, name: &str, number: NodeNumber) -> [Value; 2] {
        let sender = |side| links.servers.get(&(side, number));
        [
            link("dialed", name, number, sender(Side::Dialed)),
            link("accepted", name, number, sender(Side::Accepted)),
        ]
    }
}

fn players(reports: &[Arc<RegionReport>]) -> usize {
    reports.iter().map(|report| report.status.players).sum()
}

fn link<M>(kind: &'static str, name: &str, number: NodeNumber, sender: Option<&LinkSender<M>>) -> Value {
    let up = sender.filter(|sender| sender.is_up());
    json!({
        "kind": kind,
        "name": name,
        "number": number.0,
        "state": if up.is_some() { "up" } else { "down" },
        "rtt_us": up.and_then(LinkSender::round_trip_us),
        "queued_bytes": up.map_or(0, LinkSender::queued_bytes),
    })
}
