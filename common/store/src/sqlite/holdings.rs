//! Seeding each region's holdings once, and reading them.

use protocol::ids::{RegionNumber, UserId};
use rusqlite::Connection;

use super::columns::{self, holding_columns};
use super::fault::Failure;
use super::statement::{Statement, int, query};
use crate::StoreReply;
use crate::holding::{Holder, Holding};
use crate::limits::CENSUS_ROWS_MAX;
use crate::reply::HoldingCount;

/// Larger than other transactions, but once in the life of a region, before anybody plays there.
pub(super) fn seed(
    connection: &Connection,
    region: RegionNumber,
    seed: u64,
    holdings: &[Holding],
) -> Result<StoreReply, Failure> {
    let done = query(connection, "SELECT seed FROM seeded WHERE region = ?1")
        .bind(region.0)
        .row(|row| row.number())?;
    if let Some(done) = done {
        return Ok(StoreReply::Seeded(done));
    }
    for holding in holdings {
        insert(connection, holding)?;
    }
    query(connection, "INSERT INTO seeded (region, seed) VALUES (?1, ?2)")
        .bind(region.0)
        .number(seed)
        .run()?;
    Ok(StoreReply::Seeded(seed))
}

/// Unless there is one of this id, wherever it is by now.
fn insert(connection: &Connection, holding: &Holding) -> rusqlite::Result<()> {
    const INSERT: &str = "INSERT INTO holding (id, kind, user, region, x, y) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (id) DO NOTHING";
    let (user, place) = match holding.holder {
        Holder::User(user) => (Some(int(user.0)), None),
        Holder::Ground { region, x, y } => (None, Some((region.0, f64::from(x), f64::from(y)))),
    };
    query(connection, INSERT)
        .number(holding.id)
        .bind(holding.kind)
        .bind(user)
        .bind(place.map(|(region, _, _)| region))
        .bind(place.map(|(_, x, _)| x))
        .bind(place.map(|(_, _, y)| y))
        .run()
        .map(drop)
}

pub(super) fn on_ground(connection: &Connection, region: RegionNumber) -> Result<StoreReply, Failure> {
    const LYING: &str = concat!(
        "SELECT ",
        holding_columns!(),
        " FROM holding WHERE region = ?1 ORDER BY id"
    );
    read(query(connection, LYING).bind(region.0))
}

pub(super) fn held_by(connection: &Connection, user: UserId) -> Result<StoreReply, Failure> {
    const HELD: &str = concat!(
        "SELECT ",
        holding_columns!(),
        " FROM holding WHERE user = ?1 ORDER BY id"
    );
    read(query(connection, HELD).number(user.0))
}

pub(super) fn page(connection: &Connection, after: Option<u64>) -> Result<StoreReply, Failure> {
    const PAGE: &str = concat!(
        "SELECT ",
        holding_columns!(),
        " FROM holding WHERE id > ?1 ORDER BY id LIMIT ?2"
    );
    let after = after.map_or(-1, |id| i64::try_from(id).unwrap_or(i64::MAX));
    read(query(connection, PAGE).bind(after).bind(CENSUS_ROWS_MAX as i64))
}

fn read(statement: Statement<'_>) -> Result<StoreReply, Failure> {
    Ok(StoreReply::Holdings(statement.rows(columns::holding)?))
}

pub(super) fn counts(connection: &Connection) -> Result<StoreReply, Failure> {
    const COUNTS: &str = "SELECT kind, count(user) AS held, count(region) AS on_ground FROM holding
        GROUP BY kind ORDER BY kind";
    let counts = query(connection, COUNTS).rows(|row| {
        Ok(HoldingCount {
            kind: row.small("kind")?,
            held: row.number()?,
            on_ground: row.number()?,
        })
    })?;
    Ok(StoreReply::HoldingCounts(counts))
}
