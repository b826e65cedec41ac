//! Everything that can reach a shard's core from outside, in one closed enum. Datagrams have a door of their own
//! ([`Edge::handle_datagram`](super::Edge::handle_datagram)), because they come by the hundred thousand.

use protocol::ids::{
    AttachNo, Incarnation, NodeNumber, OwnerEpoch, RegionNumber, SessionGeneration, SessionId, UserId,
};
use protocol::keys::DatagramSecret;
use protocol::message::family::{ClientToProxy, ServerToProxy};
use protocol::message::subscription;
use slotmap::DefaultKey;

use super::views::RegionCells;

/// A session within its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle(pub DefaultKey);

/// A login or resume that the handshake and the auth role let through; the client's Attach comes next.
pub struct Admission {
    /// Who.
    pub user: UserId,
    /// The name other players see.
    pub name: String,
    /// Which login.
    pub session_id: SessionId,
    /// How often this user has logged in.
    pub generation: SessionGeneration,
    /// How often this session has attached to a proxy.
    pub attach_no: AttachNo,
    /// The ticket that the owner will verify, 180 bytes.
    pub ticket: bytes::Bytes,
    /// Where the player was last known to be.
    pub region_hint: Option<RegionNumber>,
    /// Connection id of the session's datagrams, chosen by this proxy.
    pub cid: [u8; 8],
    /// Where the keys of the client's datagrams come from.
    pub datagrams_to_proxy: DatagramSecret,
    /// Where the keys of this proxy's datagrams come from.
    pub datagrams_to_client: DatagramSecret,
}

/// What the store says about a player's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerAnswer {
    /// The row names this owner. `node` is `None` when nobody owns the player.
    Row {
        /// The owning game server.
        node: Option<NodeNumber>,
        /// The region the player stands in.
        region: RegionNumber,
        /// The epoch of the owner.
        epoch: OwnerEpoch,
    },
    /// There is no row: the player has never been in the world.
    NoRow,
    /// The store did not answer; ask again later.
    Unavailable,
}

/// Who holds a region, as the store says, and how often its lease was renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderSign {
    /// The game server.
    pub node: NodeNumber,
    /// Which of its starts.
    pub incarnation: Incarnation,
    /// How often it has shown that it is there.
    pub beat: u64,
}

/// One thing that happened outside.
pub enum EdgeInput {
    /// A client finished its handshake.
    Admit(Box<Admission>),
    /// A client said something over TCP.
    FromClient(SessionHandle, ClientToProxy),
    /// A client's TCP connection ended.
    ClientGone(SessionHandle),
    /// An operator has ended the session; whoever holds its stream says so to the client.
    Expelled(SessionHandle),
    /// The session's ticket was renewed: joins carry this one from now on.
    TicketRenewed(SessionHandle, bytes::Bytes),
    /// A game server said something to a user of this shard.
    FromServer(NodeNumber, ServerToProxy),
    /// Cells of one region in one tick, decoded.
    Cells(RegionCells),
    /// A region's tick is complete.
    TickEnd(NodeNumber, subscription::TickEnd),
    /// The store has confirmed what a game server announced: it serves this region now, whatever was said before.
    Serving(NodeNumber, subscription::Serving),
    /// The link to a game server is up.
    ServerUp(NodeNumber),
    /// The link to a game server is gone.
    ServerDown(NodeNumber),
    /// The store's answer to [`ReadOwner`](super::EdgeEffect::ReadOwner), with the epoch that the question named.
    Owner(UserId, OwnerEpoch, OwnerAnswer),
    /// The store's answer to [`ReadHolder`](super::EdgeEffect::ReadHolder); `None` where nobody's lease lasts.
    Holder(RegionNumber, Option<HolderSign>),
    /// The proxy is shutting down: tell everybody where else to go.
    Drain,
}
