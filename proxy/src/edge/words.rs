//! The border of a shard's sessions: what a game server says for a user becomes a checked word here, or is refused by the
//! label that counts it. Nothing further in looks at limits again.

use protocol::geometry::CellGrid;
use protocol::ids::UserId;
use protocol::message::checked::{
    CheckedCommandAck, CheckedElsewhere, CheckedJoinRefused, CheckedMove, CheckedNews, CheckedOutput,
    CheckedPresence, CheckedSuperseded, CheckedUserEvent,
};
use protocol::message::family::ServerToProxy;

/// What a game server says for a user.
#[derive(Clone, Debug)]
pub(super) enum OwnerWord {
    Output(CheckedOutput),
    CommandAck(CheckedCommandAck),
    Event(CheckedUserEvent),
    Joined(CheckedPresence),
    JoinRefused(CheckedJoinRefused),
    Moved(CheckedMove),
    Here(CheckedPresence),
    Elsewhere(CheckedElsewhere),
    Superseded(CheckedSuperseded),
    Kick(UserId),
    /// Not only the owner's.
    News(CheckedNews),
}

impl OwnerWord {
    /// The user that it is about, where only who owns one may say it: not that a player is there, which is answered also where nobody
    /// waits for it, nor news.
    pub(super) fn whose(&self) -> Option<UserId> {
        match self {
            Self::Output(it) => Some(it.user),
            Self::CommandAck(it) => Some(it.user),
            Self::Event(it) => Some(it.user),
            Self::JoinRefused(it) => Some(it.user),
            Self::Moved(it) => Some(it.user),
            Self::Elsewhere(it) => Some(it.user),
            Self::Superseded(it) => Some(it.user),
            Self::Kick(user) => Some(*user),
            Self::Joined(_) | Self::Here(_) | Self::News(_) => None,
        }
    }

    pub(super) fn check(message: ServerToProxy, grid: &CellGrid) -> Result<Self, &'static str> {
        match message {
            ServerToProxy::Output(message) => CheckedOutput::check(message, grid)
                .map(Self::Output)
                .map_err(|_| "output_malformed"),
            ServerToProxy::CommandAck(message) => check(message, "ack_malformed").map(Self::CommandAck),
            ServerToProxy::Event(message) => check(message, "event_malformed").map(Self::Event),
            ServerToProxy::Joined(message) => CheckedPresence::of_joined(&message, grid)
                .map(Self::Joined)
                .map_err(|_| "joined_malformed"),
            ServerToProxy::JoinRefused(message) => {
                check(&message, "join_refused_malformed").map(Self::JoinRefused)
            }
            ServerToProxy::Moved(message) => check(message, "moved_malformed").map(Self::Moved),
            ServerToProxy::Here(message) => CheckedPresence::of_here(&message, grid)
                .map(Self::Here)
                .map_err(|_| "here_malformed"),
            ServerToProxy::Elsewhere(message) => check(message, "elsewhere_malformed").map(Self::Elsewhere),
            ServerToProxy::Superseded(message) => {
                check(&message, "superseded_malformed").map(Self::Superseded)
            }
            ServerToProxy::Kick(message) => Ok(Self::Kick(UserId(message.user))),
            ServerToProxy::Notify(message) => check(message, "news_malformed").map(Self::News),
            ServerToProxy::Announce(message) => check(message, "news_malformed").map(Self::News),
            ServerToProxy::Heartbeat(_)
            | ServerToProxy::Serving(_)
            | ServerToProxy::CellUpdates(_)
            | ServerToProxy::TickEnd(_)
            | ServerToProxy::GetTopology(_)
            | ServerToProxy::Topology(_)
            | ServerToProxy::RegionBrief(_) => Err("not_for_a_user"),
        }
    }
}

fn check<M, T: TryFrom<M>>(message: M, label: &'static str) -> Result<T, &'static str> {
    T::try_from(message).map_err(|_| label)
}
