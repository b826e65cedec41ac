//! Player rows: each change of ownership is one statement that carries its own conditions.

use protocol::ids::{
    AttemptId, CommandNumber, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, StateVersion, UserId,
};
use rusqlite::Connection;

use super::cluster;
use super::columns::{self, player_columns};
use super::fault::Failure;
use super::moment::Moment;
use super::savepoint::{Step, all_or_nothing};
use super::statement::{Statement, node, query};
use super::trades;
use crate::reply::{Chain, SaveOutcome};
use crate::row::{Binding, OwnerRecord, PlayerRow, PlayerSave, Serving};
use crate::{StoreReply, rules};

/// The row stands under the current service, as [`bind_served`] has it.
macro_rules! served {
    () => {
        " AND region = ?14 AND region_epoch = ?15
        AND EXISTS (SELECT 1 FROM region WHERE region = ?14 AND node = ?12 AND epoch = ?15)"
    };
}

pub(super) fn load(connection: &Connection, user: UserId) -> rusqlite::Result<Option<PlayerRow>> {
    const LOAD: &str = concat!("SELECT ", player_columns!(), " FROM player WHERE user = ?1");
    query(connection, LOAD).number(user.0).row(columns::player)
}

pub(super) fn owner(connection: &Connection, user: UserId) -> rusqlite::Result<Option<OwnerRecord>> {
    const OWNER: &str = "SELECT owner, region, owner_epoch FROM player WHERE user = ?1";
    query(connection, OWNER).number(user.0).row(|row| {
        Ok(OwnerRecord {
            node: row.node("owner")?,
            region: RegionNumber(row.small("region")?),
            owner_epoch: OwnerEpoch(row.number()?),
        })
    })
}

/// As much of a row as tells why a write did not apply.
pub(super) struct Standing {
    owner: Option<NodeNumber>,
    region: RegionNumber,
    region_epoch: RegionEpoch,
    owner_epoch: OwnerEpoch,
    pub(super) version: StateVersion,
    pub(super) last_command: CommandNumber,
    pub(super) chain_hash: [u8; 32],
}

impl Standing {
    pub(super) fn is_owned(&self, owner: NodeNumber, save: &PlayerSave) -> bool {
        self.owner == Some(owner) && self.owner_epoch == save.owner_epoch
    }

    /// Whether it stands under a service that is the current one.
    pub(super) fn is_under(&self, connection: &Connection, serving: Serving) -> rusqlite::Result<bool> {
        let named = (self.region, self.region_epoch) == (serving.region, serving.region_epoch);
        Ok(named && cluster::service(connection, serving.region)? == Some(serving))
    }
}

pub(super) fn standing(connection: &Connection, user: UserId) -> rusqlite::Result<Option<Standing>> {
    const STANDING: &str = "SELECT owner, region, region_epoch, owner_epoch, version, last_command, chain_hash FROM player WHERE user = ?1";
    query(connection, STANDING).number(user.0).row(|row| {
        Ok(Standing {
            owner: row.node("owner")?,
            region: RegionNumber(row.small("region")?),
            region_epoch: RegionEpoch(row.number()?),
            owner_epoch: OwnerEpoch(row.number()?),
            version: StateVersion(row.number()?),
            last_command: CommandNumber(row.number()?),
            chain_hash: columns::chain_hash(row)?,
        })
    })
}

/// Of many writes in one request, one that meets a damaged row must not fail the others: what cannot be read is owned by
/// nobody.
pub(super) fn or_nobodys<T>(outcome: Result<T, Failure>, user: UserId, nobodys: T) -> Result<T, Failure> {
    match outcome {
        Err(Failure::Request(error)) => {
            tracing::error!(%user, %error, "the row of a player cannot be written");
            Ok(nobodys)
        }
        other => other,
    }
}

pub(super) fn refused(connection: &Connection, user: UserId) -> Result<StoreReply, Failure> {
    Ok(StoreReply::Refused(load(connection, user)?.into_iter().collect()))
}

