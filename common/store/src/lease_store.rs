//! A way to a store that nothing else stands in: for renewals, and for looking at the leases of others.

use protocol::ids::NodeNumber;

use crate::{Store, StoreError};

/// A store that several hosts share, on connections of its own. Its calls block, as those of [`Store`], but for 2 s at most. What it
/// has surely not done is [`StoreError::Unavailable`]; a renewal of which nobody knows may be repeated.
pub trait LeaseStore: Store {
    /// Whether the process that has the node's lock of the store still has it. All locks are free for a moment after a database was
    /// restarted or promoted: that a lock is free says something only to who has seen it held in the same
    /// [`session`](Self::session).
    ///
    /// # Errors
    /// The store does not answer.
    fn is_held(&self, node: NodeNumber) -> Result<bool, StoreError>;

    /// The session in which was read last: a number that grows whenever there is another connection. What is compared over time,
    /// beats and locks, has to come from one session.
    fn session(&self) -> u64;
}
