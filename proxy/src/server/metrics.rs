//! Every metric that a proxy counts beside those of its links, with what it means. How its sessions and links do just now
//! is told at each scrape (`live_metrics`).

use node::telemetry::{Kind, Metric};

/// The table.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "regionmesh_proxy_refused_total",
        kind: Kind::Counter,
        help: "What was refused, from clients and game servers, by reason and class: expected in ordinary play, or hostile.",
    },
    Metric {
        name: "regionmesh_proxy_datagrams_total",
        kind: Kind::Counter,
        help: "Datagrams received and sent, by direction.",
    },
    Metric {
        name: "regionmesh_proxy_datagrams_dropped_total",
        kind: Kind::Counter,
        help: "Datagrams that the kernel did not take.",
    },
    Metric {
        name: "regionmesh_proxy_webtransport_datagrams_total",
        kind: Kind::Counter,
        help: "Datagrams that browsers have sent and were sent by WebTransport, by direction.",
    },
    Metric {
        name: "regionmesh_proxy_webtransport_dropped_total",
        kind: Kind::Counter,
        help: "Datagrams of browsers dropped between the thread of WebTransport and the shards, because one side was too slow, by direction.",
    },
    Metric {
        name: "regionmesh_proxy_sweep_seconds",
        kind: Kind::Histogram,
        help: "Time of one round of a shard, from what is read to what is written.",
    },
    Metric {
        name: "regionmesh_proxy_passwords_total",
        kind: Kind::Counter,
        help: "Passwords that were checked or set, each at the cost of argon2id.",
    },
    Metric {
        name: "regionmesh_proxy_client_dropped_total",
        kind: Kind::Counter,
        help: "Soft updates dropped because a client takes its stream too slowly.",
    },
];
