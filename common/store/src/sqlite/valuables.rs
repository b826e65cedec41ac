//! What commits do to holdings: each moves from where it has to be, is made once and destroyed once, and is counted.

use bytes::Bytes;
use protocol::ids::{NodeNumber, RegionNumber, StateVersion, UserId};
use rusqlite::Connection;

use super::fault::Failure;
use super::moves::{By, Refusal, give, moved, tally};
use super::savepoint::{Step, all_or_nothing};
use super::statement::{Statement, query};
use super::{cluster, trades};
use crate::holding::{GroundChange, HoldingChange};
use crate::reply::{CommitOutcome, StoreReply};
use crate::row::Serving;

/// Where something lies.
type Spot = (RegionNumber, f32, f32);

/// Makes one change of a player's commit.
pub(super) fn make(connection: &Connection, by: By, change: &HoldingChange) -> Result<Refusal, Failure> {
    const TAKE: &str = "UPDATE holding SET user = ?2, region = NULL, x = NULL, y = NULL
        WHERE id = ?1 AND region = ?3";
    const DROP: &str =
        "UPDATE holding SET user = NULL, region = ?3, x = ?4, y = ?5 WHERE id = ?1 AND user = ?2";
    let user = by.user.0;
    let of = |sql: &str, id: u64| query(connection, sql).number(id).number(user);
    match change {
        HoldingChange::Take { region, .. } | HoldingChange::Drop { region, .. }
            if !stands_in(connection, by, *region)? =>
        {
            Ok(Some(CommitOutcome::FencedByEpoch))
        }
        HoldingChange::Take { holding, region } => moved(of(TAKE, *holding).bind(region.0), *holding),
        HoldingChange::Give { holding, to } => give(connection, by.user, *holding, *to),
        HoldingChange::Drop {
            holding,
            region,
            x,
            y,
        } => {
            let lay = of(DROP, *holding).bind(region.0);
            moved(lay.bind(f64::from(*x)).bind(f64::from(*y)), *holding)
        }
        HoldingChange::Mint {
            holding,
            kind,
            payload,
        } => mint(
            connection,
            by.node,
            *holding,
            (*kind, payload),
            (Some(by.user), None),
        ),
        HoldingChange::Burn { holding } => burn(
            connection,
            by.node,
            *holding,
            query(
                connection,
                "DELETE FROM holding WHERE id = ?1 AND user = ?2 RETURNING kind",
            )
            .number(*holding)
            .number(user),
        ),
        HoldingChange::Offer(offer) => trades::offer(connection, by, offer),
        HoldingChange::Accept { trade, from } => trades::accept(connection, by, *trade, *from),
        HoldingChange::Cancel { trade, from } => trades::cancel(connection, by, *trade, *from),
    }
}

/// Whether the player stands in this region and the writer serves it now: otherwise the one who serves has read its ground already.
fn stands_in(connection: &Connection, by: By, region: RegionNumber) -> rusqlite::Result<bool> {
    const SERVES: &str =
        "SELECT 1 FROM player p JOIN region r ON r.region = p.region AND r.epoch = p.region_epoch
        WHERE p.user = ?1 AND p.region = ?2 AND r.node = ?3";
    let serves = query(connection, SERVES)
        .number(by.user.0)
        .bind(region.0)
        .bind(by.node.0)
        .row(|_| Ok(()))?;
    Ok(serves.is_some())
}

fn mint(
    connection: &Connection,
    node: NodeNumber,
    holding: u64,
    (kind, payload): (u32, &Bytes),
    (user, spot): (Option<UserId>, Option<Spot>),
) -> Result<Refusal, Failure> {
    const MINT: &str =
        "INSERT INTO holding (id, kind, payload, user, region, x, y) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (id) DO NOTHING";
    let made = query(connection, MINT)
        .number(holding)
        .bind(kind)
        .bind(payload.as_ref())
        .bind(user.map(|user| user.0.cast_signed()))
        .bind(spot.map(|(region, ..)| region.0))
        .bind(spot.map(|(_, x, _)| f64::from(x)))
        .bind(spot.map(|(_, _, y)| f64::from(y)))
        .run()?;
    if made == 0 {
        return Ok(Some(CommitOutcome::HolderMismatch(holding)));
    }
    tally(connection, node, kind, (1, 0))?;
    Ok(None)
}

/// `delete` answers the kind of what it has destroyed.
fn burn(
    connection: &Connection,
    node: NodeNumber,
    holding: u64,
    delete: Statement<'_>,
) -> Result<Refusal, Failure> {
    let Some(kind) = delete.row(|row| row.small("kind"))? else {
        return Ok(Some(CommitOutcome::HolderMismatch(holding)));
    };
    tally(connection, node, kind, (0, 1))?;
    Ok(None)
}

/// What lies on the ground of a region changes by the doing of whoever serves it.
pub(super) fn commit_ground(
    connection: &Connection,
    serving: Serving,
    version: StateVersion,
    changes: &[GroundChange],
) -> Result<StoreReply, Failure> {
    const RAISE: &str = "INSERT INTO region_state (region, region_epoch, version) VALUES (?1, ?2, ?3)
        ON CONFLICT (region) DO UPDATE SET region_epoch = excluded.region_epoch, version = excluded.version
        WHERE (region_state.region_epoch, region_state.version) < (excluded.region_epoch, excluded.version)";
    const IS_REPEATED: &str =
        "SELECT 1 FROM region_state WHERE region = ?1 AND region_epoch = ?2 AND version = ?3";
    let written = |sql: &str| {
        let statement = query(connection, sql).bind(serving.region.0);
        statement.number(serving.region_epoch.0).number(version.0)
    };
    let outcome = all_or_nothing(connection, || {
        if cluster::service(connection, serving.region)? != Some(serving) {
            return Ok(Step::TakeBack(CommitOutcome::FencedByEpoch));
        }
        if written(RAISE).run()? == 0 {
            let is_repeated = written(IS_REPEATED).row(|_| Ok(()))?.is_some();
            return Ok(Step::TakeBack(match is_repeated {
                true => CommitOutcome::Applied,
                false => CommitOutcome::Older,
            }));
        }
        for change in changes {
            if let Some(refusal) = make_on_ground(connection, serving, change)? {
                return Ok(Step::TakeBack(refusal));
            }
        }
        Ok(Step::Keep(CommitOutcome::Applied))
    });
    Ok(StoreReply::GroundCommitted(outcome?))
}

fn make_on_ground(
    connection: &Connection,
    serving: Serving,
    change: &GroundChange,
) -> Result<Refusal, Failure> {
    match change {
        GroundChange::Mint {
            holding,
            kind,
            payload,
            x,
            y,
        } => {
            let spot = Some((serving.region, *x, *y));
            mint(connection, serving.node, *holding, (*kind, payload), (None, spot))
        }
        GroundChange::Burn { holding } => burn(
            connection,
            serving.node,
            *holding,
            query(
                connection,
                "DELETE FROM holding WHERE id = ?1 AND region = ?2 RETURNING kind",
            )
            .number(*holding)
            .bind(serving.region.0),
        ),
    }
}
