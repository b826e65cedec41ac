//! Seeding each region's holdings once, and reading them.

use std::collections::BTreeMap;

use protocol::ids::{NodeNumber, RegionNumber, UserId};
use rusqlite::Connection;

use super::columns::{self, holding_columns};
use super::fault::Failure;
use super::moment::Moment;
use super::moves::tally;
use super::statement::{Statement, int, query};
use super::trades;
use crate::StoreReply;
use crate::holding::{Belongings, Holder, Holding};
use crate::limits::CENSUS_ROWS_MAX;
use crate::reply::HoldingCount;

/// Who made those with which the world began.
const NOBODY: NodeNumber = NodeNumber(0);

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
    let mut made: BTreeMap<u32, u64> = BTreeMap::new();
    for holding in holdings {
        if insert(connection, holding)? {
            *made.entry(holding.kind).or_default() += 1;
        }
    }
    for (kind, count) in made {
        tally(connection, NOBODY, kind, (count, 0))?;
    }
    query(connection, "INSERT INTO seeded (region, seed) VALUES (?1, ?2)")
        .bind(region.0)
        .number(seed)
        .run()?;
    Ok(StoreReply::Seeded(seed))
}

/// Unless there is one of this id, wherever it is by now.
fn insert(connection: &Connection, holding: &Holding) -> rusqlite::Result<bool> {
    const INSERT: &str =
        "INSERT INTO holding (id, kind, user, region, x, y, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (id) DO NOTHING";
    let (user, place) = match holding.holder {
        Holder::User(user) => (Some(int(user.0)), None),
        Holder::Ground { region, x, y } => (None, Some((region.0, f64::from(x), f64::from(y)))),
        // No world begins with trades.
        Holder::Trade(_) => return Ok(false),
    };
    query(connection, INSERT)
        .number(holding.id)
        .bind(holding.kind)
        .bind(user)
        .bind(place.map(|(region, _, _)| region))
        .bind(place.map(|(_, x, _)| x))
        .bind(place.map(|(_, _, y)| y))
        .bind(holding.payload.as_ref())
        .run()
        .map(|made| made == 1)
}

pub(super) fn on_ground(connection: &Connection, region: RegionNumber) -> Result<StoreReply, Failure> {
    const LYING: &str = concat!(
        "SELECT ",
        holding_columns!(),
        " FROM holding WHERE region = ?1 ORDER BY id"
    );
    read(query(connection, LYING).bind(region.0))
}

pub(super) fn held_by(connection: &Connection, user: UserId, at: Moment) -> Result<StoreReply, Failure> {
    let offer_ends_ms = trades::offer_ends_ms(connection, user, at)?;
    const HELD: &str = concat!(
        "SELECT ",
        holding_columns!(),
        " FROM holding WHERE user = ?1 ORDER BY id"
    );
    let holdings = query(connection, HELD).number(user.0).rows(columns::holding)?;
    Ok(StoreReply::Belongings(Belongings {
        holdings,
        offer_ends_ms,
    }))
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
    Ok(StoreReply::HoldingCounts(count(connection)?))
}

/// Whether everything that was made and not destroyed is somewhere.
pub(super) fn add_up(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(count(connection)?.iter().all(HoldingCount::adds_up))
}

fn count(connection: &Connection) -> rusqlite::Result<Vec<HoldingCount>> {
    const COUNTS: &str = "SELECT kind, sum(held), sum(on_ground), sum(in_trades), sum(seeded), sum(minted), sum(burned) FROM (
        SELECT kind, count(user) AS held, count(region) AS on_ground, count(trade) AS in_trades, 0 AS seeded, 0 AS minted, 0 AS burned
            FROM holding GROUP BY kind
        UNION ALL SELECT kind, 0, 0, 0, CASE node WHEN 0 THEN minted ELSE 0 END, CASE node WHEN 0 THEN 0 ELSE minted END, burned
            FROM tally
        ) GROUP BY kind HAVING sum(held + on_ground + in_trades + seeded + minted + burned) > 0 ORDER BY kind";
    query(connection, COUNTS).rows(|row| {
        Ok(HoldingCount {
            kind: row.small("kind")?,
            held: row.number()?,
            on_ground: row.number()?,
            in_trades: row.number()?,
            seeded: row.number()?,
            minted: row.number()?,
            burned: row.number()?,
        })
    })
}
