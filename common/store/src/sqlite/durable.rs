//! Durable commands: a player's row and its holdings change under one savepoint, or not at all.

use protocol::ids::{NodeNumber, UserId};
use rusqlite::Connection;

use super::fault::Failure;
use super::moment::Moment;
use super::players::{self, Standing};
use super::savepoint::{Step, all_or_nothing};
use super::statement::query;
use crate::StoreReply;
use crate::holding::HoldingChange;
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
    let outcome = all_or_nothing(connection, || {
        if !players::write_newer(connection, owner, &commit.save, at)? {
            return Ok(Step::TakeBack(why_not_written(connection, owner, &commit.save)?));
        }
        for change in &commit.changes {
            if let Some(refusal) = make(connection, commit.save.user, *change)? {
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

/// Makes one change; `Some` says why it cannot be made.
fn make(
    connection: &Connection,
    user: UserId,
    change: HoldingChange,
) -> Result<Option<CommitOutcome>, Failure> {
    const TAKE: &str = "UPDATE holding SET user = ?2, region = NULL, x = NULL, y = NULL
        WHERE id = ?1 AND region = ?3";
    const GIVE: &str = "UPDATE holding SET user = ?3 WHERE id = ?1 AND user = ?2
        AND EXISTS (SELECT 1 FROM player WHERE user = ?3)";
    const DROP: &str =
        "UPDATE holding SET user = NULL, region = ?3, x = ?4, y = ?5 WHERE id = ?1 AND user = ?2";
    let (id, owner) = (change.holding(), user.0);
    let statement = match change {
        HoldingChange::Take { region, .. } => query(connection, TAKE).number(id).number(owner).bind(region.0),
        HoldingChange::Give { to, .. } => query(connection, GIVE).number(id).number(owner).number(to.0),
        HoldingChange::Drop { region, x, y, .. } => query(connection, DROP)
            .number(id)
            .number(owner)
            .bind(region.0)
            .bind(f64::from(x))
            .bind(f64::from(y)),
    };
    if statement.run()? == 1 {
        return Ok(None);
    }
    let held = query(connection, "SELECT 1 FROM holding WHERE id = ?1 AND user = ?2")
        .number(id)
        .number(owner)
        .row(|_| Ok(()))?;
    let lacks_receiver = matches!(change, HoldingChange::Give { .. }) && held.is_some();
    Ok(Some(if lacks_receiver {
        CommitOutcome::NoReceiver(id)
    } else {
        CommitOutcome::HolderMismatch(id)
    }))
}
