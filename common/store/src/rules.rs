//! The rules that every implementation shares: limits of a request, and how epochs grow.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub(crate) mod accounts;
mod creatures;
mod valuables;

use protocol::ids::{EpochExhausted, OwnerEpoch, RegionEpoch};
use protocol::limits::HANDOVER_GROUP_MAX;

use crate::StoreError;
use crate::limits::{BATCH_ROWS_MAX, CENSUS_ROWS_MAX, GAME_STATE_BYTES_MAX, STATE_BYTES_MAX};
use crate::request::{ForgottenGuest, StoreRequest};
use crate::row::{PlayerBody, PlayerSave, Serving, StateOf};

/// Starts that a new generation skips, and guests: a restored backup does not know how many were given out.
pub(crate) const STARTS_SKIPPED: u64 = 1 << 12;
/// See [`STARTS_SKIPPED`].
pub(crate) const GUESTS_SKIPPED: u64 = 1 << 24;

/// The owner epoch that is `steps` (1 or 2) after `current`; the first one of `generation` if `current` is older.
pub(crate) fn owner_epoch_after(
    current: OwnerEpoch,
    generation: u16,
    steps: u8,
) -> Result<OwnerEpoch, EpochExhausted> {
    if current.0 >> 48 < u64::from(generation) {
        return Ok(OwnerEpoch::first(generation));
    }
    (0..steps).try_fold(current, |epoch, _| epoch.next())
}

/// The epochs that the players of a group get in a handover.
pub(crate) fn passenger_epochs(
    passengers: &[PlayerSave],
    generation: u16,
) -> Result<Vec<OwnerEpoch>, EpochExhausted> {
    passengers
        .iter()
        .map(|save| owner_epoch_after(save.owner_epoch, generation, 1))
        .collect()
}

/// The region epoch after `current`; the first one of `generation` if there is none or it is older.
pub(crate) fn region_epoch_after(
    current: Option<RegionEpoch>,
    generation: u16,
) -> Result<RegionEpoch, EpochExhausted> {
    match current {
        Some(current) if current.0 >> 48 >= u64::from(generation) => current.next(),
        _ => Ok(RegionEpoch::first(generation)),
    }
}

/// The session generation after `current`; above all of older store generations.
pub(crate) fn session_after(current: u64, generation: u16) -> u64 {
    current.saturating_add(1).max(u64::from(generation) << 48 | 1)
}

/// Whether an epoch was issued by this generation of the store.
pub(crate) fn is_of_generation(epoch: OwnerEpoch, generation: u16) -> bool {
    epoch.0 >> 48 == u64::from(generation)
}

/// Refuses what breaks a limit, before anything is written.
pub(crate) fn check(request: &StoreRequest) -> Result<(), StoreError> {
    match request {
        StoreRequest::InsertPlayer { row } => {
            holds(row.owner.is_some(), "a new player needs an owner")?;
            number(row.user.0, "user")?;
            number(row.version.0, "version")?;
            number(row.region_epoch.0, "region epoch")?;
            number(row.attempt.0, "attempt")?;
            body(&row.body)
        }
        StoreRequest::Activate { .. } | StoreRequest::Reclaim { .. } | StoreRequest::PassPlayers { .. } => {
            check_owners(request)
        }
        StoreRequest::SavePlayers { saves, .. } => {
            holds(saves.len() <= BATCH_ROWS_MAX, "more than 64 saves in one request")?;
            saves.iter().try_for_each(save)
        }
        StoreRequest::CommitDurable { serving, commits } => {
            number(serving.region_epoch.0, "region epoch")?;
            holds(
                commits.len() <= BATCH_ROWS_MAX,
                "more than 64 commits in one request",
            )?;
            commits.iter().try_for_each(|one| {
                save(&one.save)?;
                valuables::changes(&serving.node, &one.changes)
            })
        }
        StoreRequest::Release { save: last, serving }
        | StoreRequest::RebindSession { save: last, serving } => {
            number(serving.region_epoch.0, "region epoch")?;
            save(last)
        }
        StoreRequest::ReadChains { users } => holds(
            users.len() <= CENSUS_ROWS_MAX,
            "more users than a census names at once",
        ),
        StoreRequest::RaiseSession { user } | StoreRequest::CancelOverdue { user } => number(user.0, "user"),
        StoreRequest::ForgetGuests { .. }
        | StoreRequest::SeedHoldings { .. }
        | StoreRequest::CloseRegion { .. }
        | StoreRequest::WriteCreatures { .. }
        | StoreRequest::CommitGround { .. }
        | StoreRequest::ReadGameState { .. }
        | StoreRequest::SaveGameState { .. } => check_regions(request),
        StoreRequest::Account(request) => accounts::check(request),
        _ => check_nodes(request),
    }
}

