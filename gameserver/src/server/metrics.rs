//! Everything a game server counts, with what it means, and the handles that a region keeps.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use node::telemetry::{Kind, Metric};
use protocol::ids::RegionNumber;

use crate::region::{PHASES, RegionStatus};

/// HELP of the metrics of a game server.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "regionmesh_gameserver_tick_seconds",
        kind: Kind::Histogram,
        help: "Length of a tick, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_tick_phase_seconds",
        kind: Kind::Histogram,
        help: "Length of a tick's phase, by region and phase.",
    },
    Metric {
        name: "regionmesh_gameserver_tick_late_seconds",
        kind: Kind::Histogram,
        help: "How long after its time a tick began, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_ticks_skipped_total",
        kind: Kind::Counter,
        help: "Ticks left out because the server was more than a period late, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_players",
        kind: Kind::Gauge,
        help: "Users simulated, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_population",
        kind: Kind::Gauge,
        help: "Entities simulated, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_ghosts",
        kind: Kind::Gauge,
        help: "Entities of neighbours seen, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_cells_waiting",
        kind: Kind::Gauge,
        help: "Cells that wait until a proxy or peer has room again, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_frozen",
        kind: Kind::Gauge,
        help: "Players in a handover that is not committed, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_unsaved",
        kind: Kind::Gauge,
        help: "Players whose state has changed since it was written, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_inbox_bytes",
        kind: Kind::Gauge,
        help: "Messages that wait for a region, by region, bytes.",
    },
    Metric {
        name: "regionmesh_gameserver_refused_total",
        kind: Kind::Counter,
        help: "Messages refused, by reason.",
    },
    Metric {
        name: "regionmesh_gameserver_unsent_total",
        kind: Kind::Counter,
        help: "Messages dropped because their link was down, by receiver.",
    },
    Metric {
        name: "regionmesh_gameserver_store_seconds",
        kind: Kind::Histogram,
        help: "From a region's question to the store to its answer, by region.",
    },
    Metric {
        name: "regionmesh_gameserver_store_errors_total",
        kind: Kind::Counter,
        help: "Questions that the store did not answer, by reason.",
    },
    Metric {
        name: "regionmesh_gameserver_store_queue_bytes",
        kind: Kind::Gauge,
        help: "Requests that wait for the store, bytes.",
    },
];

/// What one region writes to; looked up once.
pub(super) struct RegionMetrics {
    pub(super) tick: Histogram,
    phases: Vec<Histogram>,
    pub(super) late: Histogram,
    pub(super) skipped: Counter,
    pub(super) store: Histogram,
    pub(super) inbox_bytes: Gauge,
    players: Gauge,
    population: Gauge,
    ghosts: Gauge,
    cells_waiting: Gauge,
    frozen: Gauge,
    unsaved: Gauge,
}

impl RegionMetrics {
    pub(super) fn new(region: RegionNumber) -> Self {
        let region = region.to_string();
        let phase = |phase: &'static str| histogram!("regionmesh_gameserver_tick_phase_seconds", "region" => region.clone(), "phase" => phase);
        Self {
            tick: histogram!("regionmesh_gameserver_tick_seconds", "region" => region.clone()),
            phases: PHASES.into_iter().map(phase).collect(),
            late: histogram!("regionmesh_gameserver_tick_late_seconds", "region" => region.clone()),
            skipped: counter!("regionmesh_gameserver_ticks_skipped_total", "region" => region.clone()),
            store: histogram!("regionmesh_gameserver_store_seconds", "region" => region.clone()),
            inbox_bytes: gauge!("regionmesh_gameserver_inbox_bytes", "region" => region.clone()),
            players: gauge!("regionmesh_gameserver_players", "region" => region.clone()),
            population: gauge!("regionmesh_gameserver_population", "region" => region.clone()),
            ghosts: gauge!("regionmesh_gameserver_ghosts", "region" => region.clone()),
            cells_waiting: gauge!("regionmesh_gameserver_cells_waiting", "region" => region.clone()),
            frozen: gauge!("regionmesh_gameserver_frozen", "region" => region.clone()),
            unsaved: gauge!("regionmesh_gameserver_unsaved", "region" => region.clone()),
        }
    }

    /// The lengths of a tick's phases, microseconds, in order.
    pub(super) fn phases(&self, phases_us: impl IntoIterator<Item = u64>) {
        for (histogram, us) in self.phases.iter().zip(phases_us) {
            histogram.record(us as f64 / 1e6);
        }
    }

    pub(super) fn status(&self, status: &RegionStatus) {
        self.players.set(status.players as f64);
        self.population.set(status.population as f64);
        self.ghosts.set(status.ghosts as f64);
        self.cells_waiting.set(status.cells_waiting as f64);
        self.frozen.set(status.frozen as f64);
        self.unsaved.set(status.unsaved as f64);
    }
}

/// Something was refused.
pub(super) fn refused(reason: &'static str) {
    counter!("regionmesh_gameserver_refused_total", "reason" => reason).increment(1);
}

/// Messages had no link to go by.
pub(super) fn unsent(receiver: &'static str, messages: usize) {
    counter!("regionmesh_gameserver_unsent_total", "receiver" => receiver).increment(messages as u64);
}

/// The store did not answer a question.
pub(super) fn store_error(reason: &'static str) {
    counter!("regionmesh_gameserver_store_errors_total", "reason" => reason).increment(1);
}
