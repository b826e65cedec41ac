//! Everything a game server counts, with what it means. How single regions do is told at each scrape (`live_metrics`).

use std::collections::BTreeMap;

use game::limits::METRICS_MAX;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use node::telemetry::{Kind, Metric, Reasons};
use protocol::ids::RegionNumber;
use store::StoreError;

use crate::region::{Observation, PHASES};
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
        name: "regionmesh_game_count_total",
        kind: Kind::Counter,
        help: "What the game's rules count, by the game's own name.",
    },
    Metric::gauge(
        "regionmesh_game_value",
        "Sum over the regions of this server of what the game's rules show, by the game's own name.",
    ),
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
    "arrivals_late",
    "border_not_here",
    "brief_no_room",
    "commit_refused",
    "control_full",
    "creature_damaged",
    "creature_no_room",
    "creatures_refused",
    "done_late",
    "duplicate_link",
    "early_full",
    "early_refused",
    "effect_early",
    "effect_foreign_source",
    "event_too_long",
    "events_full",
    "ground_refused",
    "handover_doubt",
    "handover_refused",
    "handover_store",
    "handover_timeout",
    "join_ended",
    "join_refused",
    "lane_not_up",
    "leave_late",
    "letter_lost",
    "login_over",
    "no_region_here",
    "player_fenced",
    "prepare_stale",
    "proxy_not_linked",
    "refuse_late",
    "region_not_here",
    "region_superseded",
    "roam_early",
    "roam_ended",
    "roam_late",
    "roam_no_room",
    "roam_not_serving",
    "row_unreadable",
    "server_not_linked",
    "session_over",
    "teleport_failed",
    "user_not_here",
];

/// Reasons that no honest node gives.
const HOSTILE: &[&str] = &[
    "arrivals_malformed",
    "cell_malformed",
    "cells_foreign",
    "cells_malformed",
    "cells_not_serving",
    "cells_too_many",
    "command_class_unknown",
    "command_hung",
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
    "game_state_invalid",
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
    "metric_refused",
    "news_too_long",
    "news_too_many",
    "not_for_a_region",
    "peer_not_listed",
    "peer_stale_epoch",
    "player_stale_epoch",
    "player_wrong_lane",
    "player_wrong_proxy",
    "prepared_unexpected",
    "prepared_unknown",
    "regions_in_circle",
    "roam_birth_unknown",
    "roam_doubled",
    "roam_far",
    "roam_foreign_id",
    "roam_malformed",
    "roam_not_neighbour",
    "serving_not_listed",
    "serving_other_game",
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
    of_game: GameMetrics,
}

/// What rules count and show, under the game's own names.
#[derive(Default)]
struct GameMetrics {
    counts: BTreeMap<&'static str, Counter>,
    /// Of each region, of which the sum is told.
    values: BTreeMap<&'static str, (Gauge, BTreeMap<RegionNumber, f64>)>,
}

impl GameMetrics {
    /// Rules of different regions may have different names; there are not more of them for that.
    fn has_room(&self) -> bool {
        self.counts.len() + self.values.len() < METRICS_MAX
    }

    /// Whether it was taken.
    fn observe(&mut self, region: RegionNumber, news: &Observation) -> bool {
        let has_room = self.has_room();
        match *news {
            Observation::Count(name, by) if has_room || self.counts.contains_key(name) => {
                let count = self
                    .counts
                    .entry(name)
                    .or_insert_with(|| counter!("regionmesh_game_count_total", "name" => name));
                count.increment(by);
            }
            Observation::Gauge(name, value) if has_room || self.values.contains_key(name) => {
                let make = || (gauge!("regionmesh_game_value", "name" => name), BTreeMap::new());
                let (gauge, of_regions) = self.values.entry(name).or_insert_with(make);
                of_regions.insert(region, value);
                gauge.set(of_regions.values().sum::<f64>());
            }
            _ => return false,
        }
        true
    }

    /// Regions that are not served any more have no part in the sums.
    fn forget_all_but(&mut self, regions: &[RegionReport]) {
        for (gauge, of_regions) in self.values.values_mut() {
            let before = of_regions.len();
            of_regions.retain(|region, _| regions.iter().any(|report| report.status.region == region.0));
            if of_regions.len() < before {
                gauge.set(of_regions.values().sum::<f64>());
            }
        }
    }
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
            of_game: GameMetrics::default(),
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

    /// The rules of a region have counted something, or show it.
    pub(super) fn observe(&mut self, region: RegionNumber, news: &Observation) {
        if !self.of_game.observe(region, news) {
            self.count("metric_refused");
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

    /// Tells how long the phases of the regions that tick are, and what was refused meanwhile.
    pub(super) fn report(&mut self, regions: &[RegionReport]) {
        self.of_game.forget_all_but(regions);
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
