//! The rows of players and regions, as requests carry them and replies show them.

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::{
    AttachNo, AttemptId, CommandNumber, EntityId, Incarnation, InputNumber, NodeNumber, OwnerEpoch,
    RegionEpoch, RegionNumber, SessionGeneration, StateVersion, UserId,
};

/// A player as the store knows it: its owner, and its state at the last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayerRow {
    /// Whose row this is.
    pub user: UserId,
    /// The node that simulates the player; `None` after a logout.
    pub owner: Option<NodeNumber>,
    /// The region that the player stands in. After a logout: the one to come back to.
    pub region: RegionNumber,
    /// Under which service of `region` the owner got the player. A server that finds a lower one than its own in a
    /// row that names it was restarted in between, and activates instead of going on.
    pub region_epoch: RegionEpoch,
    /// Grows with every change of ownership and every activation.
    pub owner_epoch: OwnerEpoch,
    /// The handover that brought the player here; 0 when an activation did.
    pub attempt: AttemptId,
    /// Version of `body` under `owner_epoch`.
    pub version: StateVersion,
    /// The player's entity, for good.
    pub entity: EntityId,
    /// Everything that the owner writes.
    pub body: PlayerBody,
}

/// The part of a row that the owner writes, all of it each time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlayerBody {
    /// A cell of the owner's own region: where a proxy sends the player's input.
    pub home_cell: CellIndex,
    /// The session that the player serves.
    pub binding: Binding,
    /// Newest input applied in this session generation.
    pub last_input: InputNumber,
    /// Last command applied in this session generation.
    pub last_command: CommandNumber,
    /// Hash chain over all commands applied.
    pub chain_hash: [u8; 32],
    /// An encoded `protocol` `PlayerState`, with the durable events that the client has not acknowledged. Opaque here.
    /// Where its session generation is lower than that of `binding`, its numbers and events are a former session's.
    pub state: Bytes,
}

/// The session that a player serves, and the proxy it is at. Ordered by generation, then attach number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// The login.
    pub session_generation: SessionGeneration,
    /// The attach within that login.
    pub attach_no: AttachNo,
    /// The proxy; `None` while linkdead.
    pub proxy: Option<NodeNumber>,
}

impl Binding {
    /// What decides which of two bindings is the newer one.
    #[must_use]
    pub fn order(&self) -> (SessionGeneration, AttachNo) {
        (self.session_generation, self.attach_no)
    }
}

/// One write of a player's body by its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayerSave {
    /// Whose row.
    pub user: UserId,
    /// The epoch that the writer holds.
    pub owner_epoch: OwnerEpoch,
    /// Version of `body`; the owner raises it before each write.
    pub version: StateVersion,
    /// What to write.
    pub body: PlayerBody,
}

/// Who owns a player: all that a proxy may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerRecord {
    /// The owning node; `None` after a logout.
    pub node: Option<NodeNumber>,
    /// The region the player stands in.
    pub region: RegionNumber,
    /// The epoch of that ownership.
    pub owner_epoch: OwnerEpoch,
}

/// A server's claim to serve a region, checked by the store inside the statement that depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// The serving node.
    pub node: NodeNumber,
    /// The region.
    pub region: RegionNumber,
    /// The epoch that the store issued for this service.
    pub region_epoch: RegionEpoch,
}

/// Who serves a region, and with which of its starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionHolder {
    /// The newest service.
    pub service: Serving,
    /// The newest start of its node when the service began.
    pub since: Incarnation,
    /// The node's newest start. A higher one: the process that served has ended.
    pub newest: Incarnation,
    /// The node's lease; `None` when it was ended, or there never was one.
    pub lease: Option<LiveLease>,
}

impl RegionHolder {
    /// The lease under which this service began.
    #[must_use]
    pub fn rests_on(&self) -> Lease {
        Lease {
            node: self.service.node,
            incarnation: self.since,
        }
    }

    /// That lease, while it has not ended.
    #[must_use]
    pub fn live(&self) -> Option<LiveLease> {
        self.lease.filter(|lease| lease.incarnation == self.since)
    }
}

/// The right of one start of a node to serve regions. It does not run out: it is ended by the node's next start, or by a node
/// that has seen no renewal for long and takes a region over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// The node.
    pub node: NodeNumber,
    /// Which of its starts.
    pub incarnation: Incarnation,
}

/// A lease that was not ended, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveLease {
    /// Whose: which start of the node.
    pub incarnation: Incarnation,
    /// How often it was renewed. Whoever sees the same number for long sees a node that is dead, or cut off from the store.
    pub beat: u64,
}

/// Whose state a game keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateOf {
    /// That of a region, written by whoever serves it.
    Region(RegionNumber),
    /// That of the world. One region writes it: another one only after the topology has changed.
    World,
}

impl StateOf {
    /// Its row: regions are numbered from 1.
    pub(crate) fn place(self) -> u32 {
        match self {
            Self::Region(region) => region.0,
            Self::World => 0,
        }
    }
}

/// What a game keeps of a region or of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameState {
    /// Higher each time that it is written.
    pub serial: u64,
    /// The game's own bytes.
    pub state: Bytes,
}

/// A guest that left long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleGuest {
    /// Who.
    pub user: UserId,
    /// The region it stood in.
    pub region: RegionNumber,
    /// The cell it stood in.
    pub home_cell: CellIndex,
    /// The epoch of its last owner.
    pub owner_epoch: OwnerEpoch,
}

impl PlayerRow {
    /// The owner part.
    #[must_use]
    pub fn owner_record(&self) -> OwnerRecord {
        OwnerRecord {
            node: self.owner,
            region: self.region,
            owner_epoch: self.owner_epoch,
        }
    }
}
