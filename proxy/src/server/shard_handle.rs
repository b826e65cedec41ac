//! A shard as the rest of the proxy sees it: where its datagrams go, its inbox, and how full it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::directory::ShardIndex;
use super::inbox::Inbox;

/// How many sessions a shard has; written by its thread, read by anybody.
#[derive(Debug, Default)]
pub(super) struct ShardGauges {
    sessions: AtomicUsize,
    playing: AtomicUsize,
    suspended: AtomicUsize,
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

    pub(super) fn set_standing(&self, playing: usize, suspended: usize) {
        self.playing.store(playing, Ordering::Relaxed);
        self.suspended.store(suspended, Ordering::Relaxed);
    }

    fn get(&self) -> SessionCounts {
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
    pub(super) inbox: Arc<Inbox>,
    pub(super) gauges: Arc<ShardGauges>,
    pub(super) udp: SocketAddr,
}

/// All shards, by index.
pub(super) type Shards = Arc<[ShardHandle]>;

/// Sessions of all shards.
pub(super) fn counts(shards: &[ShardHandle]) -> SessionCounts {
    let each = shards.iter().map(|shard| shard.gauges.get());
    each.fold(SessionCounts::default(), |sum, shard| SessionCounts {
        sessions: sum.sessions + shard.sessions,
        playing: sum.playing + shard.playing,
        suspended: sum.suspended + shard.suspended,
    })
}
