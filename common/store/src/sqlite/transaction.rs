//! A batch in one transaction, and each request in a savepoint of its own, so that what fails fails alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::fault::{self, Failure};
use super::moment::Moment;
use super::savepoint::{Step, all_or_nothing};
use super::statement::query;
use super::{carry_out, cluster};
use crate::request::RequestClass;
use crate::{StoreError, StoreReply, StoreRequest, StoreResult};

/// How a batch ended.
pub(super) struct Ended {
    /// Of each request, in order.
    pub(super) results: Vec<StoreResult>,
    /// Whether the connection may go on. After a failure SQLite may have ended the transaction by itself, or not:
    /// only a fresh connection is sure.
    pub(super) is_sound: bool,
}

impl Ended {
    pub(super) fn well(results: Vec<StoreResult>) -> Self {
        Self {
            results,
            is_sound: true,
        }
    }

    /// Nothing of the batch was applied.
    pub(super) fn failed(error: StoreError, requests: &[StoreRequest]) -> Self {
        Self {
            results: vec![Err(error); requests.len()],
            is_sound: false,
        }
    }
}

/// Carries out requests that change nothing, on one snapshot.
pub(super) fn read(connection: &Connection, requests: &[StoreRequest]) -> Ended {
    begin(connection, "BEGIN", requests)
        .and_then(|results| {
            end(connection)
                .map(|()| results)
                .map_err(|error| fault::before_commit(&error))
        })
        .map_or_else(|error| Ended::failed(error, requests), Ended::well)
}

/// Carries out requests and commits them. `within` is how long somebody else may still write.
pub(super) fn write(connection: &Connection, requests: &[StoreRequest], within: Duration) -> Ended {
    // IMMEDIATE: the write lock before the first read, or what was read could be old when it is written.
    let patient = connection.busy_timeout(within);
    let carried_out = patient
        .map_err(|error| fault::before_commit(&error))
        .and_then(|()| begin(connection, "BEGIN IMMEDIATE", requests));
    let mut results = match carried_out {
        Ok(results) => results,
        Err(error) => return Ended::failed(error, requests),
    };
    let Err(error) = end(connection) else {
        return Ended::well(results);
    };
    // What was refused is refused whatever becomes of the rest.
    for result in results.iter_mut().filter(|result| result.is_ok()) {
        *result = Err(fault::at_commit(&error));
    }
    Ended {
        results,
        is_sound: false,
    }
}

fn begin(
    connection: &Connection,
    how: &str,
    requests: &[StoreRequest],
) -> Result<Vec<StoreResult>, StoreError> {
    let begun = query(connection, how).run().and_then(|_| moment(connection));
    let at = begun.map_err(|error| fault::before_commit(&error))?;
    carry_out_all(connection, requests, at)
}

fn end(connection: &Connection) -> rusqlite::Result<()> {
    query(connection, "COMMIT").run().map(drop)
}

fn moment(connection: &Connection) -> rusqlite::Result<Moment> {
    let generation = cluster::generation(connection)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Moment {
        generation,
        now_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
    })
}

fn carry_out_all(
    connection: &Connection,
    requests: &[StoreRequest],
    mut at: Moment,
) -> Result<Vec<StoreResult>, StoreError> {
    let mut results = Vec::with_capacity(requests.len());
    for request in requests {
        let done = if request.class() == RequestClass::Read {
            carry_out(connection, request, at)
        } else {
            all_or_nothing(connection, || carry_out(connection, request, at).map(Step::Keep))
        };
        let result = match done {
            Ok(reply) => Ok(reply),
            Err(Failure::Request(error)) => Err(error),
            Err(Failure::Batch(error)) => return Err(error),
        };
        if let (StoreRequest::RaiseStoreGeneration, Ok(StoreReply::StoreGeneration(raised))) =
            (request, &result)
        {
            at.generation = *raised;
        }
        results.push(result);
    }
    Ok(results)
}