pub(super) fn insert(connection: &Connection, row: &PlayerRow, at: Moment) -> Result<StoreReply, Failure> {
    const INSERT: &str = concat!(
        "INSERT INTO player (home_cell, session_generation, attach_no, proxy, last_input,
        last_command, chain_hash, state, written_ms,
        user, owner, region, region_epoch, owner_epoch, attempt, version, entity)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17
        WHERE EXISTS (SELECT 1 FROM region WHERE region = ?12 AND node = ?11 AND epoch = ?13)
        ON CONFLICT (user) DO NOTHING RETURNING ",
        player_columns!()
    );
    let inserted = query(connection, INSERT)
        .body(&row.body, at.now_ms)
        .number(row.user.0)
        .bind(node(row.owner))
        .bind(row.region.0)
        .number(row.region_epoch.0)
        .number(OwnerEpoch::first(at.generation).0)
        .number(row.attempt.0)
        .number(row.version.0)
        .number(row.entity.0)
        .row(columns::player)?;
    if let Some(inserted) = inserted {
        return Ok(StoreReply::Inserted(inserted));
    }
    Ok(match load(connection, row.user)? {
        Some(there) => StoreReply::Exists(there),
        None => StoreReply::NotServing(cluster::region_epoch(connection, row.region)?),
    })
}

pub(super) fn activate(
    connection: &Connection,
    user: UserId,
    serving: Serving,
    expected: OwnerEpoch,
    binding: Binding,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const ACTIVATE: &str = concat!(
        "UPDATE player SET owner = ?1, region = ?2, region_epoch = ?3, owner_epoch = ?4,
        attempt = 0, written_ms = ?5,
        last_input = CASE WHEN session_generation < ?8 THEN 0 ELSE last_input END,
        last_command = CASE WHEN session_generation < ?8 THEN 0 ELSE last_command END,
        session_generation = ?8, attach_no = ?9, proxy = ?10
        WHERE user = ?6 AND owner_epoch = ?7 AND (region = ?2 OR owner IS NULL)
        AND (session_generation, attach_no) <= (?8, ?9)
        AND (owner IS NOT NULL OR EXISTS (SELECT 1 FROM session s
            WHERE s.user = ?6 AND s.generation = ?8 AND s.until_ms > ?5))
        AND EXISTS (SELECT 1 FROM region WHERE region = ?2 AND node = ?1 AND epoch = ?3)
        RETURNING ",
        player_columns!()
    );
    let epoch = rules::owner_epoch_after(expected, at.generation, 1)?;
    let statement = bind_take(
        query(connection, ACTIVATE),
        user,
        serving,
        expected,
        epoch,
        at.now_ms,
    )
    .number(binding.session_generation.0)
    .bind(binding.attach_no.0)
    .bind(node(binding.proxy));
    let reply = activated_or_refused(connection, statement, user)?;
    match &reply {
        StoreReply::Activated(_) => drop(trades::cancel_overdue(connection, user, at)?),
        StoreReply::Refused(rows) => {
            let is_free = |row: &PlayerRow| {
                row.owner.is_none()
                    && row.owner_epoch == expected
                    && row.body.binding.order() <= binding.order()
            };
            // All else being as it should, it was for the session.
            if rows.iter().any(is_free) && cluster::is_serving(connection, serving)? {
                return Ok(StoreReply::SessionOver);
            }
        }
        _ => {}
    }
    Ok(reply)
}

pub(super) fn reclaim(
    connection: &Connection,
    user: UserId,
    serving: Serving,
    expected: OwnerEpoch,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const RECLAIM: &str = concat!(
        "UPDATE player SET owner = ?1, region = ?2, region_epoch = ?3, owner_epoch = ?4,
        attempt = 0, written_ms = ?5
        WHERE user = ?6 AND owner_epoch = ?7 AND owner = ?1 AND region = ?2
        AND EXISTS (SELECT 1 FROM region WHERE region = ?2 AND node = ?1 AND epoch = ?3)
        RETURNING ",
        player_columns!()
    );
    let epoch = rules::owner_epoch_after(expected, at.generation, 2)?;
    let statement = bind_take(
        query(connection, RECLAIM),
        user,
        serving,
        expected,
        epoch,
        at.now_ms,
    );
    activated_or_refused(connection, statement, user)
}

