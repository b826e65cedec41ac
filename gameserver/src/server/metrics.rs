//! Everything a game server counts, with what it means. How single regions do is told at each scrape (`live_metrics`).

use std::collections::BTreeMap;

use metrics::{Counter, Histogram, counter, histogram};
use node::telemetry::{Kind, Metric, Reasons};
use store::StoreError;

use crate::region::PHASES;
use crate::world::{RegionReport, Ticked};

/// HELP of the metrics of a game server.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "regionmesh_gameserver_tick_seconds",
        kind: Kind::Histogram,
        help: "Length of a region's tick.",
    },
    Metric {
        name: "regionmesh_gameserver_tick_phase_seconds",
        kind: Kind::Histogram,
        help: "Length of a phase of a region's tick, by phase.",
    },
    Metric {
        name: "regionmesh_gameserver_tick_late_seconds",
        kind: Kind::Histogram,
        help: "How long after its time a region's tick began.",
    },
    Metric {
        name: "regionmesh_gameserver_ticks_skipped_total",
        kind: Kind::Counter,
        help: "Ticks left out because the server was more than a period late.",
    },
    Metric {
        name: "regionmesh_gameserver_rules_panics_total",
        kind: Kind::Counter,
        help: "Panics in the game's rules, each of which costs a region its memory of the last second.",
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
];

const REASONS: Reasons = Reasons {
    counter: "regionmesh_gameserver_refused_total",
    expected: EXPECTED,
    hostile: HOSTILE,
};

/// Crossings, links that come and go, a store that is slow.
const EXPECTED: &[&str] = &[
    "activation_failed",
    "commit_refused",
    "control_full",
    "duplicate_link",
    "early_full",
    "early_refused",
    "events_full",
    "ground_refused",
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
    "roam_ended",
    "roam_late",
    "roam_no_room",
    "roam_not_serving",
    "server_not_linked",
];

/// Reasons that no honest node gives.
const HOSTILE: &[&str] = &[
    "cell_malformed",
    "cells_foreign",
    "cells_malformed",
    "cells_not_serving",
    "cells_too_many",
    "command_class_unknown",
    "command_panicked",
    "command_too_long",
    "commit_too_many",
    "done_unexpected",
    "effect_late",
    "effect_stale_epoch",
    "effect_too_long",
    "event_ack_too_large",
    "event_ack_unissued",
    "first_holdings_invalid",
    "input_too_long",
    "join_attach",
    "join_name",
    "join_number",
    "join_other_user",
    "join_ticket",
    "join_unverified",
    "lane_older_start",
    "lane_other_count",
    "leave_not_bound",
    "not_for_a_region",
    "peer_not_listed",
    "peer_stale_epoch",
    "player_stale_epoch",
    "player_wrong_lane",
    "player_wrong_proxy",
    "prepared_unexpected",
    "prepared_unknown",
    "regions_in_circle",
    "roam_doubled",
    "roam_malformed",
    "serving_not_listed",
    "serving_unissued",
    "store_answer_unknown",
    "subscribe_foreign_cell",
    "subscribe_foreign_region",
    "subscribe_stale_epoch",
    "subscribe_too_many_cells",
    "topology",
];

/// What the world thread writes to, for all of its regions together: of each it would be more than a scrape can carry.
pub(super) struct WorldMetrics {
    tick: Histogram,
    phases: Vec<Histogram>,
    late: Histogram,
    skipped: Counter,
    panics: Counter,
    refused: BTreeMap<&'static str, u64>,
    told: BTreeMap<&'static str, u64>,
}

impl Default for WorldMetrics {
    fn default() -> Self {
        REASONS.start_at_zero();
        for reason in StoreError::LABELS {
            store_errors(reason).increment(0);
        }
        let skipped = counter!("regionmesh_gameserver_ticks_skipped_total");
        skipped.increment(0);
        let panics = counter!("regionmesh_gameserver_rules_panics_total");
        panics.increment(0);
        let phase =
            |phase: &'static str| histogram!("regionmesh_gameserver_tick_phase_seconds", "phase" => phase);
        Self {
            tick: histogram!("regionmesh_gameserver_tick_seconds"),
            phases: PHASES.into_iter().map(phase).collect(),
            late: histogram!("regionmesh_gameserver_tick_late_seconds"),
            skipped,
            panics,
            refused: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }
}

impl WorldMetrics {
    /// A region has ticked.
    pub(super) fn ticked(&mut self, ticked: &Ticked) {
        self.tick.record(ticked.length_us as f64 / 1e6);
        self.late.record(ticked.late_us as f64 / 1e6);
        self.skipped.increment(ticked.skipped);
    }

    /// The rules of a region panicked.
    pub(super) fn rules_panicked(&self) {
        self.panics.increment(1);
    }

    /// Something was refused.
    pub(super) fn count(&mut self, reason: &'static str) {
        *self.refused.entry(reason).or_default() += 1;
    }

    /// All reasons with their counts.
    pub(super) fn refused(&self) -> &BTreeMap<&'static str, u64> {
        &self.refused
    }

    /// Tells how long the phases of the regions that tick are, and what was refused meanwhile.
    pub(super) fn report(&mut self, regions: &[RegionReport]) {
        for report in regions.iter().filter(|report| report.is_awake) {
            for (histogram, (_, us)) in self.phases.iter().zip(&report.status.phases_us) {
                histogram.record(*us as f64 / 1e6);
            }
        }
        for (reason, count) in &self.refused {
            let told = self.told.entry(reason).or_default();
            REASONS.counter(reason).increment(count - *told);
            *told = *count;
        }
    }
}

/// The store did not answer a question.
pub(super) fn store_error(reason: &'static str) {
    store_errors(reason).increment(1);
}

fn store_errors(reason: &'static str) -> Counter {
    counter!("regionmesh_gameserver_store_errors_total", "reason" => reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_reason_has_a_class_and_is_counted_from_zero_on() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        REASONS.assert_complete(&sources, &["count("]);
    }
}
