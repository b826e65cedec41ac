//! Rows of the tables to and from our types. Numbers that do not fit are damage, never a panic.

use bytes::Bytes;
use protocol::geometry::CellIndex;
use protocol::ids::{
    AttachNo, AttemptId, CommandNumber, EntityId, InputNumber, NodeNumber, OwnerEpoch, RegionEpoch,
    RegionNumber, SessionGeneration, StateVersion, UserId,
};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite};

use super::fault::damaged;
use crate::holding::{Holder, Holding};
use crate::row::{Binding, PlayerBody, PlayerRow};

/// A run-time query with its arguments.
pub(super) type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Bit by bit: requests with numbers that a signed column would order wrongly were refused before.
pub(super) fn int(value: u64) -> i64 {
    value.cast_signed()
}

/// A node number or null.
pub(super) fn node(value: Option<NodeNumber>) -> Option<i64> {
    value.map(|node| i64::from(node.0))
}

/// Binds a body as `$1` to `$9`, with the time of writing as `$10`.
pub(super) fn bind_body<'q>(query: Statement<'q>, body: &'q PlayerBody, now_ms: i64) -> Statement<'q> {
    query
        .bind(i64::from(body.home_cell.0))
        .bind(int(body.binding.session_generation.0))
        .bind(i64::from(body.binding.attach_no.0))
        .bind(node(body.binding.proxy))
        .bind(int(body.last_input.0))
        .bind(int(body.last_command.0))
        .bind(body.chain_hash.as_slice())
        .bind(body.state.as_ref())
        .bind(now_ms)
}

pub(super) fn player(row: &SqliteRow) -> Result<PlayerRow, sqlx::Error> {
    Ok(PlayerRow {
        user: UserId(number(row, "user")?),
        owner: optional_node(row, "owner")?,
        region: RegionNumber(small(row, "region")?),
        region_epoch: RegionEpoch(number(row, "region_epoch")?),
        owner_epoch: OwnerEpoch(number(row, "owner_epoch")?),
        attempt: AttemptId(number(row, "attempt")?),
        version: StateVersion(number(row, "version")?),
        entity: EntityId(number(row, "entity")?),
        body: PlayerBody {
            home_cell: CellIndex(small(row, "home_cell")?),
            binding: Binding {
                session_generation: SessionGeneration(number(row, "session_generation")?),
                attach_no: AttachNo(small(row, "attach_no")?),
                proxy: optional_node(row, "proxy")?,
            },
            last_input: InputNumber(number(row, "last_input")?),
            last_command: CommandNumber(number(row, "last_command")?),
            chain_hash: chain_hash(row)?,
            state: Bytes::from(row.try_get::<Vec<u8>, _>("state")?),
        },
    })
}

pub(super) fn chain_hash(row: &SqliteRow) -> Result<[u8; 32], sqlx::Error> {
    let bytes: &[u8] = row.try_get("chain_hash")?;
    bytes
        .try_into()
        .map_err(|_| damaged("a chain hash is not 32 bytes long"))
}

pub(super) fn holding(row: &SqliteRow) -> Result<Holding, sqlx::Error> {
    let user: Option<i64> = row.try_get("user")?;
    let holder = match user {
        Some(user) => Holder::User(UserId(user.cast_unsigned())),
        None => Holder::Ground {
            region: RegionNumber(small(row, "region")?),
            x: row.try_get::<f64, _>("x")? as f32,
            y: row.try_get::<f64, _>("y")? as f32,
        },
    };
    Ok(Holding {
        id: number(row, "id")?,
        kind: small(row, "kind")?,
        holder,
    })
}

pub(super) fn number(row: &SqliteRow, column: &'static str) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(column).map(i64::cast_unsigned)
}

pub(super) fn small(row: &SqliteRow, column: &'static str) -> Result<u32, sqlx::Error> {
    u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| damaged(column))
}

pub(super) fn optional_node(
    row: &SqliteRow,
    column: &'static str,
) -> Result<Option<NodeNumber>, sqlx::Error> {
    let value: Option<i64> = row.try_get(column)?;
    value
        .map(|value| u16::try_from(value).map(NodeNumber).map_err(|_| damaged(column)))
        .transpose()
}
