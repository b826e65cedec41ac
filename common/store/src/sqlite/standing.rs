//! Whether a file holds the world that its nodes remember, as far as it had come: looked at before anything is created,
//! migrated or merged, so that what is refused stays as it was found.
//!
//! Two marks tell. The one beside the file is of the newest round of any node, and notices the loss of a log. The one in a
//! node's data directory is of its own last round, is there also when everything beside the file was exchanged, and is
//! compared with what the store has of this node, so that no other node can go on for it.

use std::fs;
use std::io;
use std::path::Path;

use protocol::ids::{NodeNumber, WorldId};
use rusqlite::Connection;

use super::open::{self, before_commit, schema_version};
use super::open_error::{Behind, Mismatch, OpenCause, Witness};
use super::{Membership, cluster, fault::Failure, place};
use crate::StoreError;
use crate::mark::{MarkError, StoreMark};

/// Since which schema version a store has an id of its world, and a progress.
const WORLD_SINCE: i64 = 4;
const PROGRESS_SINCE: i64 = 5;
/// Since which one it has what each node remembers.
const NODE_MARK_SINCE: i64 = 8;

/// What a node does about a store that is not as it remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// It refuses.
    #[default]
    Remembered,
    /// The operator insists: whatever is there counts from now on.
    Whatever,
}

/// How a store stands to what is remembered of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// As it should, or nobody remembers anything, or the operator insists on another world.
    Well,
    /// An older state that the operator insists on. Epochs that were given out since may have reached somebody, so all from
    /// now on have to lie above this generation.
    SetBack(u16),
}

/// What a file holds.
#[derive(Clone, Copy, Debug)]
struct Found {
    world: Option<WorldId>,
    generation: u16,
    progress: u64,
    /// As the node that looks was last told of.
    progress_of_node: u64,
    at_ms: u64,
}

/// Compares the file with what is remembered, and changes nothing.
pub(super) fn check(path: &Path, member: &Membership<'_>) -> Result<Standing, OpenCause> {
    let own = known(StoreMark::read(member.data), member.accept)?;
    let beside = known(
        StoreMark::read_file(&place::beside(path, place::MARK)),
        member.accept,
    )?;
    if own.or(beside).is_none() {
        return Ok(Standing::Well);
    }
    let found = look(path, member.node)?;
    let mut standing = Standing::Well;
    for (mark, witness) in [(own, Witness::ThisNode), (beside, Witness::AllNodes)] {
        let mismatch = mark.and_then(|mark| compare(found, &mark, witness));
        match (member.accept, mismatch) {
            (Accept::Remembered, Some(mismatch)) => return Err(mismatch.into()),
            (Accept::Whatever, Some(Mismatch::Older { generation, .. })) => {
                standing = standing.max(Standing::SetBack(generation));
            }
            (_, None) | (Accept::Whatever, Some(_)) => {}
        }
    }
    Ok(standing)
}

/// Whoever insists does without a mark that cannot be read.
fn known(read: Result<Option<StoreMark>, MarkError>, accept: Accept) -> Result<Option<StoreMark>, MarkError> {
    match accept {
        Accept::Remembered => read,
        Accept::Whatever => Ok(read.unwrap_or_default()),
    }
}

fn compare(found: Option<Found>, mark: &StoreMark, witness: Witness) -> Option<Mismatch> {
    let Some(found) = found else {
        return Some(Mismatch::Lost {
            world: mark.world,
            witness,
        });
    };
    if let Some(world) = found.world.filter(|world| *world != mark.world) {
        return Some(Mismatch::OtherWorld {
            found: world,
            remembered: mark.world,
            witness,
        });
    }
    let progress = match witness {
        Witness::ThisNode => found.progress_of_node,
        Witness::AllNodes => found.progress,
    };
    // Where the generation was raised, an older state was put back on purpose. A store that is ahead was counted in when
    // the node died, or could not write, before it had noted that.
    if (found.generation, progress) >= (mark.generation, mark.progress) {
        return None;
    }
    Some(Mismatch::Older {
        world: mark.world,
        witness,
        by: Behind {
            generations: mark.generation - found.generation,
            rounds: mark.progress.saturating_sub(progress),
            seconds: mark.at_ms.saturating_sub(found.at_ms) / 1000,
        },
        generation: mark.generation,
    })
}

