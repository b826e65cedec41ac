//! The store of a cluster: one PostgreSQL database for all its hosts.
//!
//! A batch is one call of one function, which is one transaction and one round trip: nobody who is stopped in the middle holds
//! a lock. Each of the store's two threads has a connection and a run time of its own.

mod address;
mod answers;
mod changes;
mod fault;
mod link;
mod ops;
mod parameter;
mod password;
mod schema;
mod tls;
#[cfg(feature = "postgres-tests")]
pub mod trial;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::node_handshake::StoreIdentity;
use tokio_postgres::Row;

use crate::request::RequestClass;
use crate::{Store, StoreError, StoreReply, StoreRequest, StoreResult, rules};
pub use address::{AddressError, PostgresAddress};
use answers::{Answers, answer_columns};
use fault::Failure;
use link::{Known, Link};
use ops::{Ops, ReadBatch, WriteBatch};
pub use password::PasswordError;
pub use tls::TrustError;

const READ: &str = concat!(
    "SELECT ",
    answer_columns!(),
    " FROM regionmesh.read_batch($1, $2, $3, $4) AS a"
);
const WRITE: &str = concat!(
    "SELECT ",
    answer_columns!(),
    " FROM regionmesh.write_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
     $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31) AS a"
);

/// A store in a database. Any number of processes may have it open.
#[derive(Debug)]
pub struct PostgresStore {
    known: Arc<Known>,
    writer: Mutex<Link>,
    reader: Mutex<Link>,
}

/// Why a database could not be opened as a store.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the store {address}: {cause}")]
pub struct PostgresError {
    /// Which database, without a password.
    pub address: String,
    /// What is wrong.
    pub cause: StoreError,
}

impl PostgresError {
    fn new(address: &PostgresAddress, cause: StoreError) -> Self {
        Self {
            address: address.to_string(),
            cause,
        }
    }

    /// Whether it may be well the next time, without anybody changing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self.cause,
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Full(_)
        )
    }
}

impl PostgresStore {
    /// Opens the store in a database, whose tables have to be up to date. Blocks; not to be called from within a run time.
    ///
    /// # Errors
    /// `PostgresError` names the database and what is wrong with it.
    pub fn open(address: &PostgresAddress) -> Result<Self, PostgresError> {
        let known = Arc::<Known>::default();
        let link = || Link::new(address, &known).map_err(|error| cannot_start(address, &error));
        let mut writer = link()?;
        writer
            .open()
            .map_err(|cause| PostgresError::new(address, cause))?;
        Ok(Self {
            reader: Mutex::new(link()?),
            writer: Mutex::new(writer),
            known,
        })
    }

    /// Makes the tables and functions of a store in a database, or brings them up to date; says from which schema version to
    /// which. Blocks; not to be called from within a run time.
    ///
    /// # Errors
    /// `PostgresError`; nothing was changed then.
    pub fn migrate(address: &PostgresAddress) -> Result<(i64, i64), PostgresError> {
        let migrated =
            Link::alone(address, schema::migrate).map_err(|error| cannot_start(address, &error))?;
        migrated.map_err(|cause| PostgresError::new(address, cause))
    }

    /// Ends all connections.
    pub fn close(self) {
        for link in [self.writer, self.reader] {
            link.into_inner().unwrap_or_else(PoisonError::into_inner).close();
        }
    }

    fn read(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let mut batch = ReadBatch::default();
        let asked = checked(requests, |request| batch.push(request));
        let called = lock(&self.reader).call(READ, &batch.parameters());
        self.answer(requests, asked, called.map_err(Failure::of_read))
    }

    fn write(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let may_wait =
            |request: &StoreRequest| request.class() == RequestClass::Soft || *request == StoreRequest::Probe;
        let mut batch = WriteBatch::new(requests.iter().all(may_wait));
        let asked = checked(requests, |request| batch.push(request));
        let called = match batch.is_empty() {
            true => Ok(Vec::new()),
            false => lock(&self.writer).call(WRITE, &batch.parameters()),
        };
        self.answer(requests, asked, called.map_err(Failure::of_write))
    }

    /// Puts together what was said of each request.
    fn answer(
        &self,
        requests: &[StoreRequest],
        asked: Vec<Result<Ops, StoreError>>,
        called: Result<Vec<Row>, StoreError>,
    ) -> Vec<StoreResult> {
        let ops = asked.iter().flatten().map(|ops| ops.end).max().unwrap_or(0);
        let answers = called.and_then(|rows| Answers::read(&rows, ops));
        let answer = |(request, asked): (&StoreRequest, Result<Ops, StoreError>)| {
            let ops = asked?;
            match &answers {
                // A turn asks for nothing of the database.
                Ok(_) if *request == StoreRequest::SoftTurn => Ok(StoreReply::SoftTurn),
                Ok(answers) => answers.reply(request, ops),
                Err(error) => Err(error.clone()),
            }
        };
        let results: Vec<StoreResult> = requests.iter().zip(asked).map(answer).collect();
        for result in &results {
            if let Ok(StoreReply::StoreGeneration(generation)) = result {
                self.known.raised(*generation);
            }
        }
        results
    }
}

impl Store for PostgresStore {
    fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let is_read = |request: &StoreRequest| request.class() == RequestClass::Read;
        let mut results = Vec::with_capacity(requests.len());
        for alike in requests.chunk_by(|one, next| is_read(one) == is_read(next)) {
            results.extend(match alike.iter().all(is_read) {
                true => self.read(alike),
                false => self.write(alike),
            });
        }
        results
    }

    fn identity(&self) -> StoreIdentity {
        self.known.identity()
    }
}

/// The ops that each request has become; what breaks a limit becomes none.
fn checked<'a>(
    requests: &'a [StoreRequest],
    mut push: impl FnMut(&'a StoreRequest) -> Ops,
) -> Vec<Result<Ops, StoreError>> {
    let asked = requests
        .iter()
        .map(|request| rules::check(request).map(|()| push(request)));
    asked.collect()
}

/// The answer to a call that has panicked is dropped by its connection, and each later one gets its own. So a poisoned lock
/// guards nothing broken.
fn lock(link: &Mutex<Link>) -> MutexGuard<'_, Link> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cannot_start(address: &PostgresAddress, error: &io::Error) -> PostgresError {
    PostgresError::new(address, StoreError::Unavailable(error.to_string()))
}
