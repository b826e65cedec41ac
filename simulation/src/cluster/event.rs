//! Everything that can happen in a run, one closed enum.

use gameserver::lease::LeaseQuestion;
use gameserver::region::Answer;
use gameserver::world::{QuestionId, WorkId};
use protocol::ids::{AttachNo, NodeNumber, OwnerEpoch, ProxyLane, RegionNumber, UserId};
use protocol::message::family::{ClientToProxy, ProxyToClient};
use protocol::ticket::Ticket;
use store::{StoreRequest, StoreResult};

use crate::links::{LinkNumber, Way};
use crate::matrix::{Fault, Step};

/// What strikes when the event that carries it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) step: Step,
    pub(crate) fault: Fault,
    /// Whom the message is about.
    pub(crate) player: Option<UserId>,
}

/// Who asked the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    World {
        server: NodeNumber,
        life: u32,
        question: QuestionId,
    },
    Start {
        server: NodeNumber,
        life: u32,
    },
    Serve {
        server: NodeNumber,
        life: u32,
        region: RegionNumber,
    },
    Lease {
        server: NodeNumber,
        life: u32,
        question: LeaseQuestion,
    },
    Owner {
        proxy: NodeNumber,
        life: u32,
        user: UserId,
        trusted: OwnerEpoch,
    },
    Service {
        proxy: NodeNumber,
        life: u32,
        region: RegionNumber,
    },
    Holder {
        lane: ProxyLane,
        life: u32,
        region: RegionNumber,
    },
    Login {
        conn: usize,
    },
    /// Nobody waits for the answer any more.
    Nobody,
}

impl Asker {
    /// The process that asked; `None` where its stall does not matter.
    pub(crate) fn node(&self) -> Option<NodeNumber> {
        match self {
            Self::World { server, .. }
            | Self::Start { server, .. }
            | Self::Serve { server, .. }
            | Self::Lease { server, .. } => Some(*server),
            Self::Owner { proxy, .. } | Self::Service { proxy, .. } => Some(*proxy),
            Self::Holder { lane, .. } => Some(lane.node),
            Self::Login { .. } | Self::Nobody => None,
        }
    }
}

/// What a client gets on its stream.
#[derive(Clone, Debug)]
pub(crate) enum ToClient {
    Welcome(Box<Welcome>),
    Message(ProxyToClient),
    Close(protocol::Code),
}

/// The end of a client handshake.
#[derive(Clone, Debug)]
pub(crate) struct Welcome {
    pub(crate) ticket: Ticket,
    pub(crate) ticket_bytes: bytes::Bytes,
    pub(crate) attach_no: AttachNo,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The process starts.
    Start(NodeNumber, u32),
    Dial(LinkNumber),
    LinkUp(Way),
    LinkDown(Way),
    /// Bytes of one link's stream.
    Arrive(Way, Vec<u8>, Option<Strike>),
    /// Something is due in a world.
    Tick(NodeNumber, u32),
    ShardTick(NodeNumber, u32),
    /// A node hears of the newest topology.
    TakeUp(NodeNumber),
    /// Something is due for the keeper of a server's lease.
    LeaseTick(NodeNumber, u32),
    /// A proxy asks again who serves a region.
    AskService(NodeNumber, u32, RegionNumber),
    /// The game has answered what rules asked.
    Worked(NodeNumber, u32, WorkId, Answer),
    StoreArrive(Asker, StoreRequest, Option<Fault>),
    StoreAnswer(Asker, StoreResult),
    Bot(usize),
    Hello(usize),
    StreamUp(usize, ClientToProxy),
    StreamDown(usize, ToClient),
    DatagramUp(usize, Vec<u8>),
    DatagramDown(usize, Vec<u8>),
    ConnLostAtProxy(usize),
    ConnLostAtClient(usize),
    /// A device reads its stream again.
    ReadsAgain(usize),
    Trouble(Trouble),
}

/// A fault out of the blue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Cut(LinkNumber, u64),
    Hold(LinkNumber, crate::links::End, u64),
    Throttle(LinkNumber, u64),
    Shut(LinkNumber, u64),
    Stall(NodeNumber, u64),
    Crash(NodeNumber, u64),
    Drain(NodeNumber, u64),
    /// The end of a proxy's drain.
    SendAway(NodeNumber),
    CutClient(usize),
    BlockDatagrams(usize, u64),
    StopReading(usize, u64),
    StoreAway(u64),
    /// A server does not reach the store, which others do.
    CutFromStore(NodeNumber, u64),
    /// Whoever serves it gives it to another one.
    Give(RegionNumber, NodeNumber),
    /// A topology is pushed in which these dice say who has each region.
    Push(u64),
    SecondLogin(usize),
    Logout(usize),
    /// A device logs out, and comes back after so many milliseconds.
    LeaveFor(usize, u64),
    /// A device is gone without a word for so long.
    VanishFor(usize, u64),
    /// The clock of a node is wrong by so many milliseconds, for so long.
    SetClock(NodeNumber, i64, u64),
    /// Whoever serves the region is dead for so long.
    KillOwner(RegionNumber, Death, u64),
}

/// A fault that was planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) at_us: u64,
    pub(crate) trouble: Trouble,
}

/// How a server is dead in the eyes of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    Ends,
    Freezes,
    LosesTheStore,
}

impl Event {
    /// Whether it only repeats itself and tells a reader nothing.
    pub(crate) fn is_noise(&self) -> bool {
        match self {
            Self::Tick(..)
            | Self::ShardTick(..)
            | Self::LeaseTick(..)
            | Self::Bot(_)
            | Self::DatagramUp(..)
            | Self::DatagramDown(..)
            | Self::Arrive(_, _, None) => true,
            Self::StreamUp(_, message) => matches!(message, ClientToProxy::Input(_)),
            Self::StreamDown(_, ToClient::Message(message)) => matches!(message, ProxyToClient::Snapshot(_)),
            _ => false,
        }
    }

    /// The connection whose proxy would have to do something.
    pub(crate) fn heard_by_proxy(&self) -> Option<usize> {
        match self {
            Self::StreamUp(conn, _) | Self::ConnLostAtProxy(conn) => Some(*conn),
            _ => None,
        }
    }

    /// The process that would have to do something: while it is frozen, nothing happens.
    pub(crate) fn node(&self, listener_or_dialer: impl Fn(&Way) -> NodeNumber) -> Option<NodeNumber> {
        match self {
            Self::Arrive(way, ..) | Self::LinkUp(way) | Self::LinkDown(way) => Some(listener_or_dialer(way)),
            Self::Tick(node, _)
            | Self::ShardTick(node, _)
            | Self::LeaseTick(node, _)
            | Self::TakeUp(node)
            | Self::Worked(node, ..)
            | Self::AskService(node, ..) => Some(*node),
            Self::StoreAnswer(asker, _) => asker.node(),
            _ => None,
        }
    }
}
