//! What the links that one thread owns count, told a few times a second from plain counters. How single links do is asked
//! of their owner at each scrape, so that nothing is told of a link that is gone.

use std::collections::BTreeMap;

use metrics::{Counter, Gauge, counter, gauge};
use protocol::frame::FrameError;

use super::peer::LinkId;
use crate::link_core::{DownReason, LinkCounts};

/// A link at a glance.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkSight {
    /// Bytes that wait to go out.
    pub waiting_bytes: usize,
    /// The last round trip time, microseconds.
    pub round_trip_us: Option<u64>,
    /// How far the peer's wall clock has wandered, milliseconds.
    pub drift_ms: i64,
    /// How far it is ahead of ours, transit included, milliseconds.
    pub ahead_ms: i64,
    /// What went over it.
    pub counts: LinkCounts,
}

/// Handles of all links of a thread, and what was told of each before.
pub struct LinkMeters {
    up: Gauge,
    frames: [Counter; 2],
    bytes: [Counter; 2],
    messages: [Counter; 2],
    told: BTreeMap<LinkId, LinkCounts>,
}

impl Default for LinkMeters {
    fn default() -> Self {
        let both = |name: &'static str| {
            [
                counter!(name, "direction" => "in"),
                counter!(name, "direction" => "out"),
            ]
        };
        for reason in DownReason::LABELS.iter().chain(FrameError::LABELS) {
            down(reason).increment(0);
        }
        Self {
            up: gauge!("regionmesh_links_up"),
            frames: both("regionmesh_link_frames_total"),
            bytes: both("regionmesh_link_bytes_total"),
            messages: both("regionmesh_link_messages_total"),
            told: BTreeMap::new(),
        }
    }
}

fn down(reason: &'static str) -> Counter {
    counter!("regionmesh_link_down_total", "reason" => reason)
}

impl LinkMeters {
    /// A link came up.
    pub fn up(&mut self, id: LinkId) {
        self.up.increment(1.0);
        self.told.insert(id, LinkCounts::default());
    }

    /// What has gone over a link by now.
    pub fn note(&mut self, id: LinkId, now: &LinkCounts) {
        let Some(told) = self.told.get_mut(&id) else {
            return;
        };
        for way in [0, 1] {
            self.frames[way].increment(now.frames[way] - told.frames[way]);
            self.bytes[way].increment(now.bytes[way] - told.bytes[way]);
            self.messages[way].increment(now.messages[way] - told.messages[way]);
        }
        *told = *now;
    }

    /// A link is over.
    pub fn down(&mut self, id: LinkId, reason: DownReason) {
        if self.told.remove(&id).is_some() {
            self.up.decrement(1.0);
            down(reason.label()).increment(1);
        }
    }
}
