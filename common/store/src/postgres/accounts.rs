//! Requests about users as such, each a call of its own.

use protocol::ids::{SessionGeneration, UserId};
use protocol::network::Network;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::fault::Failure;
use super::fields::{Fields, damaged, some};
use super::link::Link;
use super::outcome::Outcome;
use super::parameter::{count, limited};
use crate::account::{AccountReply, AccountRequest};
use crate::limits::SANCTIONS_READ_MAX;
use crate::sanction::{NewSanction, SANCTION_READ_MS, Sanction, SanctionKind, SanctionPage, Subject};
use crate::{StoreError, StoreReply, StoreResult};

macro_rules! sanction_columns {
    ($of:literal) => {
        concat!(
            "(",
            $of,
            ").seq, (",
            $of,
            ").user_id, (",
            $of,
            ").network, (",
            $of,
            ").kind, (",
            $of,
            ").generation, (",
            $of,
            ").at_ms, (",
            $of,
            ").until_ms, (",
            $of,
            ").reason"
        )
    };
}
pub(super) use sanction_columns;

/// Carries one out over a connection of its kind.
pub(super) fn carry_out(link: &mut Link, request: &AccountRequest) -> StoreResult {
    let reply = match request {
        AccountRequest::Sanction(new) => sanction(link, new),
        AccountRequest::ReadSanctions { after } => read_sanctions(link, *after),
        // `credentials` knows the others.
        _ => Err(StoreError::Invalid("a request of another kind")),
    };
    reply.map(StoreReply::Account)
}

fn sanction(link: &mut Link, new: &NewSanction) -> Result<AccountReply, StoreError> {
    const ADD: &str = concat!(
        "SELECT outcome, ",
        sanction_columns!("added"),
        " FROM regionmesh.add_sanction($1, $2, $3, $4, $5, $6)"
    );
    let (user, network) = match new.subject {
        Subject::User(user) => (Some(limited(user.0)), None),
        Subject::Network(network) => (None, Some(network.to_string())),
    };
    let (kind, for_ms) = (i16::from(new.kind as u8), new.for_ms.map(limited));
    let called = link.call(
        ADD,
        &[
            (&user, Type::INT8),
            (&network, Type::TEXT),
            (&kind, Type::INT2),
            (&for_ms, Type::INT8),
            (&new.reason, Type::TEXT),
            (&limited(SANCTION_READ_MS), Type::INT8),
        ],
    );
    let rows = called.map_err(Failure::of_write)?;
    added(&rows, AccountReply::NoneToLift, AccountReply::NoUser)
}

/// What was added, or why nothing was: `refused`, or that the `missing` one is not there.
pub(super) fn added(
    rows: &[Row],
    refused: AccountReply,
    missing: AccountReply,
) -> Result<AccountReply, StoreError> {
    let mut fields = Fields {
        row: some(rows.first())?,
        next: 0,
    };
    match Outcome::of(fields.take()?) {
        Some(Outcome::Applied) => Ok(AccountReply::Sanctioned(some(row(&mut fields)?)?)),
        Some(Outcome::NoReceiver) => Ok(missing),
        Some(Outcome::Refused) => Ok(refused),
        _ => Err(damaged("an outcome")),
    }
}

fn read_sanctions(link: &mut Link, after: u64) -> Result<AccountReply, StoreError> {
    const READ: &str = concat!(
        "SELECT store_generation, newest, ",
        sanction_columns!("found"),
        " FROM regionmesh.read_sanctions($1, $2)"
    );
    let called = link.call(
        READ,
        &[
            (&limited(after), Type::INT8),
            (&count(SANCTIONS_READ_MAX), Type::INT4),
        ],
    );
    let rows = called.map_err(Failure::of_read)?;
    let mut page = SanctionPage {
        store_generation: 0,
        newest: 0,
        rows: Vec::with_capacity(rows.len()),
        next: None,
    };
    some(rows.first())?;
    let mut last = None;
    for found in &rows {
        let mut fields = Fields { row: found, next: 0 };
        let generation: i32 = fields.take()?;
        page.store_generation = u16::try_from(generation).map_err(|_| damaged("store generation"))?;
        page.newest = fields.number()?;
        last = fields.take::<Option<i64>>()?.map(i64::cast_unsigned);
        fields.next -= 1;
        match row(&mut fields) {
            Ok(sanction) => page.rows.extend(sanction),
            // One that is not understood hides no other.
            Err(error) => {
                tracing::warn!(seq = last, %error, "what was done to a user is not understood: start a newer version");
            }
        }
    }
    page.next = last.filter(|_| rows.len() == SANCTIONS_READ_MAX);
    Ok(AccountReply::Sanctions(page))
}

fn row(fields: &mut Fields<'_>) -> Result<Option<Sanction>, StoreError> {
    let Some(seq) = fields.take::<Option<i64>>()? else {
        return Ok(None);
    };
    let (user, network) = (fields.take::<Option<i64>>()?, fields.take::<Option<String>>()?);
    let subject = match (user, network.as_deref().and_then(Network::parse)) {
        (Some(user), None) => Subject::User(UserId(user.cast_unsigned())),
        (None, Some(network)) => Subject::Network(network),
        _ => return Err(damaged("the subject of a sanction")),
    };
    let kind = i64::from(fields.take::<i16>()?);
    Ok(Some(Sanction {
        seq: seq.cast_unsigned(),
        subject,
        kind: SanctionKind::of(kind).ok_or_else(|| damaged("the kind of a sanction"))?,
        generation: SessionGeneration(fields.number()?),
        at_ms: fields.number()?,
        until_ms: fields.number()?,
        reason: fields.take()?,
    }))
}