fn bind_take<'c>(
    statement: Statement<'c>,
    user: UserId,
    serving: Serving,
    expected: OwnerEpoch,
    epoch: OwnerEpoch,
    now_ms: i64,
) -> Statement<'c> {
    statement
        .bind(serving.node.0)
        .bind(serving.region.0)
        .number(serving.region_epoch.0)
        .number(epoch.0)
        .bind(now_ms)
        .number(user.0)
        .number(expected.0)
}

fn activated_or_refused(
    connection: &Connection,
    statement: Statement<'_>,
    user: UserId,
) -> Result<StoreReply, Failure> {
    match statement.row(columns::player)? {
        Some(row) => Ok(StoreReply::Activated(row)),
        None => refused(connection, user),
    }
}

/// One statement per player, and the first that does not apply takes all back.
pub(super) fn pass(
    connection: &Connection,
    from: Serving,
    to: Serving,
    attempt: AttemptId,
    passengers: &[PlayerSave],
    at: Moment,
) -> Result<StoreReply, Failure> {
    const PASS: &str =
        "UPDATE player SET home_cell = ?1, session_generation = ?2, attach_no = ?3, proxy = ?4,
        last_input = ?5, last_command = ?6, chain_hash = ?7, state = ?8, written_ms = ?9, version = ?10,
        owner = ?14, region = ?15, region_epoch = ?16, owner_epoch = ?17, attempt = ?18
        WHERE user = ?11 AND owner = ?12 AND owner_epoch = ?13 AND version <= ?10
        AND EXISTS (SELECT 1 FROM region WHERE region = ?15 AND node = ?14 AND epoch = ?16)
        AND region = ?19 AND region_epoch = ?20
        AND EXISTS (SELECT 1 FROM region WHERE region = ?19 AND node = ?12 AND epoch = ?20)";
    let epochs = rules::passenger_epochs(passengers, at.generation)?;
    let pass_one = |save: &PlayerSave, epoch: OwnerEpoch| {
        let done = bind_owned(query(connection, PASS), from.node, save, at.now_ms)
            .bind(to.node.0)
            .bind(to.region.0)
            .number(to.region_epoch.0)
            .number(epoch.0)
            .number(attempt.0)
            .bind(from.region.0)
            .number(from.region_epoch.0)
            .run()?;
        Ok::<bool, Failure>(done == 1)
    };
    let passed = all_or_nothing(connection, || {
        for (save, epoch) in passengers.iter().zip(epochs) {
            let counts = rules::is_of_generation(save.owner_epoch, at.generation);
            if !counts || !pass_one(save, epoch)? {
                return Ok(Step::TakeBack(false));
            }
        }
        Ok(Step::Keep(true))
    });
    if passed? {
        return Ok(StoreReply::Passed);
    }
    let mut rows = Vec::with_capacity(passengers.len());
    for save in passengers {
        rows.extend(load(connection, save.user)?);
    }
    Ok(StoreReply::Refused(rows))
}

/// Binds a save as `?1` to `?13`: the body, time, version, then user, owner and epoch for the condition.
fn bind_owned<'c>(
    statement: Statement<'c>,
    owner: NodeNumber,
    save: &PlayerSave,
    now_ms: i64,
) -> Statement<'c> {
    statement
        .body(&save.body, now_ms)
        .number(save.version.0)
        .number(save.user.0)
        .bind(owner.0)
        .number(save.owner_epoch.0)
}

/// As [`bind_owned`], and the service under which the row has to stand as `?14` and `?15`.
fn bind_served<'c>(
    statement: Statement<'c>,
    serving: Serving,
    save: &PlayerSave,
    now_ms: i64,
) -> Statement<'c> {
    bind_owned(statement, serving.node, save, now_ms)
        .bind(serving.region.0)
        .number(serving.region_epoch.0)
}

/// Writes a body if the row stands under the current service, the epoch is its own and the version is higher. Says whether it did.
pub(super) fn write_served(
    connection: &Connection,
    serving: Serving,
    save: &PlayerSave,
    at: Moment,
) -> rusqlite::Result<bool> {
    const COMMIT: &str = concat!(
        "UPDATE player SET home_cell = ?1, session_generation = ?2, attach_no = ?3, proxy = ?4,
        last_input = ?5, last_command = ?6, chain_hash = ?7, state = ?8, written_ms = ?9, version = ?10
        WHERE user = ?11 AND owner = ?12 AND owner_epoch = ?13 AND version < ?10",
        served!()
    );
    let done = bind_served(query(connection, COMMIT), serving, save, at.now_ms).run()?;
    Ok(done == 1)
}

