//! Everything a client tells the game, in one closed enum.

use bytes::Bytes;
use protocol::Code;
use protocol::datagram::Transport;
use protocol::ids::{CommandNumber, EntityId, EventNumber, NodeNumber, OwnerEpoch, RegionNumber};

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// The player is in the world: for the first time, again, or with another owner after a crossing.
    Playing {
        /// The player's own entity.
        entity: EntityId,
        /// The epoch of its owner.
        owner_epoch: OwnerEpoch,
        /// The region it stands in.
        region: RegionNumber,
        /// The game server that simulates it.
        node: NodeNumber,
    },
    /// A snapshot came: the world view is new.
    Snapshot(SnapshotNews),
    /// All commands up to this one are applied; durable ones are stored.
    CommandAcked(CommandNumber),
    /// A game event: reliable, in order, once.
    Event(EventNumber, Bytes),
    /// What the rules of a region say, not always the player's own: soft, told once, and between any two events.
    News {
        /// Whose rules.
        region: RegionNumber,
        /// Whether everybody is told.
        to_all: bool,
        /// The game's own bytes.
        body: Bytes,
    },
    /// Something to know while staying connected.
    Notice(Code, String),
    /// Inputs and snapshots travel by another transport now.
    Transport(Transport),
    /// The connection was lost and the session goes on at another proxy, or at the same one again.
    Resumed {
        /// How many attaches the session has had.
        attach_no: u32,
    },
}

/// What a snapshot said of the player itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotNews {
    /// The owner's tick; 0 while the owner is gone.
    pub tick: u64,
    /// The newest input the owner has applied.
    pub input_ack: u64,
    /// The epoch of the owner that said so.
    pub owner_epoch: OwnerEpoch,
    /// The game's own-state bytes; empty while the owner is gone.
    pub own: Bytes,
    /// Whether this own state is newer than the one before.
    pub own_is_new: bool,
    /// Whether the player was put somewhere else than it walked to: what is drawn of it goes there at once, and what was
    /// foreseen of its way is over.
    pub has_jumped: bool,
    /// Bytes of the snapshot on the wire.
    pub bytes: usize,
}
