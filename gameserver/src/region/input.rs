//! Everything that can happen to a region from outside.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use game::AskFailed;
use protocol::ids::{LiveLane, NodeNumber, RegionNumber};
use protocol::message::family::{ProxyToServer, ServerToServer};
use store::{Holding, Mutes, PlayerRow, StoreError, StoreReply};
use topology::Listing;

use super::effect::StoreTicket;
use super::reload::Reload;
use crate::join_check::VerifiedJoin;
use crate::proxy_lanes::ArrivingLane;

/// What came of something that rules asked of the pool.
pub type Answer = Result<Bytes, AskFailed>;

/// One event for a region. The shell has checked who speaks; the region checks what they may say.
#[derive(Clone, Debug)]
pub enum RegionInput {
    /// A lane of a proxy is up (again). Whatever it replaces is down.
    ProxyUp(ArrivingLane),
    /// A lane of a proxy is gone.
    ProxyDown(LiveLane),
    /// Anything from a proxy but `Join`, `Heartbeat` and `Topology`.
    FromProxy(LiveLane, ProxyToServer),
    /// A join whose ticket and attach have been verified.
    Join(LiveLane, VerifiedJoin),
    /// A join from another region of the own node, which has just read the user's row: there is this one, or none.
    ForwardedJoin(LiveLane, VerifiedJoin, Option<Box<PlayerRow>>),
    /// All regions that this process serves just now, this one among them.
    OwnRegions(Arc<BTreeSet<RegionNumber>>),
    /// Who may serve which region from now on.
    Listed(Arc<Listing>),
    /// A link to or from a peer is up (again); also once for the own node when its regions are there.
    PeerUp(NodeNumber),
    /// A link to or from a peer is gone.
    PeerDown(NodeNumber),
    /// Anything from a peer, or from a region of the own node, but `Heartbeat` and `Topology`.
    FromPeer(NodeNumber, ServerToServer),
    /// The answer to [`RegionEffect::Store`](super::RegionEffect::Store) of the same ticket.
    Store(StoreTicket, Result<StoreReply, StoreError>),
    /// What came of [`RegionEffect::Work`](super::RegionEffect::Work) of this number.
    Answered(u64, Answer),
    /// Holdings of somebody who is gone lie here now, as the store says.
    Fallen(Vec<Holding>),
    /// The settings of the game were read anew.
    Reloaded(Reload),
    /// Who may say nothing to others, all of them.
    Muted(Arc<Mutes>),
    /// Take nobody new, write everything down.
    Drain,
    /// Take who comes again: what it was drained for does not come about.
    GoOn,
}

/// The time of an input or a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic clock, milliseconds.
    pub mono_ms: u64,
    /// Wall clock, Unix milliseconds.
    pub wall_ms: u64,
}
