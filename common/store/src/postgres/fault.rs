//! From what PostgreSQL says to what a caller has to know: was it applied, surely not, or perhaps; and whether the
//! connection may go on.

use std::error::Error as _;
use std::fmt::Write as _;

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::StoreError;

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Surely not applied; the same call may go through at once.
    Collided(StoreError),
    /// Surely not applied.
    Not(StoreError),
    /// Surely not applied, and this is no place to write: it was a primary, or never one. The next connection looks for another.
    Elsewhere(StoreError),
    /// It was sent, and nobody knows.
    Unknown(String),
}

impl Failure {
    /// What a request that changes something is told.
    pub(super) fn of_write(self) -> StoreError {
        match self {
            Self::Collided(error) | Self::Not(error) | Self::Elsewhere(error) => error,
            Self::Unknown(what) => StoreError::Unknown(what),
        }
    }

    /// What a request that changes nothing is told.
    pub(super) fn of_read(self) -> StoreError {
        match self {
            Self::Collided(error) | Self::Not(error) | Self::Elsewhere(error) => error,
            Self::Unknown(what) => StoreError::Unavailable(what),
        }
    }
}

/// An error of a call that was sent.
pub(super) fn of_call(error: &tokio_postgres::Error) -> Failure {
    let Some(said) = error.as_db_error() else {
        return Failure::Unknown(words(error));
    };
    // Whoever ends a connection does not say how far its transaction was.
    if said.parsed_severity() != Some(Severity::Error) {
        return Failure::Unknown(words(error));
    }
    match said.code() {
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
            Failure::Collided(StoreError::Unavailable(words(error)))
        }
        &SqlState::READ_ONLY_SQL_TRANSACTION => Failure::Elsewhere(StoreError::Unavailable(words(error))),
        _ => Failure::Not(of_statement(said, words(error))),
    }
}

/// An error before anything was sent.
pub(super) fn of_connecting(error: &tokio_postgres::Error) -> StoreError {
    match error.as_db_error() {
        Some(said) => of_statement(said, words(error)),
        None => StoreError::Unavailable(words(error)),
    }
}

fn of_statement(said: &DbError, words: String) -> StoreError {
    match said.code() {
        &SqlState::DISK_FULL => StoreError::Full("the disk of the database".to_owned()),
        &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => StoreError::Corrupt(words),
        &SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Unavailable(format!(
            "the database does not let this login do that ({words}); each node has its own, by `regionmesh store grant NODE`, and whoever prepares or restores \
             a store owns it"
        )),
        &SqlState::UNDEFINED_FUNCTION | &SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME => {
            StoreError::Unavailable(format!(
                "there is no store of this version in the database ({words}); prepare it with `regionmesh store migrate --store ADDRESS`"
            ))
        }
        _ => StoreError::Unavailable(words),
    }
}

/// An error with all its causes, which the crate keeps apart.
pub(super) fn words(error: &tokio_postgres::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(words, ": {error}");
        cause = error.source();
    }
    words
}
