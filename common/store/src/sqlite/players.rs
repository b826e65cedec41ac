//! Player rows: each change of ownership is one statement that carries its own conditions.

use protocol::ids::{AttemptId, NodeNumber, OwnerEpoch, UserId};
use sqlx::{Acquire, SqliteConnection, query};

use super::cluster;
use super::columns::{self, Statement, bind_body, int, node};
use super::fault::Failure;
use crate::reply::{Chain, SaveOutcome};
use crate::row::{Binding, PlayerRow, PlayerSave, Serving};
use crate::{StoreReply, rules};

/// What every statement of a batch may need to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) generation: u16,
    pub(super) now_ms: i64,
}

pub(super) async fn load(
    connection: &mut SqliteConnection,
    user: UserId,
) -> Result<Option<PlayerRow>, sqlx::Error> {
    let row = query("SELECT * FROM player WHERE user = $1")
        .bind(int(user.0))
        .fetch_optional(connection)
        .await?;
    row.map(|row| columns::player(&row)).transpose()
}

pub(super) async fn refused(connection: &mut SqliteConnection, user: UserId) -> Result<StoreReply, Failure> {
    Ok(StoreReply::Refused(
        load(connection, user).await?.into_iter().collect(),
    ))
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    row: &PlayerRow,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const INSERT: &str = "INSERT INTO player (home_cell, session_generation, attach_no, proxy, last_input,
        last_command, chain_hash, state, written_ms,
        user, owner, region, region_epoch, owner_epoch, attempt, version, entity)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17
        WHERE EXISTS (SELECT 1 FROM region WHERE region = $12 AND node = $11 AND epoch = $13)
        ON CONFLICT (user) DO NOTHING RETURNING *";
    let inserted = bind_body(query(INSERT), &row.body, at.now_ms)
        .bind(int(row.user.0))
        .bind(node(row.owner))
        .bind(i64::from(row.region.0))
        .bind(int(row.region_epoch.0))
        .bind(int(OwnerEpoch::first(at.generation).0))
        .bind(int(row.attempt.0))
        .bind(int(row.version.0))
        .bind(int(row.entity.0))
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(inserted) = inserted {
        return Ok(StoreReply::Inserted(columns::player(&inserted)?));
    }
    Ok(match load(connection, row.user).await? {
        Some(there) => StoreReply::Exists(there),
        None => StoreReply::NotServing(cluster::region_epoch(connection, row.region).await?),
    })
}

pub(super) async fn activate(
    connection: &mut SqliteConnection,
    user: UserId,
    serving: Serving,
    expected: OwnerEpoch,
    binding: Binding,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const ACTIVATE: &str = "UPDATE player SET owner = $1, region = $2, region_epoch = $3, owner_epoch = $4,
        attempt = 0, written_ms = $5,
        last_input = CASE WHEN session_generation < $8 THEN 0 ELSE last_input END,
        last_command = CASE WHEN session_generation < $8 THEN 0 ELSE last_command END,
        session_generation = $8, attach_no = $9, proxy = $10
        WHERE user = $6 AND owner_epoch = $7 AND (region = $2 OR owner IS NULL)
        AND (session_generation, attach_no) <= ($8, $9)
        AND EXISTS (SELECT 1 FROM region WHERE region = $2 AND node = $1 AND epoch = $3)
        RETURNING *";
    let epoch = rules::owner_epoch_after(expected, at.generation, 1)?;
    let statement = bind_take(query(ACTIVATE), user, serving, expected, epoch, at.now_ms)
        .bind(int(binding.session_generation.0))
        .bind(i64::from(binding.attach_no.0))
        .bind(node(binding.proxy));
    activated_or_refused(connection, statement, user).await
}

pub(super) async fn reclaim(
    connection: &mut SqliteConnection,
    user: UserId,
    serving: Serving,
    expected: OwnerEpoch,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const RECLAIM: &str = "UPDATE player SET owner = $1, region = $2, region_epoch = $3, owner_epoch = $4,
        attempt = 0, written_ms = $5
        WHERE user = $6 AND owner_epoch = $7 AND owner = $1 AND region = $2
        AND EXISTS (SELECT 1 FROM region WHERE region = $2 AND node = $1 AND epoch = $3)
        RETURNING *";
    let epoch = rules::owner_epoch_after(expected, at.generation, 2)?;
    let statement = bind_take(query(RECLAIM), user, serving, expected, epoch, at.now_ms);
    activated_or_refused(connection, statement, user).await
}

fn bind_take<'q>(
    statement: Statement<'q>,
    user: UserId,
    serving: Serving,
    expected: OwnerEpoch,
    epoch: OwnerEpoch,
    now_ms: i64,
) -> Statement<'q> {
    statement
        .bind(i64::from(serving.node.0))
        .bind(i64::from(serving.region.0))
        .bind(int(serving.region_epoch.0))
        .bind(int(epoch.0))
        .bind(now_ms)
        .bind(int(user.0))
        .bind(int(expected.0))
}

async fn activated_or_refused(
    connection: &mut SqliteConnection,
    statement: Statement<'_>,
    user: UserId,
) -> Result<StoreReply, Failure> {
    match statement.fetch_optional(&mut *connection).await? {
        Some(row) => Ok(StoreReply::Activated(columns::player(&row)?)),
        None => refused(connection, user).await,
    }
}

