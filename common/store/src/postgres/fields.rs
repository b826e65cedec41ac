//! The columns of an answer, read from left to right: a player's row, a holding, numbers that fit.

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::{
    AttachNo, AttemptId, CommandNumber, EntityId, InputNumber, NodeNumber, OwnerEpoch, RegionEpoch,
    RegionNumber, SessionGeneration, StateVersion, UserId,
};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::StoreError;
use crate::holding::{Holder, Holding, TradeId};
use crate::row::{Binding, PlayerBody, PlayerRow};

pub(super) fn some<T>(value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| damaged("an answer is missing"))
}

pub(super) fn damaged(what: &'static str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}

/// How many columns [`player`] reads.
pub(super) const PLAYER_COLUMNS: usize = 16;

/// The columns of one row, read from left to right.
pub(super) struct Fields<'a> {
    pub(super) row: &'a Row,
    pub(super) next: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn take<T: FromSql<'a>>(&mut self) -> Result<T, StoreError> {
        let value = self.row.try_get(self.next);
        self.next += 1;
        value.map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        self.take::<i64>().map(i64::cast_unsigned)
    }

    pub(super) fn small<T: TryFrom<i64>>(&mut self, what: &'static str) -> Result<T, StoreError> {
        T::try_from(self.take()?).map_err(|_| damaged(what))
    }

    fn node(&mut self, what: &'static str) -> Result<Option<NodeNumber>, StoreError> {
        let value: Option<i32> = self.take()?;
        let node = |value| u16::try_from(value).map(NodeNumber).map_err(|_| damaged(what));
        value.map(node).transpose()
    }
}

pub(super) fn player(fields: &mut Fields<'_>) -> Result<Option<PlayerRow>, StoreError> {
    let Some(user) = fields.take::<Option<i64>>()? else {
        return Ok(None);
    };
    Ok(Some(PlayerRow {
        user: UserId(user.cast_unsigned()),
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
            chain_hash: chain_hash(fields.take()?)?,
            state: Bytes::copy_from_slice(fields.take()?),
        },
    }))
}

pub(super) fn chain_hash(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    <[u8; 32]>::try_from(bytes).map_err(|_| damaged("a chain hash is not 32 bytes long"))
}

pub(super) fn holding(fields: &mut Fields<'_>) -> Result<Option<Holding>, StoreError> {
    let Some(id) = fields.take::<Option<i64>>()? else {
        return Ok(None);
    };
    let kind = fields.small("kind")?;
    let user: Option<i64> = fields.take()?;
    let region: Option<i64> = fields.take()?;
    let (x, y): (Option<f64>, Option<f64>) = (fields.take()?, fields.take()?);
    let trade: Option<i64> = fields.take()?;
    let holder = match (user, trade) {
        (Some(user), _) => Holder::User(UserId(user.cast_unsigned())),
        (None, Some(trade)) => Holder::Trade(TradeId(trade.cast_unsigned())),
        (None, None) => Holder::Ground {
            region: region
                .and_then(|region| u32::try_from(region).ok())
                .map(RegionNumber)
                .ok_or_else(|| damaged("region"))?,
            x: some(x)? as f32,
            y: some(y)? as f32,
        },
    };
    Ok(Some(Holding {
        id: id.cast_unsigned(),
        kind,
        holder,
        payload: Bytes::copy_from_slice(fields.take()?),
    }))
}
