//! Everything that a region wants done outside.

use bytes::Bytes;
use protocol::ids::{LiveLane, NodeNumber, ProxyLane, RegionNumber, UserId};
use protocol::message::family::{ServerToProxy, ServerToServer};
use store::{PlayerRow, StoreRequest};

use super::observation::Observation;
use crate::join_check::VerifiedJoin;

/// Names a store request of a region, so that its answer finds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTicket(pub u64);

/// One thing to do. Never waits for anybody.
#[derive(Clone, Debug, PartialEq)]
pub enum RegionEffect {
    /// To a proxy, by this lane; dropped when that has no link.
    ToProxy(ProxyLane, ServerToProxy),
    /// To a peer, or to another region of the own node; dropped when it has no link.
    ToServer(NodeNumber, ServerToServer),
    /// A link to this game server is wanted, near or far; it stays for as long as the process lives.
    Link(NodeNumber),
    /// To the store; exactly one answer comes back.
    Store(StoreTicket, StoreRequest),
    /// Messages about this user belong to this region from now on.
    PlayerHere(UserId),
    /// Messages about this user belong to this region, unless another one has the user.
    PlayerExpected(UserId),
    /// The user was handed over; this region still answers for it unless another one does.
    PlayerPassed(UserId),
    /// Messages about this user do not belong to this region any more.
    PlayerGone(UserId),
    /// Another region of this server is to serve the join of a user with this row, or none.
    ForwardJoin(RegionNumber, LiveLane, VerifiedJoin, Option<Box<PlayerRow>>),
    /// Another process serves the region now: this one can activate nobody any more, and has to end.
    Superseded,
    /// The rules panicked: what that said, and whether it was once too often, so that the region stands still.
    RulesPanicked {
        /// The words of the panic.
        said: String,
        /// They are called no more.
        stands_still: bool,
    },
    /// The game is to answer this beside the regions; what came of it comes back, unless the process ends before.
    Work(u64, Bytes),
    /// The rules want operators to see something.
    Observed(Observation),
    /// Something of another game, or of newer rules, was refused: what, why, and what to do.
    Unreadable(String),
    /// Something was refused: the label of a metric.
    Count(&'static str),
}
