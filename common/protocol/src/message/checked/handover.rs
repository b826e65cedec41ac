//! Who crosses in a handover: a bounded group, every user in it once.

use super::error::CheckError;
use super::field;
use super::player_state::CheckedPlayer;
use crate::ids::{OwnerEpoch, StateVersion, UserId};
use crate::limits::HANDOVER_GROUP_MAX;
use crate::message::handover::{Claim, Passenger};

/// One player of a `Prepare`.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedPassenger {
    /// The epoch the target will hold.
    pub owner_epoch: OwnerEpoch,
    /// Version of the state.
    pub version: StateVersion,
    /// The state, which also says who it is.
    pub player: CheckedPlayer,
}

/// One player of a `Prepared`, `Commit` or `Done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedClaim {
    /// Who.
    pub user: UserId,
    /// The epoch the target holds, or will hold.
    pub owner_epoch: OwnerEpoch,
    /// Version of the state.
    pub version: StateVersion,
}

/// Checks the passengers of a `Prepare`.
///
/// # Errors
/// `Missing` when there are none, or one without state; `TooMany` above [`HANDOVER_GROUP_MAX`]; `OutOfRange` for a user
/// who is in it twice or whose state is another's; and all that a state can break.
pub fn check_passengers(passengers: Vec<Passenger>) -> Result<Vec<CheckedPassenger>, CheckError> {
    check_group(passengers.iter().map(|passenger| passenger.user))?;
    passengers.into_iter().map(check_passenger).collect()
}

/// Checks the claims of a `Prepared`, `Commit` or `Done`.
///
/// # Errors
/// As [`check_passengers`], without the states.
pub fn check_claims(claims: &[Claim]) -> Result<Vec<CheckedClaim>, CheckError> {
    check_group(claims.iter().map(|claim| claim.user))?;
    let claims = claims.iter().map(|claim| CheckedClaim {
        user: UserId(claim.user),
        owner_epoch: OwnerEpoch(claim.owner_epoch),
        version: StateVersion(claim.version),
    });
    Ok(claims.collect())
}

fn check_passenger(passenger: Passenger) -> Result<CheckedPassenger, CheckError> {
    let state = passenger.state.ok_or(CheckError::Missing("state"))?;
    if state.user != passenger.user {
        return Err(CheckError::OutOfRange("user"));
    }
    Ok(CheckedPassenger {
        owner_epoch: OwnerEpoch(passenger.owner_epoch),
        version: StateVersion(passenger.version),
        player: state.try_into()?,
    })
}

fn check_group(users: impl ExactSizeIterator<Item = u64>) -> Result<(), CheckError> {
    if users.len() == 0 {
        return Err(CheckError::Missing("users"));
    }
    field::count("users", users.len(), HANDOVER_GROUP_MAX)?;
    let mut seen: Vec<u64> = users.collect();
    seen.sort_unstable();
    let twice = seen.windows(2).any(|pair| pair.first() == pair.last());
    if twice {
        return Err(CheckError::OutOfRange("user"));
    }
    Ok(())
}
