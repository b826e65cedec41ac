//! What a game keeps of each region and of the world: a row of bytes each, that goes forward only.

use bytes::Bytes;
use protocol::ids::StateVersion;
use rusqlite::Connection;

use super::cluster;
use super::fault::Failure;
use super::statement::query;
use crate::StoreReply;
use crate::reply::SaveOutcome;
use crate::row::{GameState, Serving, StateOf};

pub(super) fn read(connection: &Connection, of: StateOf, after: u64) -> Result<StoreReply, Failure> {
    let asked = query(
        connection,
        "SELECT serial, state FROM game_state WHERE place = ?1 AND serial > ?2",
    );
    let kept = asked.bind(of.place()).number(after).row(|row| {
        Ok(GameState {
            serial: row.number()?,
            state: row.take::<Vec<u8>>()?.into(),
        })
    });
    Ok(StoreReply::GameState(kept?))
}

pub(super) fn save(
    connection: &Connection,
    serving: Serving,
    of: StateOf,
    version: StateVersion,
    state: &Bytes,
) -> Result<StoreReply, Failure> {
    const WRITE: &str =
        "INSERT INTO game_state (place, region, region_epoch, version, serial, state) VALUES (?1, ?2, ?3, ?4, 1, ?5)
        ON CONFLICT (place) DO UPDATE SET region = excluded.region, region_epoch = excluded.region_epoch, version = excluded.version,
            serial = game_state.serial + 1, state = excluded.state
        WHERE game_state.region <> excluded.region
            OR (game_state.region_epoch, game_state.version) < (excluded.region_epoch, excluded.version)";
    const IS_REPEATED: &str =
        "SELECT 1 FROM game_state WHERE place = ?1 AND region = ?2 AND region_epoch = ?3 AND version = ?4";
    let written = |sql: &'static str| {
        let statement = query(connection, sql).bind(of.place()).bind(serving.region.0);
        statement.number(serving.region_epoch.0).number(version.0)
    };
    let outcome = if cluster::service(connection, serving.region)? != Some(serving) {
        SaveOutcome::Fenced
    } else if written(WRITE).bind(state.as_ref()).run()? > 0
        || written(IS_REPEATED).row(|_| Ok(()))?.is_some()
    {
        SaveOutcome::Applied
    } else {
        SaveOutcome::Older
    };
    Ok(StoreReply::GameStateSaved(outcome))
}
