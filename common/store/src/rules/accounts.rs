//! Limits of requests about users as such.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use protocol::ids::UserId;

use super::{holds, number};
use crate::StoreError;
use crate::account::{AccountKey, AccountRequest, Identity, NewAccount, Verifier};
use crate::limits::{
    ACCOUNT_NAME_BYTES_MAX, IDENTITY_BYTES_MAX, SANCTION_REASON_BYTES_MAX, VERIFIER_BYTES_MAX,
};
use crate::report::{NewReport, REPORT_LINES_BYTES_MAX, REPORT_WHY_BYTES_MAX};
use crate::sanction::{FOREVER_MS, NewSanction, SANCTION_READ_MS, Sanction, SanctionKind, Subject};

pub(super) fn check(request: &AccountRequest) -> Result<(), StoreError> {
    match request {
        AccountRequest::Sanction(new) => sanction(new),
        AccountRequest::ReadSanctions { after } => number(*after, "number of a sanction"),
        AccountRequest::Create(new) => create(new),
        AccountRequest::Read(AccountKey::User(user)) => number(user.0, "user"),
        AccountRequest::Read(AccountKey::Fold(fold)) => name(fold),
        AccountRequest::Read(AccountKey::Identity(identity)) => self::identity(identity),
        AccountRequest::SetPassword { user, was, verifier }
        | AccountRequest::RenewVerifier { user, was, verifier } => {
            number(user.0, "user")?;
            self::verifier(was)?;
            self::verifier(verifier)
        }
        AccountRequest::AllowReset { user, .. } | AccountRequest::KeepDevice { user, .. } => {
            number(user.0, "user")
        }
        AccountRequest::ReadDevice { .. } => Ok(()),
        AccountRequest::Delete { user, was, reason } => {
            number(user.0, "user")?;
            was.as_ref().map_or(Ok(()), verifier)?;
            self::reason(reason)
        }
        AccountRequest::Report(new) => report(new),
        AccountRequest::ReadReports { after, .. } => number(*after, "number of a report"),
        AccountRequest::CloseReport { id, note } => {
            number(*id, "number of a report")?;
            line(note)
        }
    }
}

fn create(new: &NewAccount) -> Result<(), StoreError> {
    number(new.user.0, "user")?;
    name(&new.name)?;
    name(&new.fold)?;
    name(&new.look)?;
    new.identity.as_ref().map_or(Ok(()), identity)?;
    verifier(&new.verifier)
}

fn identity(identity: &Identity) -> Result<(), StoreError> {
    let fits = |text: &str| (1..=IDENTITY_BYTES_MAX).contains(&text.len()) && !text.contains('\0');
    holds(
        fits(&identity.issuer) && fits(&identity.subject),
        "an identity is empty, longer than 256 bytes, or has a null in it",
    )
}

fn report(new: &NewReport) -> Result<(), StoreError> {
    number(new.by.0, "user")?;
    number(new.about.0, "user")?;
    line(&new.why)?;
    let is_text = |letter: char| letter == '\n' || !letter.is_control();
    holds(
        new.lines.len() <= REPORT_LINES_BYTES_MAX && new.lines.chars().all(is_text),
        "the lines of a report are longer than 4096 bytes, or have control characters in them",
    )
}

fn line(text: &str) -> Result<(), StoreError> {
    holds(
        text.len() <= REPORT_WHY_BYTES_MAX && !text.chars().any(char::is_control),
        "a word about a report is longer than 200 bytes, or has control characters in it",
    )
}

fn name(name: &str) -> Result<(), StoreError> {
    holds(
        (1..=ACCOUNT_NAME_BYTES_MAX).contains(&name.len()) && !name.contains('\0'),
        "a name of an account is empty, longer than 1024 bytes, or has a null in it",
    )
}

fn verifier(verifier: &Verifier) -> Result<(), StoreError> {
    holds(
        (1..=VERIFIER_BYTES_MAX).contains(&verifier.0.len()) && verifier.0.is_ascii(),
        "what a password is checked against is not 1 to 256 bytes of ASCII",
    )
}

fn reason(reason: &str) -> Result<(), StoreError> {
    holds(
        reason.len() <= SANCTION_REASON_BYTES_MAX,
        "a reason is longer than 200 bytes",
    )?;
    holds(
        !reason.chars().any(char::is_control),
        "a reason with control characters",
    )
}

fn sanction(new: &NewSanction) -> Result<(), StoreError> {
    reason(&new.reason)?;
    holds(
        matches!(
            new.kind,
            SanctionKind::Kick
                | SanctionKind::Ban
                | SanctionKind::Unban
                | SanctionKind::Mute
                | SanctionKind::Unmute
        ),
        "what belongs to an account is done with the account",
    )?;
    match new.subject {
        Subject::User(user) => number(user.0, "user"),
        Subject::Network(_) => holds(
            new.kind.is_about_a_ban(),
            "a network is banned, and neither kicked nor muted",
        ),
    }
}

/// Until when a sanction of this moment counts.
pub(crate) fn until_ms(new: &NewSanction, now_ms: u64) -> u64 {
    if !new.kind.lasts() {
        return now_ms;
    }
    let for_ms = new.for_ms.unwrap_or(FOREVER_MS);
    now_ms.saturating_add(for_ms).min(FOREVER_MS)
}

/// What users are told whose password is another one.
pub(crate) const PASSWORD_CHANGED: &str = "the password was changed";

/// What is done to a user together with its account.
pub(crate) fn with_account(user: UserId, kind: SanctionKind, reason: &str) -> NewSanction {
    NewSanction {
        subject: Subject::User(user),
        kind,
        for_ms: None,
        reason: reason.to_owned(),
    }
}

/// Until when a row is read, at least; no shorter than those before it about the same subject, which would count again else.
pub(crate) fn read_until_ms(row: &Sanction) -> u64 {
    row.until_ms.max(row.at_ms.saturating_add(SANCTION_READ_MS))
}
