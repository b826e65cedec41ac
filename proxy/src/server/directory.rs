//! Which shard has a user: a hash of the user id. Every session of a user is at the same shard, so that a second login
//! meets the first one there, and finding a user's shard takes no map, no lock and no memory.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use protocol::ids::UserId;

/// Index of a shard, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShardIndex(pub(super) u16);

/// Finds shards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    shards: u16,
}

impl Directory {
    /// For this many shards, at least one.
    pub(super) fn new(shards: u16) -> Self {
        Self {
            shards: shards.max(1),
        }
    }

    /// The shard of a user.
    pub(super) fn shard_of(&self, user: UserId) -> ShardIndex {
        // User ids are made by our store: nobody can choose them to meet in one shard.
        let hash = FixedState::default().hash_one(user.0);
        ShardIndex((hash % u64::from(self.shards)) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_spread_evenly_and_always_come_back_to_the_same_shard() {
        let directory = Directory::new(4);
        let mut counts = [0_u32; 4];
        for user in 0..4_000 {
            let shard = directory.shard_of(UserId((1 << 40) + user));
            assert_eq!(shard, directory.shard_of(UserId((1 << 40) + user)));
            counts[usize::from(shard.0)] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
    }
}
