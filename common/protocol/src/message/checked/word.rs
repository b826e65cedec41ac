//! What a proxy says for one user to whoever owns its player.

use super::command::CheckedCommand;
use super::error::CheckError;
use super::field;
use super::input::InputRun;
use super::session::SessionIdentity;
use crate::ids::{EventNumber, OwnerEpoch, SessionGeneration, UserId};
use crate::message::player::{Command, EventAck, Inputs, Leave, LeaveReason};

/// One word, for the owner at one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserWord {
    /// Who says it.
    pub user: UserId,
    /// The epoch of the owner that it is meant for.
    pub owner_epoch: OwnerEpoch,
    /// What.
    pub says: UserSays,
}

/// What a user says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserSays {
    /// The newest inputs.
    Inputs(InputRun),
    /// One command, of this login.
    Command(SessionGeneration, CheckedCommand),
    /// The client has all events of this login up to this one; 0: none.
    EventAck(SessionGeneration, EventNumber),
}

impl TryFrom<Inputs> for UserWord {
    type Error = CheckError;

    fn try_from(message: Inputs) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(message.user),
            owner_epoch: OwnerEpoch(message.owner_epoch),
            says: UserSays::Inputs(InputRun::check(message.number, message.inputs)?),
        })
    }
}

impl TryFrom<Command> for UserWord {
    type Error = CheckError;

    fn try_from(message: Command) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(message.user),
            owner_epoch: OwnerEpoch(message.owner_epoch),
            says: UserSays::Command(SessionGeneration(message.session_generation), message.try_into()?),
        })
    }
}

impl TryFrom<EventAck> for UserWord {
    type Error = CheckError;

    fn try_from(message: EventAck) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(message.user),
            owner_epoch: OwnerEpoch(message.owner_epoch),
            says: UserSays::EventAck(
                SessionGeneration(message.session_generation),
                EventNumber(field::number("number", message.number)?),
            ),
        })
    }
}

/// A goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedLeave {
    /// Whose.
    pub user: UserId,
    /// Which session of the user.
    pub session: SessionIdentity,
    /// Why.
    pub reason: LeaveReason,
}

impl TryFrom<Leave> for CheckedLeave {
    type Error = CheckError;

    fn try_from(message: Leave) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(message.user),
            session: SessionIdentity::check(message.session.as_ref())?,
            reason: LeaveReason::try_from(message.reason).map_err(|_| CheckError::OutOfRange("reason"))?,
        })
    }
}
