//! What links count, described here for every process that has links: the crate that counts them knows no tables.

use super::{Kind, Metric};

/// HELP of the metrics of links.
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
        help: "Payload bytes of frames on links, by direction.",
    },
    Metric {
        name: "regionmesh_link_messages_total",
        kind: Kind::Counter,
        help: "Messages in frames on links, by direction.",
    },
    Metric {
        name: "regionmesh_link_queue_bytes",
        kind: Kind::Gauge,
        help: "Bytes that wait to go out, by peer.",
    },
    Metric {
        name: "regionmesh_link_round_trip_us",
        kind: Kind::Gauge,
        help: "Last round trip time, by peer, microseconds.",
    },
    Metric {
        name: "regionmesh_link_clock_drift_ms",
        kind: Kind::Gauge,
        help: "How far a peer's wall clock has moved against ours since its handshake, milliseconds.",
    },
];
