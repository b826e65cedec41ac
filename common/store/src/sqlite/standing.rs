//! Whether a file holds the world that a node remembers, as far as it had come: looked at before anything is created,
//! migrated or merged, so that what is refused stays as it was found.

use std::fs;
use std::io;
use std::path::Path;

use protocol::ids::WorldId;
use rusqlite::Connection;

use super::open::{self, before_commit, schema_version};
use super::open_error::{Behind, Mismatch, OpenCause};
use super::{cluster, fault::Failure};
use crate::StoreError;
use crate::mark::StoreMark;

/// Since which schema version a store has an id of its world, and a progress.
const WORLD_SINCE: i64 = 4;
const PROGRESS_SINCE: i64 = 5;

/// What a node does about a store that is not as it remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// It refuses.
    #[default]
    Remembered,
    /// The operator insists: whatever is there counts from now on.
    Whatever,
}

/// How a store stands to what a node remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    at_ms: u64,
}

/// Compares the file with what the node remembers, and changes nothing.
pub(super) fn check(path: &Path, mark: Option<&StoreMark>, accept: Accept) -> Result<Standing, OpenCause> {
    let Some(mark) = mark else {
        return Ok(Standing::Well);
    };
    let Some(mismatch) = compare(look(path)?, mark) else {
        return Ok(Standing::Well);
    };
    match (accept, mismatch) {
        (Accept::Remembered, mismatch) => Err(mismatch.into()),
        (Accept::Whatever, Mismatch::Older { .. }) => Ok(Standing::SetBack(mark.generation)),
        (Accept::Whatever, _) => Ok(Standing::Well),
    }
}

fn compare(found: Option<Found>, mark: &StoreMark) -> Option<Mismatch> {
    let Some(found) = found else {
        return Some(Mismatch::Lost(mark.world));
    };
    if let Some(world) = found.world.filter(|world| *world != mark.world) {
        return Some(Mismatch::OtherWorld {
            found: world,
            remembered: mark.world,
        });
    }
    // Where the generation was raised, an older state was put back on purpose.
    if (found.generation, found.progress) >= (mark.generation, mark.progress) {
        return None;
    }
    Some(Mismatch::Older {
        world: mark.world,
        by: Behind {
            generations: mark.generation - found.generation,
            rounds: mark.progress.saturating_sub(found.progress),
            seconds: mark.at_ms.saturating_sub(found.at_ms) / 1000,
        },
        generation: mark.generation,
    })
}

/// `None`: nothing was ever written into it.
fn look(path: &Path) -> Result<Option<Found>, OpenCause> {
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
    Ok(Some(Found {
        world,
        generation,
        progress,
        at_ms,
    }))
}

/// Begins a generation above `above`: nobody owns or serves anything that was owned or served in an older one, and no number
/// comes twice that was given out since the state that is gone on from.
pub(super) fn raise_above(connection: &Connection, above: u16) -> Result<u16, StoreError> {
    const BEGIN_ANEW: &str = "UPDATE player SET owner = NULL; DELETE FROM region";
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
        let compare = |found| compare(found, &mark);
        assert_eq!(compare(found(2, 10)), None);
        assert_eq!(compare(found(2, 11)), None);
        assert_eq!(compare(found(3, 4)), None, "restored on purpose");
        assert_eq!(compare(None), Some(Mismatch::Lost(WORLD)));
        let by = |generations, rounds, seconds| Mismatch::Older {
            world: WORLD,
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
}
