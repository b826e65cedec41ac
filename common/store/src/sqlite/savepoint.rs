//! Steps within a transaction that stay or are taken back as a whole, while the rest goes on.

use rusqlite::Connection;

use super::fault::Failure;
use super::statement::query;

/// What becomes of what a step has written.
pub(super) enum Step<T> {
    /// It stays.
    Keep(T),
    /// It is taken back; the answer stays.
    TakeBack(T),
}

/// Carries out a step whose writes stay together or not at all.
pub(super) fn all_or_nothing<T>(
    connection: &Connection,
    step: impl FnOnce() -> Result<Step<T>, Failure>,
) -> Result<T, Failure> {
    query(connection, "SAVEPOINT step").run()?;
    let (outcome, stays) = match step() {
        Ok(Step::Keep(value)) => (Ok(value), true),
        Ok(Step::TakeBack(value)) => (Ok(value), false),
        Err(Failure::Request(error)) => (Err(Failure::Request(error)), false),
        // SQLite may have ended the transaction: there is no savepoint to go back to.
        Err(Failure::Batch(error)) => return Err(Failure::Batch(error)),
    };
    if !stays {
        query(connection, "ROLLBACK TO step").run()?;
    }
    query(connection, "RELEASE step").run()?;
    outcome
}