/// One statement per player, under one savepoint: the first that does not apply takes all back.
pub(super) async fn pass(
    connection: &mut SqliteConnection,
    from: NodeNumber,
    to: Serving,
    attempt: AttemptId,
    passengers: &[PlayerSave],
    at: Moment,
) -> Result<StoreReply, Failure> {
    const PASS: &str =
        "UPDATE player SET home_cell = $1, session_generation = $2, attach_no = $3, proxy = $4,
        last_input = $5, last_command = $6, chain_hash = $7, state = $8, written_ms = $9, version = $10,
        owner = $14, region = $15, region_epoch = $16, owner_epoch = $17, attempt = $18
        WHERE user = $11 AND owner = $12 AND owner_epoch = $13 AND version <= $10
        AND EXISTS (SELECT 1 FROM region WHERE region = $15 AND node = $14 AND epoch = $16)";
    let epochs = rules::passenger_epochs(passengers, at.generation)?;
    let mut all = passengers
        .iter()
        .all(|save| rules::is_of_generation(save.owner_epoch, at.generation));
    let mut group = connection.begin().await?;
    for (save, epoch) in passengers.iter().zip(epochs) {
        if !all {
            break;
        }
        let done = bind_owned(query(PASS), from, save, at.now_ms)
            .bind(i64::from(to.node.0))
            .bind(i64::from(to.region.0))
            .bind(int(to.region_epoch.0))
            .bind(int(epoch.0))
            .bind(int(attempt.0))
            .execute(&mut *group)
            .await?;
        all = done.rows_affected() == 1;
    }
    if all {
        group.commit().await?;
        return Ok(StoreReply::Passed);
    }
    group.rollback().await?;
    let mut rows = Vec::with_capacity(passengers.len());
    for save in passengers {
        rows.extend(load(connection, save.user).await?);
    }
    Ok(StoreReply::Refused(rows))
}

/// Binds a save as `$1` to `$13`: the body, time, version, then user, owner and epoch for the condition.
pub(super) fn bind_owned<'q>(
    statement: Statement<'q>,
    owner: NodeNumber,
    save: &'q PlayerSave,
    now_ms: i64,
) -> Statement<'q> {
    bind_body(statement, &save.body, now_ms)
        .bind(int(save.version.0))
        .bind(int(save.user.0))
        .bind(i64::from(owner.0))
        .bind(int(save.owner_epoch.0))
}

/// Writes a body if owner and epoch are the row's and the version is higher. Says whether it did.
pub(super) async fn write_newer(
    connection: &mut SqliteConnection,
    owner: NodeNumber,
    save: &PlayerSave,
    at: Moment,
) -> Result<bool, sqlx::Error> {
    const SAVE: &str =
        "UPDATE player SET home_cell = $1, session_generation = $2, attach_no = $3, proxy = $4,
        last_input = $5, last_command = $6, chain_hash = $7, state = $8, written_ms = $9, version = $10
        WHERE user = $11 AND owner = $12 AND owner_epoch = $13 AND version < $10";
    let done = bind_owned(query(SAVE), owner, save, at.now_ms)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn save(
    connection: &mut SqliteConnection,
    owner: NodeNumber,
    save: &PlayerSave,
    at: Moment,
) -> Result<SaveOutcome, Failure> {
    if write_newer(connection, owner, save, at).await? {
        return Ok(SaveOutcome::Applied);
    }
    let row = load(connection, save.user).await?;
    let owned = row.is_some_and(|row| row.owner == Some(owner) && row.owner_epoch == save.owner_epoch);
    Ok(if owned {
        SaveOutcome::Older
    } else {
        SaveOutcome::Fenced
    })
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    owner: NodeNumber,
    save: &PlayerSave,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const RELEASE: &str =
        "UPDATE player SET home_cell = $1, session_generation = $2, attach_no = $3, proxy = $4,
        last_input = $5, last_command = $6, chain_hash = $7, state = $8, written_ms = $9, version = $10,
        owner = NULL
        WHERE user = $11 AND owner = $12 AND owner_epoch = $13 AND version <= $10";
    let done = bind_owned(query(RELEASE), owner, save, at.now_ms)
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 1 {
        return Ok(StoreReply::Released);
    }
    refused(connection, save.user).await
}

pub(super) async fn rebind(
    connection: &mut SqliteConnection,
    owner: NodeNumber,
    save: &PlayerSave,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const REBIND: &str =
        "UPDATE player SET home_cell = $1, session_generation = $2, attach_no = $3, proxy = $4,
        last_input = $5, last_command = $6, chain_hash = $7, state = $8, written_ms = $9, version = $10
        WHERE user = $11 AND owner = $12 AND owner_epoch = $13 AND version < $10
        AND (session_generation, attach_no) <= ($2, $3)";
    let done = bind_owned(query(REBIND), owner, save, at.now_ms)
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() == 1 {
        return Ok(StoreReply::Rebound);
    }
    refused(connection, save.user).await
}

pub(super) async fn chains(
    connection: &mut SqliteConnection,
    users: &[UserId],
) -> Result<StoreReply, Failure> {
    let mut chains = Vec::with_capacity(users.len());
    for user in users {
        let row = query("SELECT last_command, chain_hash FROM player WHERE user = $1")
            .bind(int(user.0))
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(row) = row {
            let last_command = protocol::ids::CommandNumber(columns::number(&row, "last_command")?);
            chains.push(Chain {
                user: *user,
                last_command,
                chain_hash: columns::chain_hash(&row)?,
            });
        }
    }
    Ok(StoreReply::Chains(chains))
}