fn check_owners(request: &StoreRequest) -> Result<(), StoreError> {
    match request {
        StoreRequest::Activate {
            user,
            serving,
            expected,
            binding,
        } => {
            number(user.0, "user")?;
            number(serving.region_epoch.0, "region epoch")?;
            number(binding.session_generation.0, "session generation")?;
            number(expected.0, "owner epoch")
        }
        StoreRequest::ExtendSession { user, generation } | StoreRequest::EndSession { user, generation } => {
            number(user.0, "user")?;
            number(generation.0, "session generation")
        }
        StoreRequest::Reclaim {
            user,
            serving,
            expected,
        } => {
            number(user.0, "user")?;
            number(serving.region_epoch.0, "region epoch")?;
            number(expected.0, "owner epoch")
        }
        StoreRequest::PassPlayers {
            passengers,
            from,
            to,
            attempt,
        } => {
            let size = 1..=HANDOVER_GROUP_MAX;
            holds(
                size.contains(&passengers.len()),
                "a handover takes 1 to 16 players",
            )?;
            number(from.region_epoch.0, "region epoch")?;
            number(to.region_epoch.0, "region epoch")?;
            number(attempt.0, "attempt")?;
            passengers.iter().try_for_each(save)
        }
        _ => Ok(()),
    }
}

fn check_regions(request: &StoreRequest) -> Result<(), StoreError> {
    match request {
        StoreRequest::ForgetGuests { guests, serving, .. } => forgotten(guests, *serving),
        StoreRequest::SeedHoldings { holdings, .. } => valuables::seed(holdings),
        StoreRequest::CloseRegion { serving, ground } => valuables::closed(*serving, ground),
        StoreRequest::CommitGround {
            serving,
            version,
            changes,
        } => valuables::ground(*serving, *version, changes),
        StoreRequest::WriteCreatures {
            serving,
            version,
            changes,
        } => creatures::changes(*serving, *version, changes),
        StoreRequest::ReadGameState { after, .. } => number(*after, "serial"),
        StoreRequest::SaveGameState {
            serving,
            of,
            version,
            state,
        } => {
            let is_own = matches!(of, StateOf::World) || *of == StateOf::Region(serving.region);
            holds(is_own, "a region writes its own state, or the world's")?;
            holds(
                state.len() <= GAME_STATE_BYTES_MAX,
                "a game's state is larger than 64 KiB",
            )?;
            number(serving.region_epoch.0, "region epoch")?;
            number(version.0, "version")
        }
        _ => Ok(()),
    }
}

fn check_nodes(request: &StoreRequest) -> Result<(), StoreError> {
    match request {
        StoreRequest::RenewLease { lease } => number(lease.incarnation.0, "incarnation"),
        StoreRequest::TakeOver { taker, holder } => {
            number(taker.incarnation.0, "incarnation")?;
            number(holder.since.0, "incarnation")?;
            number(holder.lease.map_or(0, |lease| lease.beat), "renewals of a lease")?;
            holds(*taker != holder.rests_on(), "nobody takes a region from itself")?;
            number(holder.service.region_epoch.0, "region epoch")
        }
        StoreRequest::GiveRegion { from, .. } => number(from.region_epoch.0, "region epoch"),
        StoreRequest::NoteTopology { version } => number(version.0, "topology version"),
        _ => Ok(()),
    }
}

fn save(save: &PlayerSave) -> Result<(), StoreError> {
    number(save.user.0, "user")?;
    number(save.owner_epoch.0, "owner epoch")?;
    number(save.version.0, "version")?;
    body(&save.body)
}

fn body(body: &PlayerBody) -> Result<(), StoreError> {
    holds(
        body.state.len() <= STATE_BYTES_MAX,
        "a player's state is larger than 24 KiB",
    )?;
    number(body.binding.session_generation.0, "session generation")?;
    number(body.last_input.0, "input number")?;
    number(body.last_command.0, "command number")
}

fn forgotten(guests: &[ForgottenGuest], serving: Serving) -> Result<(), StoreError> {
    holds(
        guests.len() <= BATCH_ROWS_MAX,
        "more than 64 guests in one request",
    )?;
    number(serving.region_epoch.0, "region epoch")?;
    guests.iter().try_for_each(|guest| {
        number(guest.user.0, "user")?;
        number(guest.owner_epoch.0, "owner epoch")?;
        place(guest.x, guest.y)
    })
}

fn place(x: f32, y: f32) -> Result<(), StoreError> {
    holds(x.is_finite() && y.is_finite(), "a place that is not a number")
}

/// Databases have signed numbers.
fn number(value: u64, what: &'static str) -> Result<(), StoreError> {
    holds(i64::try_from(value).is_ok(), what)
}

fn holds(true_so: bool, what: &'static str) -> Result<(), StoreError> {
    true_so.then_some(()).ok_or(StoreError::Invalid(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_generation_lifts_every_epoch_above_all_that_came_before() {
        let old = OwnerEpoch(1 << 48 | 77);
        assert_eq!(owner_epoch_after(old, 1, 1), Ok(OwnerEpoch(1 << 48 | 78)));
        assert_eq!(owner_epoch_after(old, 1, 2), Ok(OwnerEpoch(1 << 48 | 79)));
        assert_eq!(owner_epoch_after(old, 2, 1), Ok(OwnerEpoch(2 << 48 | 1)));
        let last = OwnerEpoch((2 << 48) - 1);
        assert_eq!(owner_epoch_after(last, 1, 1), Err(EpochExhausted(last.0)));
        assert_eq!(owner_epoch_after(last, 2, 1), Ok(OwnerEpoch::first(2)));
        assert_eq!(region_epoch_after(None, 3), Ok(RegionEpoch::first(3)));
        assert_eq!(session_after(9, 1), 1 << 48 | 1);
        assert_eq!(session_after(1 << 48 | 1, 1), 1 << 48 | 2);
    }
}
