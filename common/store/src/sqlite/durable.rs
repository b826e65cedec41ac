//! Durable commands: a player's row and its holdings change under one savepoint, or not at all.

use protocol::ids::NodeNumber;
use rusqlite::Connection;

use super::fault::Failure;
use super::moment::Moment;
use super::moves::By;
use super::players::{self, Standing};
use super::savepoint::{Step, all_or_nothing};
use super::valuables;
use crate::StoreReply;
use crate::reply::CommitOutcome;
use crate::request::DurableCommit;
use crate::row::PlayerSave;

pub(super) fn commit_all(
    connection: &Connection,
    owner: NodeNumber,
    commits: &[DurableCommit],
    at: Moment,
) -> Result<StoreReply, Failure> {
    let committed = commits.iter().map(|one| commit(connection, owner, one, at));
    committed.collect::<Result<_, _>>().map(StoreReply::Committed)
}

fn commit(
    connection: &Connection,
    owner: NodeNumber,
    commit: &DurableCommit,
    at: Moment,
) -> Result<CommitOutcome, Failure> {
    let by = By {
        node: owner,
        user: commit.save.user,
        at,
    };
    let outcome = all_or_nothing(connection, || {
        if !players::write_newer(connection, owner, &commit.save, at)? {
            return Ok(Step::TakeBack(why_not_written(connection, owner, &commit.save)?));
        }
        for change in &commit.changes {
            if let Some(refusal) = valuables::make(connection, by, change)? {
                return Ok(Step::TakeBack(refusal));
            }
        }
        Ok(Step::Keep(CommitOutcome::Applied))
    });
    players::or_nobodys(outcome, commit.save.user, CommitOutcome::FencedByEpoch)
}

/// The same version with the same commands behind it is the same commit, come twice.
fn why_not_written(
    connection: &Connection,
    owner: NodeNumber,
    save: &PlayerSave,
) -> Result<CommitOutcome, Failure> {
    let standing = players::standing(connection, save.user)?;
    let Some(row) = standing.filter(|row| row.is_owned(owner, save)) else {
        return Ok(CommitOutcome::FencedByEpoch);
    };
    let Standing {
        version,
        last_command,
        chain_hash,
        ..
    } = row;
    let same = version == save.version
        && last_command == save.body.last_command
        && chain_hash == save.body.chain_hash;
    Ok(if same {
        CommitOutcome::Applied
    } else {
        CommitOutcome::Older
    })
}
