//! From what SQLite says to what a caller has to know: was it applied, surely not, or perhaps.

use protocol::ids::EpochExhausted;

use crate::StoreError;

/// Why a statement of a batch did not go through.
#[derive(Debug)]
pub(super) enum Failure {
    /// This request breaks a rule before it wrote anything; the others go on.
    Request(StoreError),
    /// The database failed: nothing of the whole batch was applied.
    Batch(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Batch(before_commit(&error))
    }
}

impl From<EpochExhausted> for Failure {
    fn from(error: EpochExhausted) -> Self {
        Self::Request(error.into())
    }
}

/// An error of a transaction that will be rolled back.
pub(super) fn before_commit(error: &sqlx::Error) -> StoreError {
    match primary_code(error) {
        Some(11 | 26) => StoreError::Corrupt(error.to_string()),
        Some(13) => StoreError::Full("the disk of the data directory".to_owned()),
        Some(5 | 6) => {
            StoreError::Unavailable("another process has held the write lock for too long".to_owned())
        }
        _ if is_of_decoding(error) => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// An error of COMMIT itself: SQLite says of some that they roll back, of the others nobody knows.
pub(super) fn at_commit(error: &sqlx::Error) -> StoreError {
    match primary_code(error) {
        Some(13) => before_commit(error),
        _ => StoreError::Unknown(error.to_string()),
    }
}

/// A value in a row that no write of ours puts there.
pub(super) fn damaged(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

fn is_of_decoding(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_)
    )
}

/// The low eight bits of SQLite's extended result code.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<u32>().ok().map(|extended| extended & 0xff)
}