/// Writes a body if owner and epoch are the row's and the version is higher. Says whether it did.
fn write_newer(
    connection: &Connection,
    owner: NodeNumber,
    save: &PlayerSave,
    at: Moment,
) -> rusqlite::Result<bool> {
    const SAVE: &str =
        "UPDATE player SET home_cell = ?1, session_generation = ?2, attach_no = ?3, proxy = ?4,
        last_input = ?5, last_command = ?6, chain_hash = ?7, state = ?8, written_ms = ?9, version = ?10
        WHERE user = ?11 AND owner = ?12 AND owner_epoch = ?13 AND version < ?10";
    let done = bind_owned(query(connection, SAVE), owner, save, at.now_ms).run()?;
    Ok(done == 1)
}

pub(super) fn save_all(
    connection: &Connection,
    owner: NodeNumber,
    saves: &[PlayerSave],
    at: Moment,
) -> Result<StoreReply, Failure> {
    let saved = saves.iter().map(|one| save(connection, owner, one, at));
    saved.collect::<Result<_, _>>().map(StoreReply::Saved)
}

fn save(
    connection: &Connection,
    owner: NodeNumber,
    save: &PlayerSave,
    at: Moment,
) -> Result<SaveOutcome, Failure> {
    let outcome = save_one(connection, owner, save, at).map_err(Failure::from);
    or_nobodys(outcome, save.user, SaveOutcome::Fenced)
}

fn save_one(
    connection: &Connection,
    owner: NodeNumber,
    save: &PlayerSave,
    at: Moment,
) -> rusqlite::Result<SaveOutcome> {
    if write_newer(connection, owner, save, at)? {
        return Ok(SaveOutcome::Applied);
    }
    let owned = standing(connection, save.user)?.is_some_and(|row| row.is_owned(owner, save));
    Ok(if owned {
        SaveOutcome::Older
    } else {
        SaveOutcome::Fenced
    })
}

pub(super) fn release(
    connection: &Connection,
    serving: Serving,
    save: &PlayerSave,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const RELEASE: &str = concat!(
        "UPDATE player SET home_cell = ?1, session_generation = ?2, attach_no = ?3, proxy = ?4,
        last_input = ?5, last_command = ?6, chain_hash = ?7, state = ?8, written_ms = ?9, version = ?10,
        owner = NULL
        WHERE user = ?11 AND owner = ?12 AND owner_epoch = ?13 AND version <= ?10",
        served!()
    );
    let done = bind_served(query(connection, RELEASE), serving, save, at.now_ms).run()?;
    if done == 1 {
        return Ok(StoreReply::Released);
    }
    refused(connection, save.user)
}

pub(super) fn rebind(
    connection: &Connection,
    serving: Serving,
    save: &PlayerSave,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const REBIND: &str = concat!(
        "UPDATE player SET home_cell = ?1, session_generation = ?2, attach_no = ?3, proxy = ?4,
        last_input = ?5, last_command = ?6, chain_hash = ?7, state = ?8, written_ms = ?9, version = ?10
        WHERE user = ?11 AND owner = ?12 AND owner_epoch = ?13 AND version < ?10
        AND (session_generation, attach_no) <= (?2, ?3)",
        served!()
    );
    let done = bind_served(query(connection, REBIND), serving, save, at.now_ms).run()?;
    if done == 1 {
        return Ok(StoreReply::Rebound);
    }
    refused(connection, save.user)
}

pub(super) fn chains(connection: &Connection, users: &[UserId]) -> Result<StoreReply, Failure> {
    const CHAIN: &str = "SELECT last_command, chain_hash FROM player WHERE user = ?1";
    let mut chains = Vec::with_capacity(users.len());
    for user in users {
        let row = query(connection, CHAIN).number(user.0).row(|row| {
            Ok(Chain {
                user: *user,
                last_command: CommandNumber(row.number()?),
                chain_hash: columns::chain_hash(row)?,
            })
        })?;
        chains.extend(row);
    }
    Ok(StoreReply::Chains(chains))
}
