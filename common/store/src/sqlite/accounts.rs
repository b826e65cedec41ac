//! Users as such: what operators do to them.

use protocol::ids::{SessionGeneration, UserId};
use protocol::network::Network;
use rusqlite::Connection;

use super::cluster;
use super::fault::{Failure, damaged};
use super::moment::Moment;
use super::statement::{Fields, Statement, query};
use crate::account::{AccountReply, AccountRequest};
use crate::limits::SANCTIONS_READ_MAX;
use crate::rules::accounts::until_ms;
use crate::sanction::{NewSanction, SANCTION_READ_MS, Sanction, SanctionKind, SanctionPage, Subject};
use crate::{StoreError, StoreReply};

macro_rules! sanction_columns {
    () => {
        "seq, user, network, kind, generation, at_ms, until_ms, reason"
    };
}

pub(super) fn carry_out(
    connection: &Connection,
    request: &AccountRequest,
    at: Moment,
) -> Result<StoreReply, Failure> {
    Ok(StoreReply::Account(match request {
        AccountRequest::Sanction(new) => sanction(connection, new, at)?,
        AccountRequest::ReadSanctions { after } => {
            AccountReply::Sanctions(read_sanctions(connection, *after, at)?)
        }
        // `credentials` knows the others.
        _ => return Err(Failure::Request(StoreError::Invalid("a request of another kind"))),
    }))
}

fn sanction(connection: &Connection, new: &NewSanction, at: Moment) -> Result<AccountReply, Failure> {
    if let Subject::User(user) = new.subject
        && new.kind.lifts().is_none()
        && !is_known(connection, user)?
    {
        return Ok(AccountReply::NoUser);
    }
    if let Some(kind) = new.kind.lifts()
        && !is_in_force(connection, new.subject, (kind, new.kind), at)?
    {
        return Ok(AccountReply::NoneToLift);
    }
    do_to(connection, new, at)
}

pub(super) fn do_to(connection: &Connection, new: &NewSanction, at: Moment) -> Result<AccountReply, Failure> {
    // Numbers follow each other in the order of commits: nobody else writes meanwhile.
    const ADD: &str = concat!(
        "INSERT INTO sanction (user, network, kind, generation, at_ms, until_ms, reason, read_until_ms)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, max(?6, ?5 + ?8, coalesce((
            SELECT max(s.read_until_ms) FROM sanction s WHERE s.user IS ?1 AND s.network IS ?2), 0))
        RETURNING ",
        sanction_columns!()
    );
    let generation = match new.subject {
        Subject::User(user) if new.kind.ends_sessions() => cluster::raise(connection, user, at)?,
        _ => SessionGeneration(0),
    };
    let added = of_subject(query(connection, ADD), new.subject)
        .bind(new.kind as u8)
        .number(generation.0)
        .bind(at.now_ms)
        .number(until_ms(new, at.now_ms.cast_unsigned()))
        .bind(new.reason.as_str())
        .number(SANCTION_READ_MS)
        .one(row)?;
    Ok(AccountReply::Sanctioned(added))
}

/// Whether the user has an account or ever logged in.
fn is_known(connection: &Connection, user: UserId) -> rusqlite::Result<bool> {
    const KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM session WHERE user = ?1) OR EXISTS (SELECT 1 FROM account WHERE user = ?1)";
    query(connection, KNOWN).number(user.0).one(|row| row.take())
}

fn is_in_force(
    connection: &Connection,
    subject: Subject,
    (kind, end): (SanctionKind, SanctionKind),
    at: Moment,
) -> rusqlite::Result<bool> {
    const NEWEST: &str = "SELECT kind = ?4 AND until_ms > ?3 FROM sanction
        WHERE user IS ?1 AND network IS ?2 AND kind IN (?4, ?5) ORDER BY seq DESC LIMIT 1";
    let newest = of_subject(query(connection, NEWEST), subject).bind(at.now_ms);
    let newest = newest.bind(kind as u8).bind(end as u8);
    Ok(newest.row(|row| row.take())?.unwrap_or(false))
}

fn read_sanctions(connection: &Connection, after: u64, at: Moment) -> rusqlite::Result<SanctionPage> {
    const READ: &str = concat!(
        "SELECT ",
        sanction_columns!(),
        " FROM sanction WHERE seq > ?1 AND (?1 > 0 OR read_until_ms > ?2) ORDER BY seq LIMIT ?3"
    );
    let newest = query(connection, "SELECT coalesce(max(seq), 0) FROM sanction").one(|row| row.number())?;
    let rows = query(connection, READ)
        .number(after)
        .bind(at.now_ms)
        .bind(SANCTIONS_READ_MAX as i64)
        .rows(|fields| {
            let seq = fields.number()?;
            // One that is not understood hides no other.
            let sanction = row_of(seq, fields);
            if let Err(error) = &sanction {
                tracing::warn!(seq, %error, "what was done to a user is not understood: start a newer version");
            }
            Ok((seq, sanction.ok()))
        })?;
    let last = rows.last().map(|(seq, _)| *seq);
    let next = last.filter(|_| rows.len() == SANCTIONS_READ_MAX);
    Ok(SanctionPage {
        store_generation: at.generation,
        newest,
        rows: rows.into_iter().filter_map(|(_, sanction)| sanction).collect(),
        next,
    })
}

/// Binds user and network, one of which is nothing.
fn of_subject(statement: Statement<'_>, subject: Subject) -> Statement<'_> {
    match subject {
        Subject::User(user) => statement.number(user.0).bind(None::<i64>),
        Subject::Network(network) => statement.bind(None::<i64>).bind(network.to_string()),
    }
}

fn row(row: &mut Fields<'_, '_>) -> rusqlite::Result<Sanction> {
    let seq = row.number()?;
    row_of(seq, row)
}

fn row_of(seq: u64, row: &mut Fields<'_, '_>) -> rusqlite::Result<Sanction> {
    let (user, network) = (row.take::<Option<i64>>()?, row.take::<Option<String>>()?);
    let subject = match (user, network.as_deref().and_then(Network::parse)) {
        (Some(user), None) => Subject::User(UserId(user.cast_unsigned())),
        (None, Some(network)) => Subject::Network(network),
        _ => return Err(damaged("the subject of a sanction")),
    };
    Ok(Sanction {
        seq,
        subject,
        kind: SanctionKind::of(row.take()?).ok_or_else(|| damaged("the kind of a sanction"))?,
        generation: SessionGeneration(row.number()?),
        at_ms: row.number()?,
        until_ms: row.number()?,
        reason: row.take()?,
    })
}
