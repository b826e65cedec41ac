//! How regions and links do just now, told at each scrape from the world's last report.

use std::cmp::Reverse;
use std::sync::Arc;

use node::telemetry::{LinkName, LiveMetrics, Metric, Sheet, put_link};
use node::topology_in_force::TopologyInForce;
use protocol::ids::NodeNumber;
use store::StoreQueue;

use super::report::{WorldReport, WorldReports};
use crate::region::RegionStatus;
use crate::world::{LinkPeer, LinkReport, RegionReport, Side};

/// Regions that are told of one by one, those with most players first: a server may have a thousand, and `/status` has
/// them all.
const REGIONS_TOLD_MAX: usize = 64;

static REGIONS: Metric = Metric::gauge("regionmesh_gameserver_regions", "Regions served.");
static AWAKE: Metric = Metric::gauge(
    "regionmesh_gameserver_regions_awake",
    "Regions that tick: somebody plays there or watches.",
);
static STORE_QUEUE: Metric = Metric::gauge(
    "regionmesh_gameserver_store_queue_bytes",
    "Requests that wait for the store, bytes.",
);

/// A figure of a region: the metric for the whole server, the one for a single region, and where it comes from.
type Figure = (Metric, Metric, fn(&RegionStatus) -> usize);

static FIGURES: [Figure; 5] = [
    (
        Metric::gauge("regionmesh_gameserver_players", "Users simulated."),
        Metric::gauge(
            "regionmesh_gameserver_region_players",
            "Users simulated, of the regions with most of them.",
        ),
        |status| status.players,
    ),
    (
        Metric::gauge("regionmesh_gameserver_population", "Entities simulated."),
        Metric::gauge(
            "regionmesh_gameserver_region_population",
            "Entities simulated, of the regions with most players.",
        ),
        |status| status.population,
    ),
    (
        Metric::gauge("regionmesh_gameserver_ghosts", "Entities of neighbours seen."),
        Metric::gauge(
            "regionmesh_gameserver_region_ghosts",
            "Entities of neighbours seen, of the regions with most players.",
        ),
        |status| status.ghosts,
    ),
    (
        Metric::gauge(
            "regionmesh_gameserver_frozen",
            "Players in a handover that is not committed.",
        ),
        Metric::gauge(
            "regionmesh_gameserver_region_frozen",
            "Players in a handover that is not committed, of the regions with most players.",
        ),
        |status| status.frozen,
    ),
    (
        Metric::gauge(
            "regionmesh_gameserver_unsaved",
            "Players whose state has changed since it was written.",
        ),
        Metric::gauge(
            "regionmesh_gameserver_region_unsaved",
            "Players whose state has changed since it was written, of the regions with most players.",
        ),
        |status| status.unsaved,
    ),
];

/// Has every scrape tell of them.
pub(super) fn tell(
    live: &LiveMetrics,
    reports: &WorldReports,
    in_force: &Arc<TopologyInForce>,
    queue: StoreQueue,
) {
    let (reports, in_force) = (Arc::clone(reports), Arc::clone(in_force));
    live.ask(move |sheet| {
        let report = reports.load_full();
        put_regions(sheet, &report.regions);
        put_links(sheet, &report, &in_force);
        sheet.put(&STORE_QUEUE, &[], queue.bytes() as f64);
    });
}

fn put_regions(sheet: &mut Sheet, regions: &[RegionReport]) {
    sheet.put(&REGIONS, &[], regions.len() as f64);
    let awake = regions.iter().filter(|region| region.is_awake).count();
    sheet.put(&AWAKE, &[], awake as f64);
    let mut fullest: Vec<&RegionStatus> = regions.iter().map(|region| &region.status).collect();
    fullest.sort_by_key(|status| (Reverse(status.players), status.region));
    fullest.truncate(REGIONS_TOLD_MAX);
    for (all, one, figure) in &FIGURES {
        let sum: usize = regions.iter().map(|region| figure(&region.status)).sum();
        sheet.put(all, &[], sum as f64);
        for status in &fullest {
            let region = status.region.to_string();
            sheet.put(one, &[("region", &region)], figure(status) as f64);
        }
    }
}

fn put_links(sheet: &mut Sheet, report: &WorldReport, in_force: &TopologyInForce) {
    let view = in_force.view();
    let topology = view.topology();
    let name = |number: NodeNumber| {
        let server = topology.server(number).map(|server| server.name.as_str());
        server.or_else(|| topology.proxy(number).map(|proxy| proxy.name.as_str()))
    };
    for (_, LinkReport { peer, sight }) in &report.links {
        let (number, side, lane) = match peer {
            LinkPeer::Proxy(lane) => (lane.node(), "accepted", lane.at.lane.number()),
            LinkPeer::Server(Side::Accepted, number) => (*number, "accepted", 0),
            LinkPeer::Server(Side::Dialed, number) => (*number, "dialed", 0),
        };
        // Who is not listed any more is about to be told so.
        if let Some(peer) = name(number) {
            put_link(sheet, LinkName { peer, side, lane }, sight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_a_thousand_regions_tells_of_the_fullest_and_of_the_sum() {
        let region = |number: u32| RegionReport {
            status: RegionStatus {
                region: number,
                players: number as usize % 200,
                ..RegionStatus::default()
            },
            is_awake: number.is_multiple_of(2),
            ..RegionReport::default()
        };
        let regions: Vec<RegionReport> = (1..=1_024).map(region).collect();
        let live = LiveMetrics::default();
        live.ask(move |sheet| put_regions(sheet, &regions));
        let text = live.render();
        assert!(text.contains("\nregionmesh_gameserver_regions 1024\n"), "{text}");
        assert!(
            text.contains("\nregionmesh_gameserver_regions_awake 512\n"),
            "{text}"
        );
        let all: usize = (1..=1_024).map(|number| number % 200).sum();
        assert!(
            text.contains(&format!("\nregionmesh_gameserver_players {all}\n")),
            "{text}"
        );
        assert!(
            text.contains("regionmesh_gameserver_region_players{region=\"199\"} 199\n"),
            "{text}"
        );
        assert_eq!(text.matches("region_players{").count(), REGIONS_TOLD_MAX);
        assert!(text.len() < 64 * 1024, "{} bytes", text.len());
    }
}
