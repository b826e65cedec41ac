//! The metrics of one shard's thread: handles looked up once.

use metrics::{Counter, Histogram, counter, histogram};
use net::udp::SendReport;

/// The handles.
pub(super) struct ShardMeters {
    received: Counter,
    sent: Counter,
    dropped: Counter,
    client_dropped: Counter,
    round: Histogram,
}

impl Default for ShardMeters {
    fn default() -> Self {
        Self {
            received: counter!("regionmesh_proxy_datagrams_total", "direction" => "in"),
            sent: counter!("regionmesh_proxy_datagrams_total", "direction" => "out"),
            dropped: counter!("regionmesh_proxy_datagrams_dropped_total"),
            client_dropped: counter!("regionmesh_proxy_client_dropped_total"),
            round: histogram!("regionmesh_proxy_sweep_seconds"),
        }
    }
}

impl ShardMeters {
    pub(super) fn received(&self, count: usize) {
        self.received.increment(count as u64);
    }

    pub(super) fn sent(&self, report: SendReport) {
        if report != SendReport::default() {
            self.sent.increment(report.sent);
            self.dropped
                .increment(report.dropped_full + report.dropped_refused);
        }
    }

    pub(super) fn client_dropped(&self, count: u64) {
        self.client_dropped.increment(count);
    }

    pub(super) fn round(&self, spent_us: u64) {
        self.round.record(spent_us as f64 / 1e6);
    }
}
