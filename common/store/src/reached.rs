//! How far a world had come that is restored from an older copy. All numbers from then on have to lie above every one that was
//! given out since the copy was made, and the copy does not know them.

use std::path::PathBuf;

use protocol::Shown;
use protocol::ids::WorldId;

use crate::mark::{MARK_FILE, MarkError, StoreMark};

/// What the operator knows of it, beside the copy and the store that is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// A generation that some node has seen, or more.
    pub above: Option<u16>,
    /// Data directories of nodes, which remember it.
    pub data: Vec<PathBuf>,
}

/// Why nobody knows it.
#[derive(Debug, thiserror::Error)]
pub enum ReachedError {
    /// A directory says nothing that can be read.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// No node has used it.
    #[error("{} has no {MARK_FILE}: name the data directories of nodes that have worked on this world", Shown(.0.display()))]
    NoMark(PathBuf),
    /// Its node has worked on another world.
    #[error("the node of {} remembers world {found}, and the backup is of world {world}", Shown(path.display()))]
    OtherWorld {
        /// The directory.
        path: PathBuf,
        /// Its world.
        found: WorldId,
        /// The backup's.
        world: WorldId,
    },
    /// Nothing is left that knows.
    #[error(
        "nobody tells which generation this world had reached, and numbers could be given out twice: name the data directories of all its nodes \
         with --data DIR, or with --above a generation that it surely had not reached (that of the backup is {0})"
    )]
    Unknown(u16),
}

impl Reached {
    /// The generation that a new one has to lie above, for a copy of `world` at generation `copied`; `found` is what the replaced
    /// store says, and whatever else is there.
    pub(crate) fn generation(
        &self,
        world: WorldId,
        copied: u16,
        found: Option<u16>,
    ) -> Result<u16, ReachedError> {
        let mut known = self.above.max(found);
        for path in &self.data {
            let mark = StoreMark::read(path)?.ok_or_else(|| ReachedError::NoMark(path.clone()))?;
            if mark.world != world {
                let (path, found) = (path.clone(), mark.world);
                return Err(ReachedError::OtherWorld { path, found, world });
            }
            known = known.max(Some(mark.generation));
        }
        let known = known.ok_or(ReachedError::Unknown(copied))?;
        Ok(known.max(copied))
    }
}
