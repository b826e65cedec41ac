//! Creatures: which region each is in, as whoever serves that writes it.

use bytes::Bytes;
use protocol::ids::{EntityId, OwnerEpoch, RegionNumber, StateVersion};
use rusqlite::Connection;

use super::cluster;
use super::fault::Failure;
use super::statement::{Statement, query};
use crate::creature::{BIRTH_EPOCH, CreatureChange, CreatureOutcome, CreatureRow, CreaturesWanted};
use crate::limits::CREATURES_READ_MAX;
use crate::row::Serving;
use crate::{StoreError, StoreReply, StoreRequest};

pub(super) fn carry_out(connection: &Connection, request: &StoreRequest) -> Result<StoreReply, Failure> {
    match request {
        StoreRequest::WriteCreatures {
            serving,
            version,
            changes,
        } => write(connection, *serving, *version, changes),
        StoreRequest::ReadCreatures {
            region,
            wanted,
            after,
        } => read(connection, *region, *wanted, *after),
        // `sqlite` knows the others.
        _ => Err(Failure::Request(StoreError::Invalid("a request of another kind"))),
    }
}

fn read(
    connection: &Connection,
    region: RegionNumber,
    wanted: CreaturesWanted,
    after: Option<EntityId>,
) -> Result<StoreReply, Failure> {
    const ALL: &str = "SELECT id, epoch, is_arriving, body FROM creature
        WHERE region = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    const ARRIVING: &str = "SELECT id, epoch, is_arriving, body FROM creature
        WHERE region = ?1 AND id > ?2 AND is_arriving = 1 ORDER BY id LIMIT ?3";
    let statement = match wanted {
        CreaturesWanted::All => ALL,
        CreaturesWanted::Arriving => ARRIVING,
    };
    let rows = query(connection, statement)
        .bind(region.0)
        .bind(after.map_or(i64::MIN, |after| after.0.cast_signed()))
        .number(CREATURES_READ_MAX as u64)
        .rows(|row| {
            Ok(CreatureRow {
                creature: EntityId(row.number()?),
                region,
                epoch: OwnerEpoch(row.number()?),
                is_arriving: row.take::<i64>()? != 0,
                body: Bytes::from(row.take::<Vec<u8>>()?),
            })
        })?;
    Ok(StoreReply::Creatures(rows))
}

fn write(
    connection: &Connection,
    serving: Serving,
    version: StateVersion,
    changes: &[CreatureChange],
) -> Result<StoreReply, Failure> {
    const RAISE: &str = "INSERT INTO creature_write (region, region_epoch, version) VALUES (?1, ?2, ?3)
        ON CONFLICT (region) DO UPDATE SET region_epoch = excluded.region_epoch, version = excluded.version
        WHERE (creature_write.region_epoch, creature_write.version) < (excluded.region_epoch, excluded.version)";
    const IS_REPEATED: &str =
        "SELECT 1 FROM creature_write WHERE region = ?1 AND region_epoch = ?2 AND version = ?3";
    if cluster::service(connection, serving.region)? != Some(serving) {
        return Ok(StoreReply::CreaturesWritten(CreatureOutcome::Fenced));
    }
    let written = |sql: &str| {
        let statement = query(connection, sql).bind(serving.region.0);
        statement.number(serving.region_epoch.0).number(version.0)
    };
    if written(RAISE).run()? > 0 {
        for change in changes {
            make(connection, serving, change)?;
        }
    } else if written(IS_REPEATED).row(|_| Ok(()))?.is_none() {
        return Ok(StoreReply::CreaturesWritten(CreatureOutcome::Older));
    }
    let mut staying = Vec::new();
    for change in changes {
        if let CreatureChange::Pass { creature, epoch, .. } = change
            && is_there(connection, serving.region, *creature, *epoch)?
        {
            staying.push(*creature);
        }
    }
    Ok(StoreReply::CreaturesWritten(CreatureOutcome::Applied { staying }))
}

fn is_there(
    connection: &Connection,
    region: RegionNumber,
    creature: EntityId,
    epoch: OwnerEpoch,
) -> rusqlite::Result<bool> {
    let there = "SELECT 1 FROM creature WHERE id = ?1 AND region = ?2 AND epoch = ?3";
    let row = one(connection, there, region, creature, epoch).row(|_| Ok(()))?;
    Ok(row.is_some())
}

/// A statement about a creature that is there, at its epoch.
fn one<'c>(
    connection: &'c Connection,
    sql: &str,
    region: RegionNumber,
    creature: EntityId,
    epoch: OwnerEpoch,
) -> Statement<'c> {
    let statement = query(connection, sql).number(creature.0);
    statement.bind(region.0).number(epoch.0)
}

fn make(connection: &Connection, serving: Serving, change: &CreatureChange) -> Result<(), Failure> {
    const BEAR: &str =
        "INSERT INTO creature (id, region, epoch, is_arriving, body) VALUES (?1, ?2, ?3, 0, ?4)
        ON CONFLICT (id) DO NOTHING";
    const SAVE: &str =
        "UPDATE creature SET is_arriving = 0, body = ?4 WHERE id = ?1 AND region = ?2 AND epoch = ?3";
    const PASS: &str = "UPDATE creature SET region = ?5, epoch = ?6, is_arriving = 1, body = ?4
        WHERE id = ?1 AND region = ?2 AND epoch = ?3";
    const END: &str = "DELETE FROM creature WHERE id = ?1 AND region = ?2 AND epoch = ?3";
    let of = |sql: &str, epoch: OwnerEpoch| one(connection, sql, serving.region, change.creature(), epoch);
    match change {
        CreatureChange::Bear { body, .. } => of(BEAR, BIRTH_EPOCH).bind(body.as_ref()).run()?,
        CreatureChange::Save { epoch, body, .. } => of(SAVE, *epoch).bind(body.as_ref()).run()?,
        CreatureChange::Pass { epoch, to, body, .. } => {
            if cluster::service(connection, to.region)? != Some(*to) {
                return Ok(());
            }
            let next = epoch.next().map_err(StoreError::from).map_err(Failure::Request)?;
            of(PASS, *epoch)
                .bind(body.as_ref())
                .bind(to.region.0)
                .number(next.0)
                .run()?
        }
        CreatureChange::End { epoch, .. } => of(END, *epoch).run()?,
    };
    Ok(())
}
