//! The store as a node has it: a file for the processes of one machine, or a database for several hosts, whatever its settings
//! name.

use std::path::Path;
use std::sync::Arc;

use protocol::ids::NodeNumber;
use protocol::node_handshake::StoreIdentity;

#[cfg(feature = "postgres")]
use crate::postgres::{AddressError, PostgresAddress, PostgresError, PostgresStore};
use crate::sqlite::{OpenError, SqliteStore};
use crate::{LeaseStore, Membership, Store, StoreError, StoreRequest, StoreResult};

/// What the address of a database begins with.
const DATABASES: &[&str] = &["postgres:", "postgresql:"];

/// An open store.
#[derive(Debug)]
pub enum NodeStore {
    /// A file.
    File(Box<SqliteStore>),
    /// A database.
    #[cfg(feature = "postgres")]
    Database(Box<PostgresStore>),
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum NodeStoreError {
    /// The file.
    #[error(transparent)]
    File(#[from] OpenError),
    /// The address of the database.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The database.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Database(#[from] PostgresError),
    /// It was left out.
    #[error("this program was built without PostgreSQL (the feature `postgres` of the crate `store`)")]
    NotBuilt,
}

impl NodeStoreError {
    /// Whether it may be well the next time, without anybody changing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::File(error) => error.may_pass(),
            #[cfg(feature = "postgres")]
            Self::Address(_) => false,
            #[cfg(feature = "postgres")]
            Self::Database(error) => error.may_pass(),
            Self::NotBuilt => false,
        }
    }
}

/// Whether a setting names a database, and no file.
#[must_use]
pub fn is_database(place: &Path) -> bool {
    let place = place.to_string_lossy();
    DATABASES.iter().any(|scheme| place.starts_with(scheme))
}

impl NodeStore {
    /// Opens the store that `place` names, a file or the address of a database, for one of the nodes of a cluster. Blocks.
    ///
    /// # Errors
    /// `NodeStoreError`, also when the store is another cluster's or not as remembered.
    pub fn open_as(place: &Path, member: &Membership<'_>) -> Result<Self, NodeStoreError> {
        if !is_database(place) {
            return Ok(Self::File(Box::new(SqliteStore::open_as(place, member)?)));
        }
        #[cfg(feature = "postgres")]
        return {
            let address = PostgresAddress::parse(&place.to_string_lossy())?;
            Ok(Self::Database(Box::new(PostgresStore::open_as(
                &address, member,
            )?)))
        };
        #[cfg(not(feature = "postgres"))]
        Err(NodeStoreError::NotBuilt)
    }

    /// Opens a store for an operator, who is no node. Blocks.
    ///
    /// # Errors
    /// `NodeStoreError`.
    pub fn open(place: &Path) -> Result<Self, NodeStoreError> {
        if !is_database(place) {
            return Ok(Self::File(Box::new(SqliteStore::open(place)?)));
        }
        #[cfg(feature = "postgres")]
        return {
            let address = PostgresAddress::parse(&place.to_string_lossy())?;
            Ok(Self::Database(Box::new(PostgresStore::open(&address)?)))
        };
        #[cfg(not(feature = "postgres"))]
        Err(NodeStoreError::NotBuilt)
    }

    /// Whether a process of this node works on the store.
    ///
    /// # Errors
    /// The store does not say.
    pub fn has(&self, node: NodeNumber) -> Result<bool, StoreError> {
        match self {
            Self::File(file) => file
                .has(node)
                .map_err(|error| StoreError::Unavailable(error.to_string())),
            #[cfg(feature = "postgres")]
            Self::Database(database) => database.has(node),
        }
    }

    /// A way to the store for leases, past everything else that is asked of it. `None`: a file, whose regions wait for their own
    /// server; nobody acts on leases there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn lease_store(&self) -> std::io::Result<Option<Arc<dyn LeaseStore>>> {
        match self {
            Self::File(_) => Ok(None),
            #[cfg(feature = "postgres")]
            Self::Database(database) => database.lease_store().map(Some),
        }
    }

    /// Brings everything to disk and closes all connections. Blocks.
    pub fn close(self) {
        match self {
            Self::File(file) => file.close(),
            #[cfg(feature = "postgres")]
            Self::Database(database) => database.close(),
        }
    }
}

impl Store for NodeStore {
    fn execute(&self, requests: &[StoreRequest]) -> Vec<StoreResult> {
        match self {
            Self::File(file) => file.execute(requests),
            #[cfg(feature = "postgres")]
            Self::Database(database) => database.execute(requests),
        }
    }

    fn identity(&self) -> StoreIdentity {
        match self {
            Self::File(file) => file.identity(),
            #[cfg(feature = "postgres")]
            Self::Database(database) => database.identity(),
        }
    }
}
