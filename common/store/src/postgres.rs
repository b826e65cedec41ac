//! The store of a cluster: one PostgreSQL database for all its hosts.
//!
//! A batch is one call of one function, which is one transaction and one round trip: nobody who is stopped in the middle holds
//! a lock. Each of the store's two threads has a connection and a run time of its own.

mod accounts;
mod address;
mod answers;
pub mod backup;
mod call;
pub mod candidates;
mod changes;
mod copy_file;
mod creatures;
mod credentials;
mod fault;
mod fields;
mod grants;
mod keeper;
mod leases;
mod link;
pub mod logins;
mod membership;
mod op;
mod ops;
mod outcome;
mod parameter;
mod password;
mod pooler;
mod refusal;
mod report;
mod reports;
mod schema;
mod statements;
mod tls;
#[cfg(feature = "postgres-tests")]
pub mod trial;

use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::ids::{NodeNumber, TopologyVersion};
use protocol::node_handshake::StoreIdentity;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::request::RequestClass;
use crate::{LeaseStore, Membership, Store, StoreError, StoreReply, StoreRequest, StoreResult, rules};
pub use address::{AddressError, PostgresAddress};
use answers::Answers;
use call::Call;
pub use copy_file::CopyFileError;
use fault::Failure;
use keeper::Keeper;
use leases::{HolderBatch, LeaseBatch};
use link::{Known, Link, Patience};
use membership::Absences;
use ops::{Ops, ReadBatch, WriteBatch};
use parameter::limited;
pub use password::PasswordError;
pub use refusal::{PostgresCause, PostgresError};
pub use report::DatabaseReport;
pub use tls::TrustError;

/// A store in a database. Any number of processes may have it open.
#[derive(Debug)]
pub struct PostgresStore {
    /// Makes its last round first.
    keeper: Option<Keeper>,
    address: PostgresAddress,
    known: Arc<Known>,
    writer: Mutex<Link>,
    reader: Mutex<Link>,
    absences: Mutex<Absences>,
}

impl PostgresStore {
    /// Opens the store in a database, whose tables have to be up to date. Blocks; not to be called from within a run time.
    ///
    /// # Errors
    /// `PostgresError` names the database and what is wrong with it.
    pub fn open(address: &PostgresAddress) -> Result<Self, PostgresError> {
        of_address(address, || Self::connect(address))
    }

    /// Opens the store of a cluster for one of its nodes, as [`open`](Self::open) does. A new store is that cluster's from then on.
    /// While the node has it open, no other process of that node gets it, and the node remembers how far it is; a store that is
    /// not as the node remembers it is refused.
    ///
    /// # Errors
    /// `PostgresError`, also when the store is another cluster's or not as remembered.
    pub fn open_as(address: &PostgresAddress, member: &Membership<'_>) -> Result<Self, PostgresError> {
        of_address(address, || {
            let mut store = Self::connect(address)?;
            // It holds a lock for as long as it lives.
            let link = || Link::new(&address.direct(), &store.known, Patience::USUAL);
            let (mut link, mut other) = (link()?, link()?);
            link.open()?;
            pooler::refuse(&mut link, &mut other)?;
            other.close();
            store.keeper = Some(membership::enter(link, member)?);
            Ok(store)
        })
    }

    fn connect(address: &PostgresAddress) -> Result<Self, PostgresCause> {
        let known = Arc::<Known>::default();
        let mut writer = Link::new(address, &known, Patience::USUAL)?;
        writer.open().map_err(|error| match known.risk() {
            Some(risk) => PostgresCause::Risk(risk),
            None => error.into(),
        })?;
        Ok(Self {
            keeper: None,
            address: address.clone(),
            reader: Mutex::new(Link::new(address, &known, Patience::USUAL)?),
            writer: Mutex::new(writer),
            absences: Mutex::default(),
            known,
        })
    }

