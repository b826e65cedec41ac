//! Users with a password: guests no more, and kept for good.

use protocol::ids::UserId;
use rusqlite::Connection;

use super::accounts::{self, do_to};
use super::fault::{Failure, damaged};
use super::moment::Moment;
use super::statement::{Fields, query};
use super::{devices, identities, reports};
use crate::StoreReply;
use crate::account::{Account, AccountKey, AccountReply, AccountRequest, NewAccount, Verifier};
use crate::rules::accounts::{PASSWORD_CHANGED, with_account};
use crate::sanction::{FOREVER_MS, SanctionKind};

/// Carries out any request about users as such.
pub(super) fn carry_out(
    connection: &Connection,
    request: &AccountRequest,
    at: Moment,
) -> Result<StoreReply, Failure> {
    let reply = match request {
        AccountRequest::Create(new) => create(connection, new, at)?,
        AccountRequest::Read(key) => AccountReply::Account(find(connection, key, at)?.map(Box::new)),
        AccountRequest::SetPassword { user, was, verifier } => {
            set_password(connection, *user, (was, verifier), at)?
        }
        AccountRequest::RenewVerifier { user, was, verifier } => {
            renew_verifier(connection, *user, (was, verifier))?
        }
        AccountRequest::AllowReset {
            user,
            code_hash,
            for_ms,
        } => allow_reset(connection, *user, code_hash, *for_ms, at)?,
        AccountRequest::KeepDevice { user, key, for_ms } => {
            devices::keep(connection, key, *user, *for_ms, at)?
        }
        AccountRequest::ReadDevice { key } => devices::read(connection, key, at)?,
        AccountRequest::Delete { user, was, reason } => {
            delete(connection, *user, (was.as_ref(), reason), at)?
        }
        AccountRequest::Report(new) => reports::add(connection, new, at)?,
        AccountRequest::ReadReports { after, with_closed } => {
            reports::read(connection, *after, *with_closed)?
        }
        AccountRequest::CloseReport { id, note } => reports::close(connection, *id, note, at)?,
        AccountRequest::Sanction(_) | AccountRequest::ReadSanctions { .. } => {
            return accounts::carry_out(connection, request, at);
        }
    };
    Ok(StoreReply::Account(reply))
}

fn create(connection: &Connection, new: &NewAccount, at: Moment) -> Result<AccountReply, Failure> {
    const TAKEN: &str = "SELECT 1 FROM account WHERE fold = ?1 OR look = ?2 LIMIT 1";
    const INSERT: &str =
        "INSERT INTO account (user, name, fold, look, verifier, made_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    if find(connection, &AccountKey::User(new.user), at)?.is_some() {
        return Ok(AccountReply::HasAccount);
    }
    if let Some(identity) = &new.identity
        && identities::user(connection, identity)?.is_some()
    {
        return Ok(AccountReply::KnownIdentity);
    }
    let taken = query(connection, TAKEN)
        .bind(new.fold.as_str())
        .bind(new.look.as_str())
        .row(|_| Ok(()))?;
    if taken.is_some() {
        return Ok(AccountReply::NameTaken);
    }
    query(connection, INSERT)
        .number(new.user.0)
        .bind(new.name.as_str())
        .bind(new.fold.as_str())
        .bind(new.look.as_str())
        .bind(new.verifier.0.as_str())
        .bind(at.now_ms)
        .run()?;
    if let Some(identity) = &new.identity {
        identities::keep(connection, identity, new.user)?;
    }
    Ok(AccountReply::Created)
}

