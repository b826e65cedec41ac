//! Everything a game server counts, with what it means, and the handles that a region keeps.

use std::collections::BTreeMap;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use node::telemetry::{Kind, Metric};
use protocol::ids::RegionNumber;

use crate::region::{PHASES, RegionStatus};
use crate::world::{RegionReport, Ticked};

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
        name: "regionmesh_gameserver_refused_total",
        kind: Kind::Counter,
        help: "Messages refused, by reason.",
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
struct RegionMetrics {
    tick: Histogram,
    phases: Vec<Histogram>,
    late: Histogram,
    skipped: Counter,
    players: Gauge,
    population: Gauge,
    ghosts: Gauge,
    frozen: Gauge,
    unsaved: Gauge,
}

impl RegionMetrics {
    fn new(region: RegionNumber) -> Self {
        let region = region.to_string();
        let phase = |phase: &'static str| histogram!("regionmesh_gameserver_tick_phase_seconds", "region" => region.clone(), "phase" => phase);
        Self {
            tick: histogram!("regionmesh_gameserver_tick_seconds", "region" => region.clone()),
            phases: PHASES.into_iter().map(phase).collect(),
            late: histogram!("regionmesh_gameserver_tick_late_seconds", "region" => region.clone()),
            skipped: counter!("regionmesh_gameserver_ticks_skipped_total", "region" => region.clone()),
            players: gauge!("regionmesh_gameserver_players", "region" => region.clone()),
            population: gauge!("regionmesh_gameserver_population", "region" => region.clone()),
            ghosts: gauge!("regionmesh_gameserver_ghosts", "region" => region.clone()),
            frozen: gauge!("regionmesh_gameserver_frozen", "region" => region.clone()),
            unsaved: gauge!("regionmesh_gameserver_unsaved", "region" => region.clone()),
        }
    }

    fn note(&self, status: &RegionStatus) {
        for (histogram, (_, us)) in self.phases.iter().zip(&status.phases_us) {
            histogram.record(*us as f64 / 1e6);
        }
        self.players.set(status.players as f64);
        self.population.set(status.population as f64);
        self.ghosts.set(status.ghosts as f64);
        self.frozen.set(status.frozen as f64);
        self.unsaved.set(status.unsaved as f64);
    }
}

/// Reasons that come up in ordinary play: crossings, links that come and go, a store that is slow. Everything else is
/// something that no honest node does, and an alarm may stand on it.
const EXPECTED: &[&str] = &[
    "activation_failed",
    "commit_refused",
    "control_full",
    "duplicate_link",
    "early_full",
    "early_refused",
    "events_full",
    "handover_doubt",
    "handover_refused",
    "handover_store",
    "handover_timeout",
    "join_refused",
    "lane_not_up",
    "leave_late",
    "no_region_here",
    "player_fenced",
    "prepare_stale",
    "proxy_not_linked",
    "region_not_here",
    "region_superseded",
    "server_not_linked",
];

/// The class that a reason is counted under.
fn class(reason: &str) -> &'static str {
    if EXPECTED.contains(&reason) {
        "expected"
    } else {
        "hostile"
    }
}

/// What the world thread writes to.
#[derive(Default)]
pub(super) struct WorldMetrics {
    regions: BTreeMap<RegionNumber, RegionMetrics>,
    refused: BTreeMap<&'static str, u64>,
    told: BTreeMap<&'static str, u64>,
}

impl WorldMetrics {
    /// A region has ticked.
    pub(super) fn ticked(&mut self, ticked: &Ticked) {
        let region = self.region(ticked.region);
        region.tick.record(ticked.length_us as f64 / 1e6);
        region.late.record(ticked.late_us as f64 / 1e6);
        if ticked.skipped > 0 {
            region.skipped.increment(ticked.skipped);
        }
    }

    /// Something was refused.
    pub(super) fn count(&mut self, reason: &'static str) {
        *self.refused.entry(reason).or_default() += 1;
    }

    /// All reasons with their counts.
    pub(super) fn refused(&self) -> &BTreeMap<&'static str, u64> {
        &self.refused
    }

    /// Tells how the regions that tick are, and what was refused meanwhile.
    pub(super) fn report(&mut self, regions: &[RegionReport]) {
        for report in regions.iter().filter(|report| report.is_awake) {
            self.region(RegionNumber(report.status.region))
                .note(&report.status);
        }
        for (reason, count) in &self.refused {
            let told = self.told.entry(reason).or_default();
            let counter = counter!(
                "regionmesh_gameserver_refused_total",
                "reason" => *reason,
                "class" => class(reason)
            );
            counter.increment(count - *told);
            *told = *count;
        }
    }

    fn region(&mut self, number: RegionNumber) -> &mut RegionMetrics {
        self.regions
            .entry(number)
            .or_insert_with(|| RegionMetrics::new(number))
    }
}

/// The store did not answer a question.
pub(super) fn store_error(reason: &'static str) {
    counter!("regionmesh_gameserver_store_errors_total", "reason" => reason).increment(1);
}
