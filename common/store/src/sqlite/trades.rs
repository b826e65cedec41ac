//! Trades: what is offered is in the trade until it is accepted, cancelled or found to be overdue.

use protocol::ids::UserId;
use rusqlite::Connection;

use super::fault::{Failure, damaged};
use super::moment::Moment;
use super::moves::{By, Refusal, give, moved};
use super::statement::query;
use crate::StoreReply;
use crate::holding::{Offer, TradeId};
use crate::limits::{BATCH_ROWS_MAX, TRADES_OPEN_MAX};
use crate::reply::CommitOutcome;

pub(super) fn offer(connection: &Connection, by: By, offer: &Offer) -> Result<Refusal, Failure> {
    const OPEN: &str = "INSERT INTO trade (id, offerer, receiver, until_ms, wants) SELECT ?1, ?2, ?3, ?4, ?5
        WHERE (SELECT count(*) FROM trade WHERE offerer = ?2) < ?6 ON CONFLICT (id) DO NOTHING";
    const HAS_ROW: &str = "SELECT 1 FROM player WHERE user = ?1";
    const PUT_IN: &str = "UPDATE holding SET user = NULL, trade = ?3 WHERE id = ?1 AND user = ?2";
    let id = offer.trade.0;
    let wants: Vec<u8> = offer.wants.iter().flat_map(|id| id.to_be_bytes()).collect();
    let opened = query(connection, OPEN)
        .number(id)
        .number(by.user.0)
        .number(offer.to.0)
        .bind(by.at.now_ms.saturating_add_unsigned(offer.lasts_ms))
        .bind(wants)
        .bind(TRADES_OPEN_MAX as i64)
        .run()?;
    if opened == 0 {
        return Ok(Some(CommitOutcome::TradeClosed(id)));
    }
    let receiver = query(connection, HAS_ROW).number(offer.to.0).row(|_| Ok(()))?;
    if receiver.is_none() {
        return Ok(Some(CommitOutcome::NoReceiver(id)));
    }
    for holding in &offer.gives {
        let put_in = query(connection, PUT_IN).number(*holding).number(by.user.0);
        let refusal = moved(put_in.number(id), *holding)?;
        if refusal.is_some() {
            return Ok(refusal);
        }
    }
    Ok(None)
}

pub(super) fn accept(
    connection: &Connection,
    by: By,
    trade: TradeId,
    from: UserId,
) -> Result<Refusal, Failure> {
    const WANTS: &str =
        "SELECT wants FROM trade WHERE id = ?1 AND offerer = ?2 AND receiver = ?3 AND until_ms > ?4";
    let wants = query(connection, WANTS)
        .number(trade.0)
        .number(from.0)
        .number(by.user.0)
        .bind(by.at.now_ms)
        .row(|row| row.take::<Vec<u8>>())?;
    let Some(wants) = wants else {
        return Ok(Some(CommitOutcome::TradeClosed(trade.0)));
    };
    let (wants, rest) = wants.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(damaged("what is wanted in a trade").into());
    }
    for holding in wants {
        let refusal = give(connection, by.user, u64::from_be_bytes(*holding), from)?;
        if refusal.is_some() {
            return Ok(refusal);
        }
    }
    close(connection, trade.0, by.user)?;
    Ok(None)
}

pub(super) fn cancel(
    connection: &Connection,
    by: By,
    trade: TradeId,
    from: UserId,
) -> Result<Refusal, Failure> {
    const IS_THEIRS: &str =
        "SELECT 1 FROM trade WHERE id = ?1 AND offerer = ?2 AND (offerer = ?3 OR receiver = ?3)";
    let is_theirs = query(connection, IS_THEIRS)
        .number(trade.0)
        .number(from.0)
        .number(by.user.0)
        .row(|_| Ok(()))?;
    if is_theirs.is_none() {
        return Ok(Some(CommitOutcome::TradeClosed(trade.0)));
    }
    close(connection, trade.0, from)?;
    Ok(None)
}

/// After how long the first of a user's offers ends.
pub(super) fn offer_ends_ms(
    connection: &Connection,
    user: UserId,
    at: Moment,
) -> rusqlite::Result<Option<u64>> {
    const FIRST: &str = "SELECT until_ms FROM trade WHERE offerer = ?1 ORDER BY until_ms LIMIT 1";
    let first = query(connection, FIRST)
        .number(user.0)
        .row(|row| row.take::<i64>())?;
    Ok(first.map(|until_ms| u64::try_from(until_ms.saturating_sub(at.now_ms)).unwrap_or(0)))
}

/// What a user has offered in overdue trades is the user's again; how many there were.
pub(super) fn cancel_overdue(connection: &Connection, user: UserId, at: Moment) -> rusqlite::Result<usize> {
    cancel_until(connection, user, at.now_ms)
}

/// Who has offers that ended so long ago, of as many trades as a batch has rows.
pub(super) fn overdue(connection: &Connection, since_ms: u64, at: Moment) -> Result<StoreReply, Failure> {
    const OVERDUE: &str = "SELECT DISTINCT offerer FROM
        (SELECT offerer FROM trade WHERE until_ms <= ?1 ORDER BY until_ms, id LIMIT ?2) ORDER BY offerer";
    let users = query(connection, OVERDUE)
        .bind(at.now_ms.saturating_sub_unsigned(since_ms))
        .bind(BATCH_ROWS_MAX as i64)
        .rows(|row| row.number().map(UserId))?;
    Ok(StoreReply::Offerers(users))
}

/// Of all trades of a user.
pub(super) fn cancel_all(connection: &Connection, user: UserId) -> rusqlite::Result<usize> {
    cancel_until(connection, user, i64::MAX)
}

fn cancel_until(connection: &Connection, user: UserId, until_ms: i64) -> rusqlite::Result<usize> {
    const ENDED: &str = "SELECT id FROM trade WHERE offerer = ?1 AND until_ms <= ?2";
    let ended = query(connection, ENDED)
        .number(user.0)
        .bind(until_ms)
        .rows(|row| row.number())?;
    for trade in &ended {
        close(connection, *trade, user)?;
    }
    Ok(ended.len())
}

/// What is in a trade is somebody's from now on.
fn close(connection: &Connection, trade: u64, user: UserId) -> rusqlite::Result<()> {
    query(
        connection,
        "UPDATE holding SET user = ?2, trade = NULL WHERE trade = ?1",
    )
    .number(trade)
    .number(user.0)
    .run()?;
    query(connection, "DELETE FROM trade WHERE id = ?1")
        .number(trade)
        .run()
        .map(drop)
}
