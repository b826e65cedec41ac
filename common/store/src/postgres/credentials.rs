//! Users with a password: guests no more, and kept for good. Each request is a call of its own.

use protocol::ids::UserId;
use tokio_postgres::types::Type;

use super::accounts::{self, added, sanction_columns};
use super::fault::Failure;
use super::fields::{Fields, damaged, some};
use super::link::Link;
use super::outcome::Outcome;
use super::parameter::{Parameter, count, limited};
use super::reports;
use crate::account::{Account, AccountKey, AccountReply, AccountRequest, Identity, NewAccount, Verifier};
use crate::limits::DEVICES_MAX;
use crate::rules::accounts::PASSWORD_CHANGED;
use crate::sanction::SANCTION_READ_MS;
use crate::{StoreError, StoreReply, StoreResult};

/// Carries out any request about users as such, over a connection of its kind.
pub(super) fn carry_out(link: &mut Link, request: &AccountRequest) -> StoreResult {
    let reply = match request {
        AccountRequest::Create(new) => create(link, new),
        AccountRequest::Read(key) => read(link, key),
        AccountRequest::SetPassword { user, was, verifier } => set_password(link, *user, was, verifier),
        AccountRequest::RenewVerifier { user, was, verifier } => renew_verifier(link, *user, was, verifier),
        AccountRequest::AllowReset {
            user,
            code_hash,
            for_ms,
        } => allow_reset(link, *user, code_hash, *for_ms),
        AccountRequest::KeepDevice { user, key, for_ms } => keep_device(link, *user, key, *for_ms),
        AccountRequest::ReadDevice { key } => read_device(link, key),
        AccountRequest::Delete { user, was, reason } => delete(link, *user, was.as_ref(), reason),
        AccountRequest::Report(new) => reports::add(link, new),
        AccountRequest::ReadReports { after, with_closed } => reports::read(link, *after, *with_closed),
        AccountRequest::CloseReport { id, note } => reports::close(link, *id, note),
        AccountRequest::Sanction(_) | AccountRequest::ReadSanctions { .. } => {
            return accounts::carry_out(link, request);
        }
    };
    reply.map(StoreReply::Account)
}

fn create(link: &mut Link, new: &NewAccount) -> Result<AccountReply, StoreError> {
    const CREATE: &str = "SELECT regionmesh.create_account($1, $2, $3, $4, $5)";
    const CREATE_OF: &str = "SELECT regionmesh.create_account_of($6, $7, $1, $2, $3, $4, $5)";
    let user = limited(new.user.0);
    let mut parameters: Vec<Parameter<'_>> = vec![
        (&user, Type::INT8),
        (&new.name, Type::TEXT),
        (&new.fold, Type::TEXT),
        (&new.look, Type::TEXT),
        (&new.verifier.0, Type::TEXT),
    ];
    let called = match &new.identity {
        None => link.call(CREATE, &parameters),
        Some(Identity { issuer, subject }) => {
            parameters.extend([(issuer as _, Type::TEXT), (subject as _, Type::TEXT)]);
            link.call(CREATE_OF, &parameters)
        }
    };
    let rows = called.map_err(Failure::of_write)?;
    let mut fields = Fields {
        row: some(rows.first())?,
        next: 0,
    };
    match Outcome::of(fields.take()?) {
        Some(Outcome::Applied) => Ok(AccountReply::Created),
        Some(Outcome::Refused) => Ok(AccountReply::NameTaken),
        Some(Outcome::Older) => Ok(AccountReply::KnownIdentity),
        Some(Outcome::Elsewhere) => Ok(AccountReply::HasAccount),
        _ => Err(damaged("an outcome")),
    }
}

fn read(link: &mut Link, key: &AccountKey) -> Result<AccountReply, StoreError> {
    const READ: &str =
        "SELECT user_id, name, verifier, made_ms, reset_hash FROM regionmesh.read_account($1, $2)";
    const READ_OF: &str =
        "SELECT user_id, name, verifier, made_ms, reset_hash FROM regionmesh.read_account_of($1, $2)";
    let nobody = None::<&str>;
    let called = match key {
        AccountKey::User(user) => {
            let user = limited(user.0);
            link.call(READ, &[(&user, Type::INT8), (&nobody, Type::TEXT)])
        }
        AccountKey::Fold(fold) => link.call(READ, &[(&None::<i64>, Type::INT8), (fold, Type::TEXT)]),
        AccountKey::Identity(Identity { issuer, subject }) => {
            link.call(READ_OF, &[(issuer, Type::TEXT), (subject, Type::TEXT)])
        }
    };
    let rows = called.map_err(Failure::of_read)?;
    let Some(row) = rows.first() else {
        return Ok(AccountReply::Account(None));
    };
    let mut fields = Fields { row, next: 0 };
    Ok(AccountReply::Account(Some(Box::new(Account {
        user: UserId(fields.number()?),
        name: fields.take()?,
        verifier: Verifier(fields.take()?),
        made_ms: fields.number()?,
        reset_hash: match fields.take::<Option<&[u8]>>()? {
            Some(hash) => Some(hash.try_into().map_err(|_| damaged("the hash of a code"))?),
            None => None,
        },
    }))))
}

