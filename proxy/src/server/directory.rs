//! Which shard has a user: the one of its lane. Every session of a user is at the same shard, so that a second login meets
//! the first one there, and finding a user's shard takes no map, no lock and no memory.

use protocol::ids::{Lane, Lanes, UserId, lane_of};

/// Index of a shard, from 0: the number of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShardIndex(pub(super) Lane);

impl ShardIndex {
    /// Its place in a list of all shards.
    pub(super) fn place(self) -> usize {
        usize::from(self.0.number())
    }
}

/// The shard of a user.
pub(super) fn shard_of(user: UserId, shards: Lanes) -> ShardIndex {
    ShardIndex(lane_of(user, shards))
}
