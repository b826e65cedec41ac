//! Who crosses in a handover: a bounded group, every user in it once.

use super::error::CheckError;
use super::field;
use crate::geometry::CellIndex;
use crate::ids::{AttemptId, OwnerEpoch, RegionEpoch, RegionNumber, StateVersion, UserId};
use crate::limits::{GAME_ID_BYTES_MAX, HANDOVER_GROUP_MAX};
use crate::message::handover::{Claim, Commit, Done, Passenger, Prepare, Prepared};

/// One player of a handover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedClaim {
    /// Who.
    pub user: UserId,
    /// The epoch the target holds, or will hold.
    pub owner_epoch: OwnerEpoch,
    /// Version of the state.
    pub version: StateVersion,
}

impl From<CheckedClaim> for Claim {
    fn from(claim: CheckedClaim) -> Self {
        Self {
            user: claim.user.0,
            owner_epoch: claim.owner_epoch.0,
            version: claim.version.0,
        }
    }
}

impl From<&Claim> for CheckedClaim {
    fn from(claim: &Claim) -> Self {
        Self {
            user: UserId(claim.user),
            owner_epoch: OwnerEpoch(claim.owner_epoch),
            version: StateVersion(claim.version),
        }
    }
}

impl From<&Passenger> for CheckedClaim {
    fn from(passenger: &Passenger) -> Self {
        Self {
            user: UserId(passenger.user),
            owner_epoch: OwnerEpoch(passenger.owner_epoch),
            version: StateVersion(passenger.version),
        }
    }
}

/// A `Prepare`. The states in it are the row's to say, so nobody reads them here; of each it is said where it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedPrepare {
    /// The region that the group leaves, and its epoch.
    pub from: (RegionNumber, RegionEpoch),
    /// The epoch of the region that it goes to.
    pub to_epoch: RegionEpoch,
    /// The attempt.
    pub attempt: AttemptId,
    /// The group.
    pub claims: Vec<CheckedClaim>,
    /// The cell that each of the group comes to; one that the region has not needs no place there.
    pub home_cells: Vec<CellIndex>,
    /// The game whose rules the sender has, and their version; empty: it does not say.
    pub edition: (String, u32),
}

impl TryFrom<&Prepare> for CheckedPrepare {
    type Error = CheckError;

    fn try_from(message: &Prepare) -> Result<Self, CheckError> {
        field::at_most("game_id", message.game_id.as_bytes(), GAME_ID_BYTES_MAX)?;
        Ok(Self {
            edition: (message.game_id.clone(), message.game_version),
            from: (
                field::region_number("from_region", message.from_region)?,
                RegionEpoch(message.from_region_epoch),
            ),
            to_epoch: RegionEpoch(message.to_region_epoch),
            attempt: AttemptId(message.attempt),
            claims: check_group("passengers", &message.passengers)?,
            home_cells: message
                .passengers
                .iter()
                .map(|passenger| CellIndex(passenger.home_cell))
                .collect(),
        })
    }
}

/// A `Prepared`, `Commit` or `Done`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedClaims {
    /// The region that says it.
    pub from: RegionNumber,
    /// The attempt.
    pub attempt: AttemptId,
    /// The group, or who of it this is about.
    pub claims: Vec<CheckedClaim>,
}

impl CheckedClaims {
    fn check(from: u32, attempt: u64, claims: &[Claim]) -> Result<Self, CheckError> {
        Ok(Self {
            from: field::region_number("from_region", from)?,
            attempt: AttemptId(attempt),
            claims: check_group("claims", claims)?,
        })
    }
}

impl TryFrom<&Prepared> for CheckedClaims {
    type Error = CheckError;

    fn try_from(message: &Prepared) -> Result<Self, CheckError> {
        Self::check(message.from_region, message.attempt, &message.claims)
    }
}

impl TryFrom<&Commit> for CheckedClaims {
    type Error = CheckError;

    fn try_from(message: &Commit) -> Result<Self, CheckError> {
        Self::check(message.from_region, message.attempt, &message.claims)
    }
}

impl TryFrom<&Done> for CheckedClaims {
    type Error = CheckError;

    fn try_from(message: &Done) -> Result<Self, CheckError> {
        Self::check(message.from_region, message.attempt, &message.claims)
    }
}

fn check_group<'a, T>(field: &'static str, group: &'a [T]) -> Result<Vec<CheckedClaim>, CheckError>
where
    CheckedClaim: From<&'a T>,
{
    if group.is_empty() {
        return Err(CheckError::Missing(field));
    }
    field::count(field, group.len(), HANDOVER_GROUP_MAX)?;
    let claims: Vec<CheckedClaim> = group.iter().map(CheckedClaim::from).collect();
    let mut seen: Vec<UserId> = claims.iter().map(|claim| claim.user).collect();
    seen.sort_unstable();
    let twice = seen.windows(2).any(|pair| pair.first() == pair.last());
    if twice {
        return Err(CheckError::OutOfRange("user"));
    }
    Ok(claims)
}