/// `None`: nothing was ever written into it.
fn look(path: &Path, node: NodeNumber) -> Result<Option<Found>, OpenCause> {
    match fs::metadata(path) {
        Ok(file) if file.len() == 0 => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let connection = before_commit(open::to_look(path))?;
    if before_commit(open::is_foreign(&connection))? {
        return Err(OpenCause::NotAStore);
    }
    let schema = before_commit(schema_version(&connection))?;
    if schema == 0 {
        return Ok(None);
    }
    let world = match schema >= WORLD_SINCE {
        true => Some(open::world(&connection)?),
        false => None,
    };
    let (generation, progress, at_ms) = match schema >= PROGRESS_SINCE {
        true => before_commit(cluster::progress(&connection))?,
        false => (before_commit(cluster::generation(&connection))?, 0, 0),
    };
    let progress_of_node = match schema >= NODE_MARK_SINCE {
        true => before_commit(cluster::progress_of(&connection, node))?,
        false => progress,
    };
    Ok(Some(Found {
        world,
        generation,
        progress,
        progress_of_node,
        at_ms,
    }))
}

/// Begins a generation above `above`: nobody owns or serves anything that was owned or served in an older one, and no number
/// comes twice that was given out since the state that is gone on from.
pub(super) fn raise_above(connection: &Connection, above: u16) -> Result<u16, StoreError> {
    const BEGIN_ANEW: &str = "UPDATE player SET owner = NULL; DELETE FROM region; DELETE FROM node_lease";
    let raise = || {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        while cluster::generation(connection)? <= above {
            cluster::raise_generation(connection)?;
        }
        connection.execute_batch(BEGIN_ANEW)?;
        connection.execute_batch("COMMIT")?;
        Ok(cluster::generation(connection)?)
    };
    raise().map_err(|failure: Failure| match failure {
        Failure::Request(error) | Failure::Batch(error) => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORLD: WorldId = WorldId([1; 16]);

    fn found(generation: u16, progress: u64) -> Option<Found> {
        Some(Found {
            world: Some(WORLD),
            generation,
            progress,
            progress_of_node: progress,
            at_ms: progress * 30_000,
        })
    }

    #[test]
    fn an_empty_another_and_an_older_store_are_told_apart_and_a_raised_generation_is_a_restore() {
        let mark = StoreMark {
            world: WORLD,
            generation: 2,
            progress: 10,
            at_ms: 300_000,
        };
        let witness = Witness::AllNodes;
        let compare = |found| compare(found, &mark, witness);
        assert_eq!(compare(found(2, 10)), None);
        assert_eq!(compare(found(2, 11)), None);
        assert_eq!(compare(found(3, 4)), None, "restored on purpose");
        assert_eq!(
            compare(None),
            Some(Mismatch::Lost {
                world: WORLD,
                witness
            })
        );
        let by = |generations, rounds, seconds| Mismatch::Older {
            world: WORLD,
            witness,
            by: Behind {
                generations,
                rounds,
                seconds,
            },
            generation: 2,
        };
        assert_eq!(compare(found(2, 8)), Some(by(0, 2, 60)));
        assert_eq!(compare(found(1, 12)), Some(by(1, 0, 0)));
        let other = Found {
            world: Some(WorldId([2; 16])),
            ..found(9, 99).unwrap()
        };
        assert!(matches!(compare(Some(other)), Some(Mismatch::OtherWorld { .. })));
        let unnamed = Found {
            world: None,
            ..found(2, 0).unwrap()
        };
        assert!(matches!(compare(Some(unnamed)), Some(Mismatch::Older { .. })));
    }
    #[test]
    fn a_node_is_told_by_its_own_rounds_whatever_others_have_counted_since() {
        let mark = StoreMark {
            world: WORLD,
            generation: 2,
            progress: 10,
            at_ms: 300_000,
        };
        let of_node = |progress_of_node| {
            let found = Found {
                progress_of_node,
                ..found(2, 50).unwrap()
            };
            compare(Some(found), &mark, Witness::ThisNode)
        };
        assert_eq!(of_node(10), None);
        assert_eq!(of_node(12), None, "it died before it had noted its last round");
        assert!(matches!(of_node(9), Some(Mismatch::Older { .. })));
    }
}
