//! What the proxy tells about itself: its status page and gauges, and the load that its heartbeats carry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use net::link::LinkContext;
use node::admin::StatusBoard;
use protocol::message::node::Load;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::refusals::Refusals;
use super::shard_handle::{SessionCounts, Shards, counts};

/// How often.
const PERIOD: Duration = Duration::from_millis(500);

/// Owns nothing; looks at everything.
pub(super) struct StatusTask {
    pub(super) board: StatusBoard,
    pub(super) links: Arc<LinkContext>,
    pub(super) shards: Shards,
    pub(super) refusals: Arc<Refusals>,
    pub(super) sessions_max: u32,
    /// What does not change: number, addresses.
    pub(super) fixed: Value,
}

impl StatusTask {
    /// Publishes until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut interval = tokio::time::interval(PERIOD);
        let mut cpu = CpuShare::start();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = interval.tick() => self.publish(cpu.permille()),
            }
        }
    }

    fn publish(&self, cpu_permille: u32) {
        let counts = counts(&self.shards);
        let players = u32::try_from(counts.sessions).unwrap_or(u32::MAX);
        self.links.loads.set_own(Load {
            players,
            players_max: self.sessions_max,
            cpu_permille,
            ..Load::default()
        });
        let watched: usize = self.shards.iter().map(|shard| shard.gauges.watched()).sum();
        self.board.publish(self.status(counts, watched));
    }

    fn status(&self, counts: SessionCounts, watched: usize) -> Value {
        let lanes = self.shards.iter().flat_map(|shard| {
            let lane = shard.index.0.number();
            shard.gauges.lanes().into_iter().map(move |report| {
                json!({
                    "node": report.node.0,
                    "lane": lane,
                    "queued_bytes": report.sight.waiting_bytes,
                    "round_trip_us": report.sight.round_trip_us,
                })
            })
        });
        let links: Vec<Value> = lanes.collect();
        let mut status = json!({
            "players": counts.sessions,
            "sessions": counts.sessions,
            "playing": counts.playing,
            "suspended": counts.suspended,
            "watched_cells": watched,
            "topology_version": self.links.directory.topology_version().0,
            "links": links,
            "refused": self.refusals.all(),
            "links_refused": self.links.stats.all_refused(),
        });
        if let (Some(status), Some(fixed)) = (status.as_object_mut(), self.fixed.as_object()) {
            status.extend(fixed.clone());
        }
        status
    }
}

/// Processor time since the last look, in thousandths of one core.
struct CpuShare {
    cpu_s: f64,
    at: Instant,
}

impl CpuShare {
    fn start() -> Self {
        Self {
            cpu_s: node::telemetry::cpu_s(),
            at: Instant::now(),
        }
    }

    fn permille(&mut self) -> u32 {
        let before = std::mem::replace(self, Self::start());
        let elapsed_s = self.at.duration_since(before.at).as_secs_f64().max(1e-6);
        ((self.cpu_s - before.cpu_s) / elapsed_s * 1000.0) as u32
    }
}
