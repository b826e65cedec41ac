//! A shard as the rest of the proxy sees it: where its datagrams go, its mailbox, and how it does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use net::link::LinkSight;
use protocol::ids::NodeNumber;

use super::browser_queues::BrowserQueues;
use super::directory::ShardIndex;
use super::mailbox::{Mailbox, Order};
use crate::edge::Waiting;

/// A lane to a game server at a glance.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaneReport {
    pub(super) node: NodeNumber,
    pub(super) sight: LinkSight,
}

/// How a shard does; written by its thread, read by anybody.
#[derive(Debug, Default)]
pub(super) struct ShardGauges {
    sessions: AtomicUsize,
    playing: AtomicUsize,
    suspended: AtomicUsize,
    watched: AtomicUsize,
    regions_served: AtomicUsize,
    waiting: AtomicUsize,
    waiting_longest_ms: AtomicU64,
    lanes: Mutex<Vec<LaneReport>>,
}

/// Sessions of a shard, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SessionCounts {
    /// All.
    pub sessions: usize,
    /// Those whose owner is known and up.
    pub playing: usize,
    /// Those that wait for their part of the world.
    pub suspended: usize,
}

impl ShardGauges {
    pub(super) fn set_sessions(&self, sessions: usize) {
        self.sessions.store(sessions, Ordering::Relaxed);
    }

    pub(super) fn set_standing(&self, playing: usize, suspended: usize, watched: usize) {
        self.playing.store(playing, Ordering::Relaxed);
        self.suspended.store(suspended, Ordering::Relaxed);
        self.watched.store(watched, Ordering::Relaxed);
    }

    pub(super) fn set_regions_served(&self, regions: usize) {
        self.regions_served.store(regions, Ordering::Relaxed);
    }

    /// Regions that somebody serves whom the shard can reach.
    pub(super) fn regions_served(&self) -> usize {
        self.regions_served.load(Ordering::Relaxed)
    }

    pub(super) fn set_waiting(&self, waiting: Waiting) {
        self.waiting.store(waiting.count, Ordering::Relaxed);
        self.waiting_longest_ms
            .store(waiting.longest_ms, Ordering::Relaxed);
    }

    /// Sessions that have waited for their place for too long.
    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            count: self.waiting.load(Ordering::Relaxed),
            longest_ms: self.waiting_longest_ms.load(Ordering::Relaxed),
        }
    }

    pub(super) fn set_lanes(&self, lanes: impl Iterator<Item = LaneReport>) {
        let mut reports = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        reports.clear();
        reports.extend(lanes);
    }

    /// The lanes that are up.
    pub(super) fn lanes(&self) -> Vec<LaneReport> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cells that it subscribes to.
    pub(super) fn watched(&self) -> usize {
        self.watched.load(Ordering::Relaxed)
    }

    pub(super) fn get(&self) -> SessionCounts {
        SessionCounts {
            sessions: self.sessions.load(Ordering::Relaxed),
            playing: self.playing.load(Ordering::Relaxed),
            suspended: self.suspended.load(Ordering::Relaxed),
        }
    }
}

/// A shard.
#[derive(Clone)]
pub(super) struct ShardHandle {
    pub(super) index: ShardIndex,
    pub(super) mailbox: Mailbox,
    pub(super) gauges: Arc<ShardGauges>,
    pub(super) udp: SocketAddr,
    /// Datagrams that come and go by WebTransport.
    pub(super) browsers: Arc<BrowserQueues>,
}

/// All shards, by index.
pub(super) type Shards = Arc<[ShardHandle]>;

/// Says the same to all of them.
pub(super) fn tell_all(shards: &[ShardHandle], order: impl Fn() -> Order) {
    for shard in shards {
        shard.mailbox.send(order());
    }
}

/// Sessions of all shards.
pub(super) fn counts(shards: &[ShardHandle]) -> SessionCounts {
    let each = shards.iter().map(|shard| shard.gauges.get());
    each.fold(SessionCounts::default(), |sum, shard| SessionCounts {
        sessions: sum.sessions + shard.sessions,
        playing: sum.playing + shard.playing,
        suspended: sum.suspended + shard.suspended,
    })
}
