//! Everything that a world wants done by the process around it.

use bytes::Bytes;
use net::link::LinkId;
use net::link_core::DownReason;
use protocol::ids::{NodeNumber, RegionEpoch, RegionNumber};
use protocol::message::node::Heartbeat;
use protocol::message::player::Join;
use protocol::message::subscription::{GetTopology, Topology};
use store::StoreRequest;

use crate::region::Observation;

/// What links and control say to each other about topologies.
#[derive(Clone, Debug, PartialEq)]
pub enum TopologyWord {
    /// Have you a newer one?
    Question(GetTopology),
    /// This is ours.
    Bundle(Topology),
}

/// Names a question of a world to the store, so that its answer finds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// Names what the rules of a region have asked of the game, so that its answer finds back to that service of the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkId {
    /// Whose rules.
    pub region: RegionNumber,
    /// The service of it.
    pub region_epoch: RegionEpoch,
    /// Which ask of that.
    pub ask: u64,
}

/// Why a region was not given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGiven {
    /// There is nothing to give.
    #[error("this server does not serve it, or is giving it already")]
    NotHere,
    /// Nobody would have it.
    #[error("that server is not running")]
    NotRunning,
    /// It plays on here.
    #[error("it could not be written down in time")]
    Unwritten,
    /// It plays on here.
    #[error(
        "the store was not told that the topology lists that server for it: `regionmesh store topology` tells it"
    )]
    NotListed,
    /// It plays on here.
    #[error("the topology that is in force by now does not list that server for it")]
    Unlisted,
    /// It plays on here.
    #[error("the store does not answer")]
    NoAnswer,
    /// It begins anew here, so that what was asked of the store cannot be done any more.
    #[error("the store has not done it; try again")]
    NotDone,
    /// Nothing is left to give.
    #[error("this server has lost it meanwhile: another one has taken it over")]
    Overtaken,
}

/// One thing to do. Never waits for anybody.
#[derive(Clone, Debug, PartialEq)]
pub enum WorldEffect {
    /// A link to this game server is wanted, beside those to the neighbours.
    Link(NodeNumber),
    /// To the store; exactly one answer comes back by [`World::store_answer`](super::World::store_answer).
    Ask(QuestionId, StoreRequest),
    /// Signatures to be checked; what they say comes back by [`World::join_verified`](super::World::join_verified).
    Verify(LinkId, Join),
    /// A heartbeat of the peer came: loads, and the version of its topology.
    Heard(LinkId, Heartbeat),
    /// A heartbeat is due: to be filled in and given to [`World::beat`](super::World::beat).
    Beat(LinkId, Heartbeat),
    /// The peer speaks of topologies; an answer goes by [`World::say`](super::World::say).
    Topology(LinkId, TopologyWord),
    /// The link is over: these bytes are to be written if the peer still takes them, and the stream closed.
    LinkEnded(LinkId, DownReason, Vec<u8>),
    /// Another process serves the region now: this process has to end.
    Superseded(RegionNumber, RegionEpoch),
    /// A region was to be given away: it is, or why it stays.
    Gave(RegionNumber, Result<(), NotGiven>),
    /// The rules of a region panicked: what that said, and whether the region stands still from now on.
    RulesPanicked(RegionNumber, String, bool),
    /// The game is to answer this; what came of it comes back by [`World::worked`](super::World::worked).
    Work(WorkId, Bytes),
    /// The rules of a region want operators to see something.
    Observed(RegionNumber, Observation),
    /// Something of another game, or of newer rules, was refused by a region: what, why, and what to do.
    Unreadable(RegionNumber, String),
    /// Something was refused, or happened that is counted: the label of a metric.
    Count(&'static str),
}
