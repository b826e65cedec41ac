//! Why a database is refused as a store, in sentences that name the remedy.

use std::io;

use protocol::ids::{NodeNumber, TopologyVersion, WorldId};

use super::PostgresAddress;
use crate::StoreError;
use crate::mark::MarkError;

/// Why a database could not be opened as a store.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the store {address}: {cause}")]
pub struct PostgresError {
    /// Which database, without a password.
    pub address: String,
    /// What is wrong.
    pub cause: PostgresCause,
}

/// What is wrong with a database.
#[derive(Debug, thiserror::Error)]
pub enum PostgresCause {
    /// It refuses, or there is none.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it confirms may be lost.
    #[error("{0}")]
    Risk(String),
    /// The system does not let us connect, or start a thread.
    #[error(transparent)]
    System(#[from] io::Error),
    /// A connection to it is no session.
    #[error(
        "a pooler in transaction mode stands in between, and a node holds a lock in a session of the database for as long as it runs: name the database \
         itself beside the pooler, with `direct=HOST:PORT` in the address, or have the pooler keep a session for each connection (`pool_mode = session`)"
    )]
    Pooled,
    /// The store of another cluster: its epochs mean nothing here, and ours would break it.
    #[error(
        "this is the store of another cluster; name this cluster's with `store.path`, or an empty database to begin anew"
    )]
    OtherCluster,
    /// What it was told of who may serve which region is of a newer topology.
    #[error(
        "it was told of topology version {found}, and this is {offered}: go on with the authority's directory that signed that one, or sign the topology \
         again until its version is above"
    )]
    NewerTopology {
        /// In the store.
        found: TopologyVersion,
        /// Refused.
        offered: TopologyVersion,
    },
    /// A process of the same node is there already.
    #[error(
        "another process of node {0} works on it: end that one first; where it is not this node, one has a copy of the other's data directory and needs papers of its own"
    )]
    NodeRuns(NodeNumber),
    /// Nodes of the former version work on what is to be brought up to date.
    #[error(
        "nodes of the former version work on it, numbers {}: end all nodes first, and start them in the new version when this is done",
        nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    InUse {
        /// Which.
        nodes: Vec<NodeNumber>,
    },
    /// Nobody knows what the node remembers.
    #[error("{0}; to take this store as it is, start with --accept-store")]
    Mark(#[from] MarkError),
    /// It holds another world.
    #[error(
        "it holds world {found}, but this node has served world {remembered}; name that one's database with `store.path`, \
         or go over to this world on purpose with --accept-store"
    )]
    OtherWorld {
        /// In the database.
        found: WorldId,
        /// In the data directory.
        remembered: WorldId,
    },
    /// It holds an older state of the world.
    #[error(
        "it holds an older state of world {world} than this node has seen (generation {found}, and the node has seen {remembered}; by about {seconds} s): \
         it was restored, or is a server that was replaced. Name the newest with `store.path`; \
         to go on from this state on purpose, start with --accept-store, which begins a generation"
    )]
    Older {
        /// Which world.
        world: WorldId,
        /// Generation of the database.
        found: u16,
        /// The newest one that the node has seen.
        remembered: u16,
        /// How much is missing, by the clock of the database.
        seconds: u64,
    },
}

impl PostgresError {
    pub(super) fn new(address: &PostgresAddress, cause: impl Into<PostgresCause>) -> Self {
        Self {
            address: address.to_string(),
            cause: cause.into(),
        }
    }

    /// Whether it may be well the next time, without anybody changing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self.cause,
            PostgresCause::Store(StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Full(_))
                | PostgresCause::System(_)
        )
    }
}
