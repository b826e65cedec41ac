//! Why a store is refused, in sentences that name the remedy. Apart from what opens, places and compares files, since
//! all of that refuses.

use std::fmt;
use std::io;
use std::path::PathBuf;

use protocol::Shown;
use protocol::ids::{NodeNumber, WorldId};

use crate::StoreError;
use crate::mark::MarkError;

/// Why a file could not be opened as a store.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the store {}: {cause}", Shown(path.display()))]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub cause: OpenCause,
}

impl OpenError {
    /// Whether it may be well the next time, without anybody changing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            &self.cause,
            OpenCause::Store(StoreError::Unavailable(_) | StoreError::Unknown(_))
        )
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum OpenCause {
    /// The file system refuses.
    #[error(
        "{0}; the file and its directory must be there and writable for this user, or name others with `store.path`"
    )]
    File(#[from] io::Error),
    /// The database refuses.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A database that no store has made.
    #[error("this is a database of something else; name another file with `store.path`")]
    NotAStore,
    /// No file that lasts and that other processes can open.
    #[error("this is {0}; name a file on a local disk with `store.path`")]
    NotAFile(&'static str),
    /// A process of the same node is there already.
    #[error(
        "another process of node {0} works on it: end that one first; where it is not this node, one has a copy of the other's data directory and needs papers of its own"
    )]
    NodeRuns(NodeNumber),
    /// Nobody knows what the node remembers.
    #[error("{0}; to take this store as it is, start with --accept-store")]
    Mark(#[from] MarkError),
    /// It is not the store that the node remembers.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// A node has to bring its tables up to date first.
    #[error(
        "its schema version is {found}, and this program works with {known}: start a node on it once, which brings it up to date"
    )]
    OlderSchema {
        /// Version in the file.
        found: i64,
        /// Version of this program.
        known: i64,
    },
    /// The store of another cluster: its epochs mean nothing here, and ours would break it.
    #[error(
        "this is the store of another cluster; name this cluster's with `store.path`, or a new file to begin anew"
    )]
    OtherCluster,
}

/// Who remembers a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The node that opens it, in its data directory.
    ThisNode,
    /// All that have had it open, by the mark beside the file.
    AllNodes,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThisNode => "this node has seen",
            Self::AllNodes => "by the mark beside it (.mark) its nodes have seen",
        })
    }
}

/// A store that is not as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// There is no world in it.
    #[error(
        "there is no world in it, but {witness} world {world}: the file or its log beside it (-wal) is lost, or this is not the right file. \
         Name that one with `store.path`, put the files back, or restore a backup with `regionmesh store restore`; \
         to begin a new world on purpose, start with --accept-store"
    )]
    Lost {
        /// Which.
        world: WorldId,
        /// Who says so.
        witness: Witness,
    },
    /// It holds another world.
    #[error(
        "it holds world {found}, but {witness} world {remembered}; name that one's file with `store.path`, \
         or go over to this world on purpose with --accept-store"
    )]
    OtherWorld {
        /// In the file.
        found: WorldId,
        /// Outside of the file.
        remembered: WorldId,
        /// Who says so.
        witness: Witness,
    },
    /// It holds an older state of the world.
    #[error(
        "it holds an older state of world {world} than {witness}, by {by}: its log (-wal) is lost or of another time, or this is a copy. \
         Put the newest file and its log back, or restore a backup with `regionmesh store restore --above {generation}`; \
         to go on from this state on purpose, start with --accept-store"
    )]
    Older {
        /// Which world.
        world: WorldId,
        /// Who says so.
        witness: Witness,
        /// How much is missing.
        by: Behind,
        /// The newest generation that is remembered.
        generation: u16,
    },
}

/// How much of a world is missing, in rounds of the keeper and in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The generation is a former one.
    pub generations: u16,
    /// Rounds.
    pub rounds: u64,
    /// Seconds, by the clocks of then.
    pub seconds: u64,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.generations > 0 {
            write!(f, "{} restore(s)", self.generations)
        } else {
            write!(f, "about {} s ({} rounds)", self.seconds, self.rounds)
        }
    }
}
