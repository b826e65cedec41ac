//! Seeding a world's holdings once, and reading them.

use protocol::ids::{RegionNumber, UserId};
use sqlx::{Acquire, SqliteConnection, query};

use super::columns::{self, Statement, int, number};
use super::fault::Failure;
use crate::holding::{Holder, Holding};
use crate::limits::CENSUS_ROWS_MAX;
use crate::reply::HoldingCount;
use crate::{StoreError, StoreReply};

/// Larger than other transactions, but once in the life of a world, before anybody plays.
pub(super) async fn seed(
    connection: &mut SqliteConnection,
    seed: u64,
    holdings: &[Holding],
) -> Result<StoreReply, Failure> {
    let done = query("SELECT world_seed FROM cluster WHERE world_seed IS NOT NULL")
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(done) = done {
        return Ok(StoreReply::Seeded(number(&done, "world_seed")?));
    }
    let mut savepoint = connection.begin().await?;
    for holding in holdings {
        if !insert(&mut savepoint, holding).await? {
            savepoint.rollback().await?;
            return Err(Failure::Request(StoreError::Invalid(
                "a holding with this id exists",
            )));
        }
    }
    query("UPDATE cluster SET world_seed = $1")
        .bind(int(seed))
        .execute(&mut *savepoint)
        .await?;
    savepoint.commit().await?;
    Ok(StoreReply::Seeded(seed))
}

async fn insert(connection: &mut SqliteConnection, holding: &Holding) -> Result<bool, sqlx::Error> {
    const INSERT: &str = "INSERT INTO holding (id, kind, user, region, x, y) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO NOTHING";
    let (user, place) = match holding.holder {
        Holder::User(user) => (Some(int(user.0)), None),
        Holder::Ground { region, x, y } => (None, Some((i64::from(region.0), f64::from(x), f64::from(y)))),
    };
    let done = query(INSERT)
        .bind(int(holding.id))
        .bind(i64::from(holding.kind))
        .bind(user)
        .bind(place.map(|(region, _, _)| region))
        .bind(place.map(|(_, x, _)| x))
        .bind(place.map(|(_, _, y)| y))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn on_ground(
    connection: &mut SqliteConnection,
    region: RegionNumber,
) -> Result<StoreReply, Failure> {
    let statement = query("SELECT * FROM holding WHERE region = $1 ORDER BY id").bind(i64::from(region.0));
    read(connection, statement).await
}

pub(super) async fn held_by(connection: &mut SqliteConnection, user: UserId) -> Result<StoreReply, Failure> {
    let statement = query("SELECT * FROM holding WHERE user = $1 ORDER BY id").bind(int(user.0));
    read(connection, statement).await
}

pub(super) async fn page(
    connection: &mut SqliteConnection,
    after: Option<u64>,
) -> Result<StoreReply, Failure> {
    let statement = query("SELECT * FROM holding WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after.map_or(-1, |id| i64::try_from(id).unwrap_or(i64::MAX)))
        .bind(CENSUS_ROWS_MAX as i64);
    read(connection, statement).await
}

async fn read(connection: &mut SqliteConnection, statement: Statement<'_>) -> Result<StoreReply, Failure> {
    let rows = statement.fetch_all(connection).await?;
    let holdings: Result<Vec<Holding>, sqlx::Error> = rows.iter().map(columns::holding).collect();
    Ok(StoreReply::Holdings(holdings?))
}

pub(super) async fn counts(connection: &mut SqliteConnection) -> Result<StoreReply, Failure> {
    const COUNTS: &str = "SELECT kind, count(user) AS held, count(region) AS on_ground FROM holding
        GROUP BY kind ORDER BY kind";
    let rows = query(COUNTS).fetch_all(connection).await?;
    let mut counts = Vec::with_capacity(rows.len());
    for row in &rows {
        counts.push(HoldingCount {
            kind: columns::small(row, "kind")?,
            held: number(row, "held")?,
            on_ground: number(row, "on_ground")?,
        });
    }
    Ok(StoreReply::HoldingCounts(counts))
}
