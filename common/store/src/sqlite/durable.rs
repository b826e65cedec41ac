//! Durable commands: a player's row and its holdings change under one savepoint, or not at all.

use rusqlite::Connection;

use super::fault::Failure;
use super::moment::Moment;
use super::moves::By;
use super::players;
use super::savepoint::{Step, all_or_nothing};
use super::valuables;
use crate::StoreReply;
use crate::reply::CommitOutcome;
use crate::request::DurableCommit;
use crate::row::{PlayerSave, Serving};

pub(super) fn commit_all(
    connection: &Connection,
    serving: Serving,
    commits: &[DurableCommit],
    at: Moment,
) -> Result<StoreReply, Failure> {
    let committed = commits.iter().map(|one| commit(connection, serving, one, at));
    committed.collect::<Result<_, _>>().map(StoreReply::Committed)
}

fn commit(
    connection: &Connection,
    serving: Serving,
    commit: &DurableCommit,
    at: Moment,
) -> Result<CommitOutcome, Failure> {
    let by = By {
        node: serving.node,
        user: commit.save.user,
        at,
    };
    let outcome = all_or_nothing(connection, || {
        if !players::write_served(connection, serving, &commit.save, at)? {
            return Ok(Step::TakeBack(why_not_written(
                connection,
                serving,
                &commit.save,
            )?));
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
    serving: Serving,
    save: &PlayerSave,
) -> Result<CommitOutcome, Failure> {
    let standing = players::standing(connection, save.user)?;
    let Some(row) = standing.filter(|row| row.is_owned(serving.node, save)) else {
        return Ok(CommitOutcome::FencedByEpoch);
    };
    let is_repeated = row.version == save.version
        && row.last_command == save.body.last_command
        && row.chain_hash == save.body.chain_hash;
    Ok(match is_repeated {
        true => CommitOutcome::Applied,
        false if row.is_under(connection, serving)? => CommitOutcome::Older,
        false => CommitOutcome::FencedByEpoch,
    })
}
