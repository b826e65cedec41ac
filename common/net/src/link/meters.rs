//! The metrics of the links that one thread owns, told a few times a second from plain counters.

use std::collections::BTreeMap;

use metrics::{Counter, Gauge, counter, gauge};
use protocol::ids::NodeNumber;

use super::peer::LinkId;
use crate::link_core::{DownReason, LinkCounts};

/// A link at a glance.
#[derive(Clone, Copy, Debug)]
pub struct LinkSight {
    /// Bytes that wait to go out.
    pub waiting_bytes: usize,
    /// The last round trip time, microseconds.
    pub round_trip_us: Option<u64>,
    /// How far the peer's wall clock has wandered, milliseconds.
    pub drift_ms: i64,
    /// What went over it.
    pub counts: LinkCounts,
}

/// One peer's gauges, and what was told of its link before.
struct Meter {
    queue: Gauge,
    round_trip: Gauge,
    drift: Gauge,
    told: LinkCounts,
}

/// Handles of all links of a thread.
pub struct LinkMeters {
    up: Gauge,
    frames: [Counter; 2],
    bytes: [Counter; 2],
    messages: [Counter; 2],
    links: BTreeMap<LinkId, Meter>,
}

impl Default for LinkMeters {
    fn default() -> Self {
        let both = |name: &'static str| {
            [
                counter!(name, "direction" => "in"),
                counter!(name, "direction" => "out"),
            ]
        };
        Self {
            up: gauge!("regionmesh_links_up"),
            frames: both("regionmesh_link_frames_total"),
            bytes: both("regionmesh_link_bytes_total"),
            messages: both("regionmesh_link_messages_total"),
            links: BTreeMap::new(),
        }
    }
}

impl LinkMeters {
    /// A link came up.
    pub fn up(&mut self, id: LinkId, peer: NodeNumber) {
        let peer = peer.to_string();
        self.up.increment(1.0);
        let meter = Meter {
            queue: gauge!("regionmesh_link_queue_bytes", "peer" => peer.clone()),
            round_trip: gauge!("regionmesh_link_round_trip_us", "peer" => peer.clone()),
            drift: gauge!("regionmesh_link_clock_drift_ms", "peer" => peer),
            told: LinkCounts::default(),
        };
        self.links.insert(id, meter);
    }

    /// How a link is now.
    pub fn note(&mut self, id: LinkId, sight: &LinkSight) {
        let Some(meter) = self.links.get_mut(&id) else {
            return;
        };
        meter.queue.set(sight.waiting_bytes as f64);
        meter.drift.set(sight.drift_ms as f64);
        if let Some(us) = sight.round_trip_us {
            meter.round_trip.set(us as f64);
        }
        let (told, now) = (meter.told, sight.counts);
        for way in [0, 1] {
            self.frames[way].increment(now.frames[way] - told.frames[way]);
            self.bytes[way].increment(now.bytes[way] - told.bytes[way]);
            self.messages[way].increment(now.messages[way] - told.messages[way]);
        }
        meter.told = now;
    }

    /// A link is over.
    pub fn down(&mut self, id: LinkId, reason: DownReason) {
        if self.links.remove(&id).is_some() {
            self.up.decrement(1.0);
            counter!("regionmesh_link_down_total", "reason" => reason.label()).increment(1);
        }
    }
}
