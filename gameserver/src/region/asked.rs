//! What a region has asked the store, so that an answer finds back to the one who waits for it.

use protocol::ids::{AttemptId, OwnerEpoch, RegionNumber, UserId};
use store::StateOf;

/// Tells one question for the holdings of somebody who is to arrive from the ones before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HoldingsQuestion(pub(super) u64);

/// One question under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The region's first holdings are there.
    Seed,
    /// Who serves a region that somebody claims to serve.
    Service(RegionNumber),
    /// Who serves the region now that made a creature.
    Birth(RegionNumber),
    /// Creatures that live here; of which beginning.
    Creatures(u64),
    /// Creatures that have come over a border; of which beginning.
    Arrivals(u64),
    /// What became of creatures.
    CreatureWrite,
    /// At which proxy a user is who is told something.
    Reached(UserId),
    /// Who serves a region that players are to be put into.
    Destination(RegionNumber),
    /// What lies in this region.
    Ground,
    /// A step of a join.
    Join(UserId),
    /// Holdings of somebody who joins.
    JoinHoldings(UserId),
    /// When nothing urgent waits.
    SoftTurn,
    /// Soft saves, in order.
    Saves(Vec<(UserId, OwnerEpoch)>),
    /// Durable commits, in order.
    Commits(Vec<(UserId, OwnerEpoch)>),
    /// What the region has done to its ground.
    GroundCommit,
    /// What the rules have kept.
    Kept(StateOf),
    /// What the rules keep now.
    KeptWritten(StateOf),
    /// Offers of a user whose time is over.
    Overdue(UserId),
    /// A logout.
    Release(UserId, OwnerEpoch),
    /// The commit of a handover.
    Pass(AttemptId),
    /// The row of a player whose handover is in doubt.
    Doubt(AttemptId, UserId),
    /// The CAS that takes a player back.
    Reclaim(AttemptId, UserId),
    /// A player has reported another one.
    Report(UserId, UserId),
    /// The row of a player who is to arrive.
    Arrival(UserId),
    /// Holdings of a player who is to arrive.
    ArrivalHoldings(UserId, HoldingsQuestion),
    /// Holdings of a player that somebody else changed.
    /// … how many steps its commits had made when it was asked, and which time it was.
    Refresh(UserId, u64, u64),
}
