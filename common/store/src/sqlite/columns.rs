//! Rows of the tables to and from our types. Numbers that do not fit are damage, never a panic.

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::{
    AttachNo, AttemptId, CommandNumber, EntityId, InputNumber, OwnerEpoch, RegionEpoch, RegionNumber,
    SessionGeneration, StateVersion, UserId,
};

use super::fault::damaged;
use super::statement::Fields;
use crate::holding::{Holder, Holding, TradeId};
use crate::row::{Binding, PlayerBody, PlayerRow};

/// The columns that [`player`] reads, in its order. A macro, since statements are put together while compiling.
macro_rules! player_columns {
    () => {
        "user, owner, region, region_epoch, owner_epoch, attempt, version, entity, home_cell, session_generation, \
         attach_no, proxy, last_input, last_command, chain_hash, state"
    };
}
pub(super) use player_columns;

/// The columns that [`holding`] reads, in its order.
macro_rules! holding_columns {
    () => {
        "id, kind, user, region, x, y, trade, payload"
    };
}
pub(super) use holding_columns;

pub(super) fn player(fields: &mut Fields<'_, '_>) -> rusqlite::Result<PlayerRow> {
    Ok(PlayerRow {
        user: UserId(fields.number()?),
        owner: fields.node("owner")?,
        region: RegionNumber(fields.small("region")?),
        region_epoch: RegionEpoch(fields.number()?),
        owner_epoch: OwnerEpoch(fields.number()?),
        attempt: AttemptId(fields.number()?),
        version: StateVersion(fields.number()?),
        entity: EntityId(fields.number()?),
        body: PlayerBody {
            home_cell: CellIndex(fields.small("home_cell")?),
            binding: Binding {
                session_generation: SessionGeneration(fields.number()?),
                attach_no: AttachNo(fields.small("attach_no")?),
                proxy: fields.node("proxy")?,
            },
            last_input: InputNumber(fields.number()?),
            last_command: CommandNumber(fields.number()?),
            chain_hash: chain_hash(fields)?,
            state: Bytes::from(fields.take::<Vec<u8>>()?),
        },
    })
}

pub(super) fn chain_hash(fields: &mut Fields<'_, '_>) -> rusqlite::Result<[u8; 32]> {
    let bytes: Vec<u8> = fields.take()?;
    let hash = <[u8; 32]>::try_from(bytes.as_slice());
    hash.map_err(|_| damaged("a chain hash is not 32 bytes long"))
}

pub(super) fn holding(fields: &mut Fields<'_, '_>) -> rusqlite::Result<Holding> {
    let (id, kind) = (fields.number()?, fields.small("kind")?);
    let user: Option<i64> = fields.take()?;
    let region: Option<i64> = fields.take()?;
    let (x, y): (Option<f64>, Option<f64>) = (fields.take()?, fields.take()?);
    let trade: Option<i64> = fields.take()?;
    let holder = match (user, region, trade) {
        (Some(user), ..) => Holder::User(UserId(user.cast_unsigned())),
        (_, _, Some(trade)) => Holder::Trade(TradeId(trade.cast_unsigned())),
        (_, region, _) => Holder::Ground {
            region: region
                .and_then(|region| u32::try_from(region).ok())
                .map(RegionNumber)
                .ok_or_else(|| damaged("region"))?,
            x: x.ok_or_else(|| damaged("a place"))? as f32,
            y: y.ok_or_else(|| damaged("a place"))? as f32,
        },
    };
    Ok(Holding {
        id,
        kind,
        holder,
        payload: Bytes::from(fields.take::<Vec<u8>>()?),
    })
}
