//! Everything that a shard wants done by the process around it. Datagrams leave through
//! [`DatagramSink`](crate::edge::DatagramSink), bytes of streams by [`Shard::unsent`](super::Shard::unsent).

use std::net::IpAddr;

use net::link::LinkId;
use net::link_core::DownReason;
use protocol::Code;
use protocol::ids::{NodeNumber, OwnerEpoch, RegionNumber, SessionGeneration, UserId};
use protocol::message::checked::CheckedBrief;
use protocol::message::client::Attach;
use protocol::message::node::Heartbeat;
use protocol::message::subscription::{GetTopology, Topology};
use protocol::ticket::Ticket;
use store::Serving;

/// One client's stream; never used again within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What only control can answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Does the store say the same? [`Shard::service_confirmed`](super::Shard::service_confirmed) if so, to all shards;
    /// asked again by control.
    Service(Serving),
    /// Did the holder of this ticket sign that it attaches? Exactly one
    /// [`Shard::attach_verified`](super::Shard::attach_verified); the client says nothing more until then.
    Attach(ClientId, Box<(Ticket, Attach)>),
    /// Another ticket for the client, whose player is in this region and who comes from there:
    /// [`Shard::ticket_renewed`](super::Shard::ticket_renewed) or [`Shard::renew_later`](super::Shard::renew_later), once at most: none
    /// for a login that is over.
    Renewal(ClientId, Box<Ticket>, Option<RegionNumber>, IpAddr),
    /// Who holds this region, and how alive is its lease? [`Shard::holder_seen`](super::Shard::holder_seen), or nothing when
    /// the store does not say; it is asked again.
    Holder(RegionNumber),
    /// This login is over, whatever its ticket says; nothing is answered.
    Logout(UserId, SessionGeneration),
}

/// What links and control say to each other about topologies.
#[derive(Clone, Debug, PartialEq)]
pub enum TopologyWord {
    /// Have you a newer one?
    Question(GetTopology),
    /// This is ours.
    Bundle(Topology),
}

/// One thing to do. Never waits for anybody.
#[derive(Debug, PartialEq)]
pub enum ShardEffect {
    /// For control.
    Ask(Question),
    /// For the store: who owns this player? [`Shard::owner_answered`](super::Shard::owner_answered), with the epoch that is
    /// trusted now. What is not answered is asked again.
    ReadOwner(UserId, OwnerEpoch),
    /// A heartbeat of a game server came: loads, and the version of its topology.
    Heard(LinkId, Heartbeat),
    /// A heartbeat is due: to be filled in and given to [`Shard::beat`](super::Shard::beat).
    Beat(LinkId, Heartbeat),
    /// A game server speaks of topologies; an answer goes by [`Shard::say`](super::Shard::say).
    Topology(LinkId, TopologyWord),
    /// A game server tells of a region of its own at a glance, for the map.
    Brief(NodeNumber, Box<CheckedBrief>),
    /// The link is over: these bytes are to be written if the peer still takes them, and the stream closed.
    LinkEnded(LinkId, NodeNumber, DownReason, Vec<u8>),
    /// The client's stream is over, likewise; what it is told, if it hears it.
    ClientEnded(ClientId, Option<Code>, Vec<u8>),
    /// So many updates were dropped because a client takes its stream too slowly.
    SoftDropped(u64),
    /// Something was refused, or happened that is counted: the label of a metric.
    Count(&'static str),
}