fn set_password(
    link: &mut Link,
    user: UserId,
    was: &Verifier,
    verifier: &Verifier,
) -> Result<AccountReply, StoreError> {
    const SET: &str = concat!(
        "SELECT outcome, ",
        sanction_columns!("added"),
        " FROM regionmesh.set_password($1, $2, $3, $4, $5)"
    );
    let called = link.call(
        SET,
        &[
            (&limited(user.0), Type::INT8),
            (&was.0, Type::TEXT),
            (&verifier.0, Type::TEXT),
            (&PASSWORD_CHANGED, Type::TEXT),
            (&limited(SANCTION_READ_MS), Type::INT8),
        ],
    );
    let rows = called.map_err(Failure::of_write)?;
    added(&rows, AccountReply::OtherPassword, AccountReply::NoAccount)
}

fn renew_verifier(
    link: &mut Link,
    user: UserId,
    was: &Verifier,
    verifier: &Verifier,
) -> Result<AccountReply, StoreError> {
    const RENEW: &str = "SELECT regionmesh.renew_verifier($1, $2, $3)";
    let called = link.call(
        RENEW,
        &[
            (&limited(user.0), Type::INT8),
            (&was.0, Type::TEXT),
            (&verifier.0, Type::TEXT),
        ],
    );
    let rows = called.map_err(Failure::of_write)?;
    let mut fields = Fields {
        row: some(rows.first())?,
        next: 0,
    };
    Ok(match fields.take()? {
        true => AccountReply::VerifierRenewed,
        false => AccountReply::OtherPassword,
    })
}

fn allow_reset(
    link: &mut Link,
    user: UserId,
    code_hash: &[u8; 32],
    for_ms: u64,
) -> Result<AccountReply, StoreError> {
    const ALLOW: &str = "SELECT regionmesh.allow_reset($1, $2, $3)";
    let called = link.call(
        ALLOW,
        &[
            (&limited(user.0), Type::INT8),
            (&code_hash.as_slice(), Type::BYTEA),
            (&limited(for_ms), Type::INT8),
        ],
    );
    let rows = called.map_err(Failure::of_write)?;
    let mut fields = Fields {
        row: some(rows.first())?,
        next: 0,
    };
    Ok(match fields.take::<Option<i64>>()? {
        Some(until_ms) => AccountReply::ResetUntil(until_ms.cast_unsigned()),
        None => AccountReply::NoAccount,
    })
}

fn delete(
    link: &mut Link,
    user: UserId,
    was: Option<&Verifier>,
    reason: &str,
) -> Result<AccountReply, StoreError> {
    const DELETE_OWN: &str = concat!(
        "SELECT outcome, ",
        sanction_columns!("added"),
        " FROM regionmesh.delete_own_account($1, $2, $3, $4)"
    );
    const DELETE: &str = concat!(
        "SELECT outcome, ",
        sanction_columns!("added"),
        " FROM regionmesh.delete_account($1, $2, $3)"
    );
    let (user, read_ms) = (limited(user.0), limited(SANCTION_READ_MS));
    let (user, reason, read_ms): (Parameter<'_>, Parameter<'_>, Parameter<'_>) =
        ((&user, Type::INT8), (&reason, Type::TEXT), (&read_ms, Type::INT8));
    let called = match was {
        None => link.call(DELETE, &[user, reason, read_ms]),
        Some(was) => link.call(DELETE_OWN, &[user, (&was.0, Type::TEXT), reason, read_ms]),
    };
    let rows = called.map_err(Failure::of_write)?;
    added(&rows, AccountReply::OtherPassword, AccountReply::NoAccount)
}

fn keep_device(
    link: &mut Link,
    user: UserId,
    key: &[u8; 32],
    for_ms: u64,
) -> Result<AccountReply, StoreError> {
    const KEEP: &str = "SELECT regionmesh.keep_device($1, $2, $3, $4)";
    let called = link.call(
        KEEP,
        &[
            (&limited(user.0), Type::INT8),
            (&key.as_slice(), Type::BYTEA),
            (&limited(for_ms), Type::INT8),
            (&count(DEVICES_MAX), Type::INT4),
        ],
    );
    called.map_err(Failure::of_write)?;
    Ok(AccountReply::DeviceKept)
}

fn read_device(link: &mut Link, key: &[u8; 32]) -> Result<AccountReply, StoreError> {
    const READ: &str = "SELECT regionmesh.read_device($1)";
    let called = link.call(READ, &[(&key.as_slice(), Type::BYTEA)]);
    let rows = called.map_err(Failure::of_read)?;
    let mut fields = Fields {
        row: some(rows.first())?,
        next: 0,
    };
    let user = fields.take::<Option<i64>>()?;
    Ok(AccountReply::Device(
        user.map(|user| UserId(user.cast_unsigned())),
    ))
}
