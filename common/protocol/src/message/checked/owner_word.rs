//! What a game server says for one user to the proxy where the user is.

use super::command::CheckedEvent;
use super::error::CheckError;
use super::field;
use super::session::SessionIdentity;
use crate::Code;
use crate::geometry::{CellGrid, CellIndex};
use crate::ids::{
    CommandNumber, EntityId, InputNumber, NodeNumber, OwnerEpoch, RegionNumber, SessionGeneration, UserId,
};
use crate::message::player::{
    CommandAck, Elsewhere, Event, Here, JoinRefused, Joined, Moved, SessionKey, Superseded,
};

/// A player is active at whoever says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedPresence {
    /// Whose.
    pub user: UserId,
    /// The session that it was made active for.
    pub session: SessionIdentity,
    /// The region it stands in.
    pub region: RegionNumber,
    /// The epoch of its owner.
    pub owner_epoch: OwnerEpoch,
    /// Its body.
    pub entity: EntityId,
    /// Where its view is centred.
    pub home_cell: CellIndex,
    /// Newest input applied.
    pub last_input: InputNumber,
}

impl CheckedPresence {
    /// Checks a `Joined`.
    ///
    /// # Errors
    /// `Missing` without session, region or entity; `OutOfRange` for a home outside the grid or a number beyond its limit.
    pub fn of_joined(message: &Joined, grid: &CellGrid) -> Result<Self, CheckError> {
        Self::check(
            (message.user, message.session.as_ref()),
            (message.region, message.owner_epoch, message.entity),
            (message.home_cell, message.last_input),
            grid,
        )
    }

    /// Checks a `Here`.
    ///
    /// # Errors
    /// As [`of_joined`](Self::of_joined).
    pub fn of_here(message: &Here, grid: &CellGrid) -> Result<Self, CheckError> {
        Self::check(
            (message.user, message.session.as_ref()),
            (message.region, message.owner_epoch, message.entity),
            (message.home_cell, message.last_input),
            grid,
        )
    }

    fn check(
        (user, session): (u64, Option<&SessionKey>),
        (region, owner_epoch, entity): (u32, u64, u64),
        (home_cell, last_input): (u32, u64),
        grid: &CellGrid,
    ) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(user),
            session: SessionIdentity::check(session)?,
            region: field::region_number("region", region)?,
            owner_epoch: OwnerEpoch(owner_epoch),
            entity: EntityId(entity),
            home_cell: field::cell("home_cell", home_cell, grid)?,
            last_input: InputNumber(field::number("last_input", last_input)?),
        })
    }
}

/// A join that cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedJoinRefused {
    /// Whose.
    pub user: UserId,
    /// For which session it was asked.
    pub session: SessionIdentity,
    /// Why; a code that nobody knows is `Generic`.
    pub code: Code,
}

impl TryFrom<&JoinRefused> for CheckedJoinRefused {
    type Error = CheckError;

    fn try_from(message: &JoinRefused) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(message.user),
            session: SessionIdentity::check(message.session.as_ref())?,
            code: u8::try_from(message.code).map_or(Code::Generic, Code::from_number),
        })
    }
}

/// A player has gone to another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedMove {
    /// Whose.
    pub user: UserId,
    /// The epoch that the sender held.
    pub from_epoch: OwnerEpoch,
    /// Who has it now.
    pub node: NodeNumber,
    /// In which region.
    pub region: RegionNumber,
    /// At which epoch.
    pub owner_epoch: OwnerEpoch,
}

impl TryFrom<Moved> for CheckedMove {
    type Error = CheckError;

    fn try_from(message: Moved) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(message.user),
            from_epoch: OwnerEpoch(message.from_epoch),
            node: field::node_number("node", message.node)?,
            region: field::region_number("region", message.region)?,
            owner_epoch: OwnerEpoch(message.owner_epoch),
        })
    }
}

/// A player is not the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedElsewhere {
    /// Whose.
    pub user: UserId,
    /// The owner that the row names; `None`: nobody owns it.
    pub node: Option<NodeNumber>,
    /// The region that the row names.
    pub region: RegionNumber,
}

impl TryFrom<Elsewhere> for CheckedElsewhere {
    type Error = CheckError;

    fn try_from(message: Elsewhere) -> Result<Self, CheckError> {
        let node = (message.node != 0).then(|| field::node_number("node", message.node));
        Ok(Self {
            user: UserId(message.user),
            node: node.transpose()?,
            region: RegionNumber(message.region),
        })
    }
}

/// All commands of one login up to one number are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedCommandAck {
    /// Whose.
    pub user: UserId,
    /// The epoch of the owner that says it.
    pub owner_epoch: OwnerEpoch,
    /// The login whose commands are counted.
    pub generation: SessionGeneration,
    /// Up to which; 0: none.
    pub number: CommandNumber,
}

impl TryFrom<CommandAck> for CheckedCommandAck {
    type Error = CheckError;

    fn try_from(message: CommandAck) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(message.user),
            owner_epoch: OwnerEpoch(message.owner_epoch),
            generation: SessionGeneration(message.session_generation),
            number: CommandNumber(field::number("number", message.number)?),
        })
    }
}

/// An event for one login of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedUserEvent {
    /// Whose.
    pub user: UserId,
    /// The epoch of the owner that says it.
    pub owner_epoch: OwnerEpoch,
    /// The login that it is for.
    pub generation: SessionGeneration,
    /// What happened.
    pub event: CheckedEvent,
}

impl TryFrom<Event> for CheckedUserEvent {
    type Error = CheckError;

    fn try_from(message: Event) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(message.user),
            owner_epoch: OwnerEpoch(message.owner_epoch),
            generation: SessionGeneration(message.session_generation),
            event: message.try_into()?,
        })
    }
}

/// A newer attach took over: this session is not the player's own any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedSuperseded {
    /// Whose.
    pub user: UserId,
    /// The older session.
    pub session: SessionIdentity,
}

impl TryFrom<&Superseded> for CheckedSuperseded {
    type Error = CheckError;

    fn try_from(message: &Superseded) -> Result<Self, CheckError> {
        Ok(Self {
            user: UserId(message.user),
            session: SessionIdentity::check(message.session.as_ref())?,
        })
    }
}
