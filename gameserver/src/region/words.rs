//! The border of a region: what proxies and peers say becomes a checked word here, or is refused by the label that counts
//! it. Nothing further in looks at limits again.

use protocol::Code;
use protocol::ids::{AttemptId, UserId};
use protocol::message::checked::{
    CheckedArrivals, CheckedCellUpdates, CheckedClaims, CheckedEffect, CheckedLeave, CheckedPrepare,
    CheckedRoam, CheckedSubscription, UserWord,
};
use protocol::message::effect::Refresh;
use protocol::message::family::{ProxyToServer, ServerToServer};
use protocol::message::subscription::Serving;

/// What a proxy says.
#[derive(Clone, Debug)]
pub(super) enum ProxyWord {
    OfUser(UserWord),
    Leave(CheckedLeave),
    Subscribe(CheckedSubscription),
    Unsubscribe(CheckedSubscription),
}

impl ProxyWord {
    pub(super) fn check(message: ProxyToServer) -> Result<Self, &'static str> {
        match message {
            ProxyToServer::Inputs(message) => of_user(message, "inputs_malformed"),
            ProxyToServer::Command(message) => of_user(message, "command_malformed"),
            ProxyToServer::EventAck(message) => of_user(message, "event_ack_malformed"),
            ProxyToServer::Leave(message) => check(message, "leave_malformed").map(Self::Leave),
            ProxyToServer::Subscribe(message) => check(&message, "subscribe_malformed").map(Self::Subscribe),
            ProxyToServer::Unsubscribe(message) => {
                check(&message, "unsubscribe_malformed").map(Self::Unsubscribe)
            }
            ProxyToServer::Join(_) => Err("join_unverified"),
            ProxyToServer::Heartbeat(_)
            | ProxyToServer::GetTopology(_)
            | ProxyToServer::Topology(_)
            | ProxyToServer::WatchMap(_) => Err("not_for_a_region"),
        }
    }

    /// Whom it is about; `None`: the lane itself.
    pub(super) fn user(&self) -> Option<UserId> {
        match self {
            Self::OfUser(word) => Some(word.user),
            Self::Leave(leave) => Some(leave.user),
            Self::Subscribe(_) | Self::Unsubscribe(_) => None,
        }
    }
}

/// What a peer says, or another region of the own node.
#[derive(Clone, Debug)]
pub(super) enum PeerWord {
    Serving(Serving),
    Subscribe(CheckedSubscription),
    Unsubscribe(CheckedSubscription),
    Cells(CheckedCellUpdates),
    Prepare(CheckedPrepare),
    Prepared(CheckedClaims),
    Refuse(AttemptId, Code),
    Commit(CheckedClaims),
    Done(CheckedClaims),
    Effect(CheckedEffect),
    Refresh(Refresh),
    Roam(CheckedRoam),
    Arrivals(CheckedArrivals),
}

impl PeerWord {
    pub(super) fn check(message: ServerToServer) -> Result<Self, &'static str> {
        match message {
            ServerToServer::Serving(message) => Ok(Self::Serving(message)),
            ServerToServer::Subscribe(message) => check(&message, "subscribe_malformed").map(Self::Subscribe),
            ServerToServer::Unsubscribe(message) => {
                check(&message, "unsubscribe_malformed").map(Self::Unsubscribe)
            }
            ServerToServer::CellUpdates(message) => check(message, "cells_malformed").map(Self::Cells),
            ServerToServer::Prepare(message) => check(&message, "prepare_malformed").map(Self::Prepare),
            ServerToServer::Prepared(message) => check(&message, "prepared_malformed").map(Self::Prepared),
            ServerToServer::Refuse(message) => {
                let code = u8::try_from(message.code).map_or(Code::Generic, Code::from_number);
                Ok(Self::Refuse(AttemptId(message.attempt), code))
            }
            ServerToServer::Commit(message) => check(&message, "commit_malformed").map(Self::Commit),
            ServerToServer::Done(message) => check(&message, "done_malformed").map(Self::Done),
            ServerToServer::Effect(message) => check(message, "effect_malformed").map(Self::Effect),
            ServerToServer::Refresh(message) => Ok(Self::Refresh(message)),
            ServerToServer::Roam(message) => check(message, "roam_malformed").map(Self::Roam),
            ServerToServer::Arrivals(message) => check(&message, "arrivals_malformed").map(Self::Arrivals),
            ServerToServer::Heartbeat(_) | ServerToServer::GetTopology(_) | ServerToServer::Topology(_) => {
                Err("not_for_a_region")
            }
        }
    }
}

fn of_user<M>(message: M, label: &'static str) -> Result<ProxyWord, &'static str>
where
    UserWord: TryFrom<M>,
{
    check(message, label).map(ProxyWord::OfUser)
}

fn check<M, T: TryFrom<M>>(message: M, label: &'static str) -> Result<T, &'static str> {
    T::try_from(message).map_err(|_| label)
}
