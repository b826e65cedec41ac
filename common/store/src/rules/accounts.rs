//! Limits of requests about users as such.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use super::{holds, number};
use crate::StoreError;
use crate::account::AccountRequest;
use crate::limits::SANCTION_REASON_BYTES_MAX;
use crate::sanction::{FOREVER_MS, NewSanction, SANCTION_READ_MS, Sanction, SanctionKind, Subject};

pub(super) fn check(request: &AccountRequest) -> Result<(), StoreError> {
    match request {
        AccountRequest::Sanction(new) => sanction(new),
        AccountRequest::ReadSanctions { after } => number(*after, "number of a sanction"),
    }
}

fn sanction(new: &NewSanction) -> Result<(), StoreError> {
    holds(
        new.reason.len() <= SANCTION_REASON_BYTES_MAX,
        "a reason is longer than 200 bytes",
    )?;
    holds(
        !new.reason.chars().any(char::is_control),
        "a reason with control characters",
    )?;
    match new.subject {
        Subject::User(user) => number(user.0, "user"),
        Subject::Network(_) => holds(new.kind != SanctionKind::Kick, "nobody kicks a network"),
    }
}

/// Until when a sanction of this moment counts.
pub(crate) fn until_ms(new: &NewSanction, now_ms: u64) -> u64 {
    match new.kind {
        SanctionKind::Kick | SanctionKind::Unban => now_ms,
        SanctionKind::Ban => {
            let for_ms = new.for_ms.unwrap_or(FOREVER_MS);
            now_ms.saturating_add(for_ms).min(FOREVER_MS)
        }
    }
}

/// Until when a row is read, at least; no shorter than those before it about the same subject, which would count again else.
pub(crate) fn read_until_ms(row: &Sanction) -> u64 {
    row.until_ms.max(row.at_ms.saturating_add(SANCTION_READ_MS))
}