    /// Whether a process of this node works on the store, or did so within the last seconds. Blocks.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn has(&self, node: NodeNumber) -> Result<bool, StoreError> {
        let mut absences = self.absences.lock().unwrap_or_else(PoisonError::into_inner);
        absences.has(&mut lock(&self.reader), node)
    }

    /// The same store on connections of its own, for leases: no batch is in front of a renewal, and nothing blocks for longer
    /// than 2 s. They are made when something is asked.
    ///
    /// # Errors
    /// The system refuses.
    pub fn lease_store(&self) -> std::io::Result<Arc<dyn LeaseStore>> {
        let link = || Link::new(&self.address, &self.known, Patience::BRIEF).map(Mutex::new);
        Ok(Arc::new(Self {
            keeper: None,
            address: self.address.clone(),
            known: Arc::clone(&self.known),
            writer: link()?,
            reader: link()?,
            absences: Mutex::default(),
        }))
    }

    /// What a database holds, for people; nodes may work on it meanwhile. Reads all of it. Blocks.
    ///
    /// # Errors
    /// `PostgresError`: there is no store of this version.
    pub fn report(address: &PostgresAddress) -> Result<DatabaseReport, PostgresError> {
        of_address(address, || {
            let mut link = Link::new(address, &Arc::default(), Patience::USUAL)?;
            link.open()?;
            Ok(report::read(&mut link)?)
        })
    }

    /// Makes the tables and functions of a store in a database, or brings them up to date; says from which schema version to
    /// which. Blocks; not to be called from within a run time.
    ///
    /// # Errors
    /// `PostgresError`, also when nodes work on an older version; nothing was changed then.
    pub fn migrate(address: &PostgresAddress) -> Result<(i64, i64), PostgresError> {
        of_address(address, || Link::alone(address, schema::migrate)?)
    }

    /// Ends all connections.
    pub fn close(mut self) {
        drop(self.keeper.take());
        for link in [self.writer, self.reader] {
            link.into_inner().unwrap_or_else(PoisonError::into_inner).close();
        }
    }

    fn read(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let mut batch = ReadBatch::default();
        let asked = checked(requests, |request| batch.push(request));
        let called = lock(&self.reader).call(Call::Read.statement(), &batch.parameters());
        self.answer(requests, asked, called.map_err(Failure::of_read))
    }

    fn read_holders(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let mut batch = HolderBatch::default();
        let asked = checked(requests, |request| batch.push(request));
        let called = lock(&self.reader).call(Call::ReadHolders.statement(), &batch.parameters());
        self.answer(requests, asked, called.map_err(Failure::of_read))
    }

    fn write(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let may_wait =
            |request: &StoreRequest| request.class() == RequestClass::Soft || *request == StoreRequest::Probe;
        let mut batch = WriteBatch::new(requests.iter().all(may_wait));
        let asked = checked(requests, |request| batch.push(request));
        let called = match batch.is_empty() {
            true => Ok(Vec::new()),
            false => lock(&self.writer).call(Call::Write.statement(), &batch.parameters()),
        };
        self.answer(requests, asked, called.map_err(Failure::of_write))
    }

    fn change_leases(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let mut batch = LeaseBatch::default();
        let asked = checked(requests, |request| batch.push(request));
        let called = match batch.is_empty() {
            true => Ok(Vec::new()),
            false => lock(&self.writer).call(Call::ChangeLeases.statement(), &batch.parameters()),
        };
        self.answer(requests, asked, called.map_err(Failure::of_write))
    }

    /// One after the other.
    fn creatures(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let alone = requests.iter().map(|request| {
            let asked = checked(slice::from_ref(request), |_| 0..1);
            if asked.iter().any(Result::is_err) {
                return self.answer(slice::from_ref(request), asked, Ok(Vec::new()));
            }
            let statement = Call::of(request).statement();
            let called = match request {
                StoreRequest::WriteCreatures {
                    serving,
                    version,
                    changes,
                } => {
                    let writing = creatures::Writing::new(*serving, *version, changes);
                    let called = lock(&self.writer).call(statement, &writing.parameters());
                    called.map_err(Failure::of_write)
                }
                StoreRequest::ReadCreatures {
                    region,
                    wanted,
                    after,
                } => {
                    let reading = creatures::Reading::new(*region, *wanted, *after);
                    let called = lock(&self.reader).call(statement, &reading.parameters());
                    called.map_err(Failure::of_read)
                }
                _ => Ok(Vec::new()),
            };
            self.answer(slice::from_ref(request), asked, called)
        });
        alone.flatten().collect()
    }

    /// One after the other.
    fn accounts(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        let alone = requests.iter().map(|request| {
            rules::check(request)?;
            let StoreRequest::Account(asked) = request else {
                return Err(StoreError::Invalid("a request of another kind"));
            };
            let link = if asked.is_read() {
                &self.reader
            } else {
                &self.writer
            };
            credentials::carry_out(&mut lock(link), asked)
        });
        alone.collect()
    }

    /// However often the same one is noted, once will do.
    fn note(&self, requests: &[StoreRequest], version: TopologyVersion) -> Vec<StoreResult> {
        let asked = checked(requests, |_| 0..1);
        let called = lock(&self.writer).call(
            Call::Note(version).statement(),
            &[(&limited(version.0), Type::INT8)],
        );
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
                Ok(answers) => match Call::of(request) {
                    Call::Read | Call::Write | Call::Note(_) => answers.reply(request, ops),
                    Call::ReadCreatures | Call::WriteCreatures => {
                        creatures::reply(request, answers.of_request(request, ops)?)
                    }
                    Call::ReadHolders | Call::ChangeLeases => {
                        leases::reply(request, answers.of_one(request, ops)?)
                    }
                    // Has answers of its own.
                    Call::Account => Err(StoreError::Invalid("a request of another kind")),
                },
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
        let mut results = Vec::with_capacity(requests.len());
        for alike in requests.chunk_by(|one, next| Call::of(one) == Call::of(next)) {
            results.extend(match alike.first().map(Call::of) {
                Some(Call::Read) => self.read(alike),
                Some(Call::ReadHolders) => self.read_holders(alike),
                Some(Call::ChangeLeases) => self.change_leases(alike),
                Some(Call::Note(version)) => self.note(alike, version),
                Some(Call::ReadCreatures | Call::WriteCreatures) => self.creatures(alike),
                Some(Call::Account) => self.accounts(alike),
                Some(Call::Write) | None => self.write(alike),
            });
        }
        results
    }

    fn identity(&self) -> StoreIdentity {
        self.known.identity()
    }
}

impl LeaseStore for PostgresStore {
    fn is_held(&self, node: NodeNumber) -> Result<bool, StoreError> {
        membership::is_held(&mut lock(&self.reader), node)
    }

    fn session(&self) -> u64 {
        lock(&self.reader).sessions()
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

fn of_address<T>(
    address: &PostgresAddress,
    work: impl FnOnce() -> Result<T, PostgresCause>,
) -> Result<T, PostgresError> {
    work().map_err(|cause| PostgresError::new(address, cause))
}
