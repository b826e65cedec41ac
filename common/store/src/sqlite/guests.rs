//! Guests that left for good: found in portions that are bounded also where nobody is stale, and forgotten with what they
//! hold going back to the ground.

use protocol::geometry::CellIndex;
use protocol::ids::{OwnerEpoch, RegionNumber, UserId};
use rusqlite::Connection;

use super::columns::{self, holding_columns};
use super::fault::Failure;
use super::moment::Moment;
use super::statement::{Fields, query};
use super::trades;
use crate::StoreReply;
use crate::holding::Holding;
use crate::limits::{BATCH_ROWS_MAX, FORGOTTEN_HOLDINGS_MAX, GUEST_USER_FIRST, GUESTS_LOOKED_AT_MAX};
use crate::request::ForgottenGuest;
use crate::row::{Serving, StaleGuest};

/// Of a row `p`: it is a guest's, nobody owns it, or its owner's service or its last login has ended, the login as long
/// ago; and it was last written long ago.
macro_rules! is_stale {
    ($before:literal, $now:literal) => {
        concat!(
            "p.written_ms <= ",
            $before,
            " AND NOT EXISTS (SELECT 1 FROM account a WHERE a.user = p.user)
            AND NOT EXISTS (SELECT 1 FROM device d WHERE d.user = p.user AND d.until_ms > ",
            $now,
            ") AND (p.owner IS NULL
            OR NOT EXISTS (SELECT 1 FROM region r WHERE r.region = p.region AND r.epoch <= p.region_epoch)
            OR EXISTS (SELECT 1 FROM session s WHERE s.user = p.user AND coalesce(s.until_ms, s.raised_ms) <= ",
            $before,
            "))"
        )
    };
}

pub(super) fn stale(
    connection: &Connection,
    idle_ms: u64,
    after: Option<UserId>,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const STALE: &str = concat!(
        "SELECT p.user, p.region, p.home_cell, p.owner_epoch FROM player p
        WHERE p.user > ?1 AND p.user <= ?2 AND ",
        is_stale!("?3", "?5"),
        " ORDER BY p.user LIMIT ?4"
    );
    let after = start(after);
    let last = last_looked_at(connection, "player", after)?;
    let guests = query(connection, STALE)
        .number(after)
        .number(last.unwrap_or(i64::MAX as u64))
        .bind(before_ms(idle_ms, at))
        .bind(BATCH_ROWS_MAX as i64)
        .bind(at.now_ms)
        .rows(guest)?;
    let last_named = guests.last().map(|guest| guest.user);
    let next = match guests.len() < BATCH_ROWS_MAX {
        true => last.map(UserId),
        false => last_named,
    };
    Ok(StoreReply::StaleGuests { guests, next })
}

fn guest(row: &mut Fields<'_, '_>) -> rusqlite::Result<StaleGuest> {
    Ok(StaleGuest {
        user: UserId(row.number()?),
        region: RegionNumber(row.small("region")?),
        home_cell: CellIndex(row.small("home_cell")?),
        owner_epoch: OwnerEpoch(row.number()?),
    })
}

/// Users are looked at from here on, exclusively. No user has a higher number than a signed column.
fn start(after: Option<UserId>) -> u64 {
    let first = GUEST_USER_FIRST - 1;
    after.map_or(first, |user| user.0.clamp(first, i64::MAX as u64))
}

/// Where a portion ends; `None` when the table does.
fn last_looked_at(connection: &Connection, table: &str, after: u64) -> rusqlite::Result<Option<u64>> {
    let sql = format!("SELECT user FROM {table} WHERE user > ?1 ORDER BY user LIMIT 1 OFFSET ?2");
    query(connection, &sql)
        .number(after)
        .bind(GUESTS_LOOKED_AT_MAX as i64 - 1)
        .row(|row| row.number())
}

fn before_ms(idle_ms: u64, at: Moment) -> i64 {
    at.now_ms
        .saturating_sub(i64::try_from(idle_ms).unwrap_or(i64::MAX))
}

pub(super) fn forget(
    connection: &Connection,
    serving: Serving,
    idle_ms: u64,
    guests: &[ForgottenGuest],
    at: Moment,
) -> Result<StoreReply, Failure> {
    if !super::cluster::is_serving(connection, serving)? {
        let current = super::cluster::region_epoch(connection, serving.region)?;
        return Ok(StoreReply::NotServing(current));
    }
    let (mut gone, mut holdings) = (0, Vec::new());
    for guest in guests {
        if holdings.len() >= FORGOTTEN_HOLDINGS_MAX {
            break;
        }
        gone += u64::from(forget_one(
            connection,
            serving,
            (idle_ms, at),
            guest,
            &mut holdings,
        )?);
    }
    holdings.sort_unstable_by_key(|holding: &Holding| holding.id);
    Ok(StoreReply::Forgotten {
        guests: gone,
        holdings,
    })
}

/// Whether the guest is gone; one who holds more than a portion keeps the rest until the next.
fn forget_one(
    connection: &Connection,
    serving: Serving,
    (idle_ms, at): (u64, Moment),
    guest: &ForgottenGuest,
    fallen: &mut Vec<Holding>,
) -> Result<bool, Failure> {
    const IS_STALE: &str = concat!(
        "SELECT 1 FROM player p WHERE p.user = ?1 AND p.user >= ?4 AND p.owner_epoch = ?2 AND ",
        is_stale!("?3", "?5")
    );
    const DROP: &str = concat!(
        "UPDATE holding SET user = NULL, region = ?2, x = ?3, y = ?4 WHERE id IN (
        SELECT id FROM holding WHERE user = ?1 ORDER BY id LIMIT ?5) RETURNING ",
        holding_columns!()
    );
    const HOLDS: &str = "SELECT 1 FROM holding WHERE user = ?1 LIMIT 1";
    let is_stale = query(connection, IS_STALE)
        .number(guest.user.0)
        .number(guest.owner_epoch.0)
        .bind(before_ms(idle_ms, at))
        .number(GUEST_USER_FIRST)
        .bind(at.now_ms)
        .row(|_| Ok(()))?;
    if is_stale.is_none() {
        return Ok(false);
    }
    trades::cancel_all(connection, guest.user)?;
    let room = FORGOTTEN_HOLDINGS_MAX.saturating_sub(fallen.len());
    let dropped = query(connection, DROP)
        .number(guest.user.0)
        .bind(serving.region.0)
        .bind(f64::from(guest.x))
        .bind(f64::from(guest.y))
        .bind(room as i64)
        .rows(columns::holding)?;
    fallen.extend(dropped);
    let holds = query(connection, HOLDS).number(guest.user.0).row(|_| Ok(()))?;
    if holds.is_some() {
        return Ok(false);
    }
    for table in ["player", "session", "device"] {
        query(connection, &format!("DELETE FROM {table} WHERE user = ?1"))
            .number(guest.user.0)
            .run()?;
    }
    Ok(true)
}

/// Sessions of guests that have no row, and got none for long.
pub(super) fn forget_sessions(
    connection: &Connection,
    idle_ms: u64,
    after: Option<UserId>,
    at: Moment,
) -> Result<StoreReply, Failure> {
    const DELETE: &str = "DELETE FROM session WHERE user > ?1 AND user <= ?2 AND raised_ms <= ?3
        AND NOT EXISTS (SELECT 1 FROM player p WHERE p.user = session.user)
        AND NOT EXISTS (SELECT 1 FROM account a WHERE a.user = session.user)";
    let after = start(after);
    let last = last_looked_at(connection, "session", after)?;
    let done = query(connection, DELETE)
        .number(after)
        .number(last.unwrap_or(i64::MAX as u64))
        .bind(before_ms(idle_ms, at))
        .run()?;
    Ok(StoreReply::SessionsForgotten {
        sessions: done as u64,
        next: last.map(UserId),
    })
}
