//! Which shard has a user: the one of its lane. Every session of a user is at the same shard, so that a second login meets
//! the first one there, and finding a user's shard takes no map, no lock and no memory.

use protocol::datagram::ConnectionId;
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

/// A connection id for datagrams of a session there. It says so by its first byte, to whoever gets datagrams for all shards;
/// nothing rests on that, for no other shard knows the id.
pub(super) fn connection_id(shard: ShardIndex) -> ConnectionId {
    let mut id = ConnectionId::new(&mut node::OsEntropy);
    let [first, ..] = &mut id.0;
    *first = shard.0.number();
    id
}

/// The place of the shard that a datagram is for, if it is one.
pub(super) fn place_of(datagram: &[u8]) -> Option<usize> {
    let [first, ..] = ConnectionId::of(datagram)?.0;
    Some(usize::from(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_says_by_its_first_byte_which_shard_it_is_for() {
        let shard = ShardIndex(Lane::new(3).unwrap());
        let id = connection_id(shard);
        let mut datagram = vec![0; 64];
        datagram[1..9].copy_from_slice(&id.0);
        assert_eq!(place_of(&datagram), Some(3));
        assert_ne!(connection_id(shard), id, "the rest is drawn");
        assert_eq!(place_of(&datagram[..20]), None, "too short to be one");
    }
}
