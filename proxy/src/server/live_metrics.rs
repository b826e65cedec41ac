//! How sessions and links do just now, told at each scrape from what the shards show.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use node::telemetry::{LinkName, LiveMetrics, Metric, Sheet, put_link};
use node::topology_in_force::TopologyInForce;

use super::shard_handle::{Shards, counts};

static SESSIONS: Metric = Metric::gauge("regionmesh_proxy_sessions", "Sessions at this proxy.");
static PLAYING: Metric = Metric::gauge(
    "regionmesh_proxy_playing",
    "Sessions whose player's owner is known and up.",
);
static SUSPENDED: Metric = Metric::gauge(
    "regionmesh_proxy_suspended",
    "Sessions that wait for their part of the world.",
);
static WATCHED: Metric = Metric::gauge(
    "regionmesh_proxy_watched_cells",
    "Cells that this proxy subscribes to.",
);

static WEBTRANSPORT: Metric = Metric::gauge(
    "regionmesh_proxy_webtransport_sessions",
    "Sessions of WebTransport, each beside one of WebSocket.",
);

/// Has every scrape tell how many sessions of WebTransport there are.
pub(super) fn tell_webtransport(live: &LiveMetrics, sessions: Arc<AtomicUsize>) {
    live.ask(move |sheet| sheet.put(&WEBTRANSPORT, &[], sessions.load(Ordering::Relaxed) as f64));
}

/// Has every scrape tell of them.
pub(super) fn tell(live: &LiveMetrics, shards: &Shards, topology: &Arc<TopologyInForce>) {
    let (shards, topology) = (Arc::clone(shards), Arc::clone(topology));
    live.ask(move |sheet| {
        let sessions = counts(&shards);
        sheet.put(&SESSIONS, &[], sessions.sessions as f64);
        sheet.put(&PLAYING, &[], sessions.playing as f64);
        sheet.put(&SUSPENDED, &[], sessions.suspended as f64);
        let watched: usize = shards.iter().map(|shard| shard.gauges.watched()).sum();
        sheet.put(&WATCHED, &[], watched as f64);
        put_links(sheet, &shards, &topology);
    });
}

fn put_links(sheet: &mut Sheet, shards: &Shards, topology: &TopologyInForce) {
    let view = topology.view();
    for shard in shards.iter() {
        for report in shard.gauges.lanes() {
            // Who is not listed any more is about to be told so.
            if let Some(server) = view.topology().server(report.node) {
                let name = LinkName {
                    peer: &server.name,
                    side: "dialed",
                    lane: shard.index.0.number(),
                };
                put_link(sheet, name, &report.sight);
            }
        }
    }
}
