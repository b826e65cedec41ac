//! Which shard has a user: the one of its lane. Every session of a user is at the same shard, so that a second login meets
//! the first one there, and finding a user's shard takes no map, no lock and no memory.

use protocol::ids::{Lanes, UserId, lane_of};

/// Index of a shard, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShardIndex(pub(super) u16);

/// Finds shards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    shards: Lanes,
}

impl Directory {
    /// For this many shards.
    pub(super) fn new(shards: Lanes) -> Self {
        Self { shards }
    }

    /// The shard of a user.
    pub(super) fn shard_of(&self, user: UserId) -> ShardIndex {
        ShardIndex(u16::from(lane_of(user, self.shards).number()))
    }
}
