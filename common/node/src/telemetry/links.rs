//! What links count, described here for every process that has links: the crate that counts them knows no tables. And how
//! each link that is up does, told at each scrape.

use super::live::Sheet;
use super::{Kind, Metric};
use net::link::LinkSight;

/// HELP of the metrics of links that are counted; those of single links are told at each scrape by [`put_link`].
pub const LINK_METRICS: &[Metric] = &[
    Metric {
        name: "regionmesh_links_up",
        kind: Kind::Gauge,
        help: "Links to other nodes that are up.",
    },
    Metric {
        name: "regionmesh_link_down_total",
        kind: Kind::Counter,
        help: "Links that went down, by reason.",
    },
    Metric {
        name: "regionmesh_link_refused_total",
        kind: Kind::Counter,
        help: "Connections and frames refused on links, by reason.",
    },
    Metric {
        name: "regionmesh_link_frames_total",
        kind: Kind::Counter,
        help: "Sealed frames on links, by direction.",
    },
    Metric {
        name: "regionmesh_link_bytes_total",
        kind: Kind::Counter,
        help: "Sealed bytes of frames on links, by direction: what one end counts as out, the other one counts as in.",
    },
    Metric {
        name: "regionmesh_link_messages_total",
        kind: Kind::Counter,
        help: "Messages in frames on links, by direction.",
    },
];

static QUEUE: Metric = Metric {
    name: "regionmesh_link_queue_bytes",
    kind: Kind::Gauge,
    help: "Bytes that wait to go out on a link that is up.",
};
static ROUND_TRIP: Metric = Metric {
    name: "regionmesh_link_round_trip_seconds",
    kind: Kind::Gauge,
    help: "Last round trip time of a link that is up.",
};
static DRIFT: Metric = Metric {
    name: "regionmesh_link_clock_drift_seconds",
    kind: Kind::Gauge,
    help: "How far a peer's wall clock has moved against ours since its handshake.",
};
static AHEAD: Metric = Metric {
    name: "regionmesh_link_clock_ahead_seconds",
    kind: Kind::Gauge,
    help: "How far a peer's wall clock is ahead of ours, transit included.",
};

/// One link that is up: to whom, who dialed, and which of several lanes it is.
#[derive(Clone, Copy, Debug)]
pub struct LinkName<'a> {
    /// The peer's name in the topology.
    pub peer: &'a str,
    /// `dialed` or `accepted`.
    pub side: &'static str,
    /// Which of the links to it.
    pub lane: u8,
}

/// Tells of one link that is up.
pub fn put_link(sheet: &mut Sheet, name: LinkName<'_>, sight: &LinkSight) {
    let lane = name.lane.to_string();
    let labels = [("peer", name.peer), ("side", name.side), ("lane", &lane)];
    sheet.put(&QUEUE, &labels, sight.waiting_bytes as f64);
    if let Some(us) = sight.round_trip_us {
        sheet.put(&ROUND_TRIP, &labels, us as f64 / 1e6);
    }
    sheet.put(&DRIFT, &labels, sight.drift_ms as f64 / 1e3);
    sheet.put(&AHEAD, &labels, sight.ahead_ms as f64 / 1e3);
}