fn find(connection: &Connection, key: &AccountKey, at: Moment) -> rusqlite::Result<Option<Account>> {
    const FIND: &str =
        "SELECT user, name, verifier, made_ms, CASE WHEN reset_until_ms > ?3 THEN reset_hash END
        FROM account WHERE user = ?1 OR fold = ?2";
    let (user, fold) = match key {
        AccountKey::User(user) => (Some(*user), None),
        AccountKey::Fold(fold) => (None, Some(fold.as_str())),
        AccountKey::Identity(identity) => (identities::user(connection, identity)?, None),
    };
    query(connection, FIND)
        .bind(user.map(|user| user.0.cast_signed()))
        .bind(fold)
        .bind(at.now_ms)
        .row(account)
}

fn account(row: &mut Fields<'_, '_>) -> rusqlite::Result<Account> {
    Ok(Account {
        user: UserId(row.number()?),
        name: row.take()?,
        verifier: Verifier(row.take()?),
        made_ms: row.number()?,
        reset_hash: match row.take::<Option<Vec<u8>>>()? {
            Some(hash) => Some(hash.try_into().map_err(|_| damaged("the hash of a code"))?),
            None => None,
        },
    })
}

fn set_password(
    connection: &Connection,
    user: UserId,
    (was, verifier): (&Verifier, &Verifier),
    at: Moment,
) -> Result<AccountReply, Failure> {
    const SET: &str = "UPDATE account SET verifier = ?3, reset_hash = NULL, reset_until_ms = NULL
        WHERE user = ?1 AND verifier = ?2";
    let set = query(connection, SET)
        .number(user.0)
        .bind(was.0.as_str())
        .bind(verifier.0.as_str())
        .run()?;
    if set > 0 {
        devices::forget(connection, user)?;
        let new = with_account(user, SanctionKind::Password, PASSWORD_CHANGED);
        return do_to(connection, &new, at);
    }
    Ok(match find(connection, &AccountKey::User(user), at)? {
        Some(_) => AccountReply::OtherPassword,
        None => AccountReply::NoAccount,
    })
}

fn renew_verifier(
    connection: &Connection,
    user: UserId,
    (was, verifier): (&Verifier, &Verifier),
) -> Result<AccountReply, Failure> {
    const RENEW: &str = "UPDATE account SET verifier = ?3 WHERE user = ?1 AND verifier = ?2";
    let renewed = query(connection, RENEW)
        .number(user.0)
        .bind(was.0.as_str())
        .bind(verifier.0.as_str())
        .run()?;
    Ok(match renewed {
        0 => AccountReply::OtherPassword,
        _ => AccountReply::VerifierRenewed,
    })
}

fn allow_reset(
    connection: &Connection,
    user: UserId,
    code_hash: &[u8; 32],
    for_ms: u64,
    at: Moment,
) -> Result<AccountReply, Failure> {
    const ALLOW: &str = "UPDATE account SET reset_hash = ?2, reset_until_ms = ?3 WHERE user = ?1";
    let until_ms = at.now_ms.cast_unsigned().saturating_add(for_ms).min(FOREVER_MS);
    let allowed = query(connection, ALLOW)
        .number(user.0)
        .bind(code_hash.as_slice())
        .number(until_ms)
        .run()?;
    Ok(match allowed {
        0 => AccountReply::NoAccount,
        _ => AccountReply::ResetUntil(until_ms),
    })
}

fn delete(
    connection: &Connection,
    user: UserId,
    (was, reason): (Option<&Verifier>, &str),
    at: Moment,
) -> Result<AccountReply, Failure> {
    const DELETE: &str = "DELETE FROM account WHERE user = ?1 AND (?2 IS NULL OR verifier = ?2)";
    let deleted = query(connection, DELETE)
        .number(user.0)
        .bind(was.map(|was| was.0.as_str()))
        .run()?;
    match deleted {
        0 => Ok(match find(connection, &AccountKey::User(user), at)? {
            Some(_) => AccountReply::OtherPassword,
            None => AccountReply::NoAccount,
        }),
        _ => {
            devices::forget(connection, user)?;
            identities::forget(connection, user)?;
            let new = with_account(user, SanctionKind::Deleted, reason);
            do_to(connection, &new, at)
        }
    }
}
