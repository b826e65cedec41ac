//! Starts, generations, regions, sessions and guests: everything that only ever counts up.

use protocol::ids::{
    EntityId, Incarnation, NodeNumber, RegionEpoch, RegionNumber, SessionGeneration, UserId,
};
use sqlx::{Row, SqliteConnection, query};

use super::columns::{int, number};
use super::fault::Failure;
use crate::limits::{BATCH_ROWS_MAX, GUEST_USER_FIRST, STORE_GENERATION_MAX};
use crate::{Serving, StoreError, StoreReply, rules};

pub(super) async fn generation(connection: &mut SqliteConnection) -> Result<u16, sqlx::Error> {
    let row = query("SELECT generation FROM cluster")
        .fetch_one(connection)
        .await?;
    u16::try_from(row.try_get::<i64, _>("generation")?).map_err(|_| super::fault::damaged("store generation"))
}

pub(super) async fn raise_generation(connection: &mut SqliteConnection) -> Result<StoreReply, Failure> {
    if generation(connection).await? >= STORE_GENERATION_MAX {
        return Err(Failure::Request(StoreError::Invalid(
            "the store generations are used up",
        )));
    }
    query("UPDATE node_start SET start = start + $1")
        .bind(int(rules::STARTS_SKIPPED))
        .execute(&mut *connection)
        .await?;
    query("UPDATE cluster SET generation = generation + 1, next_guest = next_guest + $1")
        .bind(int(rules::GUESTS_SKIPPED))
        .execute(&mut *connection)
        .await?;
    Ok(StoreReply::StoreGeneration(generation(connection).await?))
}

pub(super) async fn start_node(
    connection: &mut SqliteConnection,
    node: NodeNumber,
) -> Result<StoreReply, Failure> {
    const NEXT: &str = "INSERT INTO node_start (node, start) VALUES ($1, 1)
        ON CONFLICT (node) DO UPDATE SET start = start + 1 WHERE start < $2 RETURNING start";
    let row = query(NEXT)
        .bind(i64::from(node.0))
        .bind(int(EntityId::START_MAX))
        .fetch_optional(connection)
        .await?;
    let used_up = StoreError::Invalid("a node has used up its starts: give it a new number");
    let row = row.ok_or(Failure::Request(used_up))?;
    Ok(StoreReply::Started(Incarnation(number(&row, "start")?)))
}

pub(super) async fn serve_region(
    connection: &mut SqliteConnection,
    region: RegionNumber,
    node: NodeNumber,
    after: Option<RegionEpoch>,
    generation: u16,
) -> Result<StoreReply, Failure> {
    let newest = service(connection, region).await?;
    let current = newest.map(|service| service.region_epoch);
    if current != after {
        return Ok(StoreReply::Service(newest));
    }
    let epoch = rules::region_epoch_after(current, generation)?;
    const SERVE: &str = "INSERT INTO region (region, node, epoch) VALUES ($1, $2, $3)
        ON CONFLICT (region) DO UPDATE SET node = excluded.node, epoch = excluded.epoch
        WHERE excluded.epoch > region.epoch";
    query(SERVE)
        .bind(i64::from(region.0))
        .bind(i64::from(node.0))
        .bind(int(epoch.0))
        .execute(connection)
        .await?;
    Ok(StoreReply::Serving(epoch))
}

pub(super) async fn region_epoch(
    connection: &mut SqliteConnection,
    region: RegionNumber,
) -> Result<Option<RegionEpoch>, sqlx::Error> {
    let service = service(connection, region).await?;
    Ok(service.map(|service| service.region_epoch))
}

pub(super) async fn service(
    connection: &mut SqliteConnection,
    region: RegionNumber,
) -> Result<Option<Serving>, sqlx::Error> {
    let row = query("SELECT node, epoch FROM region WHERE region = $1")
        .bind(i64::from(region.0))
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let node = row.try_get::<i64, _>("node")?;
    Ok(Some(Serving {
        node: NodeNumber(u16::try_from(node).map_err(|_| super::fault::damaged("node number"))?),
        region,
        region_epoch: RegionEpoch(number(&row, "epoch")?),
    }))
}

pub(super) async fn next_guest(connection: &mut SqliteConnection) -> Result<StoreReply, Failure> {
    let row = query("UPDATE cluster SET next_guest = next_guest + 1 RETURNING next_guest - 1 AS guest")
        .fetch_one(connection)
        .await?;
    Ok(StoreReply::Guest(UserId(number(&row, "guest")?)))
}

pub(super) async fn raise_session(
    connection: &mut SqliteConnection,
    user: UserId,
    generation: u16,
) -> Result<StoreReply, Failure> {
    const RAISE: &str = "INSERT INTO session (user, generation) VALUES ($1, $2)
        ON CONFLICT (user) DO UPDATE SET generation = max(session.generation + 1, excluded.generation)
        RETURNING generation";
    let row = query(RAISE)
        .bind(int(user.0))
        .bind(int(rules::session_after(0, generation)))
        .fetch_one(connection)
        .await?;
    Ok(StoreReply::Session(SessionGeneration(number(
        &row,
        "generation",
    )?)))
}

pub(super) async fn read_session(
    connection: &mut SqliteConnection,
    user: UserId,
) -> Result<StoreReply, Failure> {
    let row = query("SELECT generation FROM session WHERE user = $1")
        .bind(int(user.0))
        .fetch_optional(connection)
        .await?;
    let generation = row.map_or(Ok(0), |row| number(&row, "generation"))?;
    Ok(StoreReply::Session(SessionGeneration(generation)))
}

/// A guest whom nobody owns, or whose owner was restarted since, and who holds nothing.
pub(super) async fn delete_stale_guests(
    connection: &mut SqliteConnection,
    before_ms: i64,
) -> Result<StoreReply, Failure> {
    const DELETE: &str = "DELETE FROM player WHERE user IN (
        SELECT p.user FROM player p WHERE p.user >= $1 AND p.written_ms <= $2
        AND (p.owner IS NULL OR p.region_epoch < (SELECT epoch FROM region r WHERE r.region = p.region))
        AND NOT EXISTS (SELECT 1 FROM holding h WHERE h.user = p.user)
        ORDER BY p.user LIMIT $3)";
    let done = query(DELETE)
        .bind(int(GUEST_USER_FIRST))
        .bind(before_ms)
        .bind(BATCH_ROWS_MAX as i64)
        .execute(connection)
        .await?;
    Ok(StoreReply::Deleted(done.rows_affected()))
}
