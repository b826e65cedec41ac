//! From what SQLite says to what a caller has to know: was it applied, surely not, or perhaps; and who is hit, one
//! request or all that share a transaction.

use protocol::ids::EpochExhausted;
use rusqlite::ffi::{
    SQLITE_BUSY, SQLITE_CONSTRAINT, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_LOCKED, SQLITE_MISMATCH,
    SQLITE_NOTADB, SQLITE_TOOBIG,
};
use rusqlite::types::Type;

use crate::StoreError;

/// Why a request did not go through.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request breaks a rule, or its row is not as our writes leave it: it changed nothing, and the others go on.
    Request(StoreError),
    /// The database failed: nothing of the whole batch was applied.
    Batch(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match of_request(&error) {
            Some(refusal) => Self::Request(refusal),
            None => Self::Batch(before_commit(&error)),
        }
    }
}

impl From<EpochExhausted> for Failure {
    fn from(error: EpochExhausted) -> Self {
        Self::Request(error.into())
    }
}

/// What says something of one row or one request, not of the database.
fn of_request(error: &rusqlite::Error) -> Option<StoreError> {
    match (primary_code(error), error) {
        (Some(SQLITE_TOOBIG), _) => Some(StoreError::Invalid("a value is larger than the database takes")),
        (Some(SQLITE_CONSTRAINT | SQLITE_MISMATCH), _)
        | (
            None,
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..),
        ) => Some(StoreError::Corrupt(error.to_string())),
        _ => None,
    }
}

/// An error of a transaction that will be rolled back.
pub(super) fn before_commit(error: &rusqlite::Error) -> StoreError {
    match primary_code(error) {
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreError::Corrupt(error.to_string()),
        Some(SQLITE_FULL) => StoreError::Full("the disk of the data directory".to_owned()),
        Some(SQLITE_BUSY | SQLITE_LOCKED) => held_too_long(),
        _ => of_request(error).unwrap_or_else(|| StoreError::Unavailable(error.to_string())),
    }
}

/// An error of COMMIT itself. SQLite rolls back after some and not after others, and none of them says which of the log
/// has reached the disk.
pub(super) fn at_commit(error: &rusqlite::Error) -> StoreError {
    let what = match primary_code(error) {
        Some(SQLITE_FULL) => format!("{error}; free some space on the disk of the data directory"),
        _ => error.to_string(),
    };
    StoreError::Unknown(what)
}

/// Somebody else writes for longer than a batch may wait.
pub(super) fn held_too_long() -> StoreError {
    StoreError::Unavailable("another process has held the write lock for too long".to_owned())
}

/// A value in a row that no write of ours puts there.
pub(super) fn damaged(what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Null, what.into())
}

/// The low eight bits of SQLite's extended result code.
fn primary_code(error: &rusqlite::Error) -> Option<i32> {
    Some(error.sqlite_error()?.extended_code & 0xff)
}
