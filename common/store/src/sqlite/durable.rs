//! Durable commands: a player's row and its holdings change under one savepoint, or not at all.

use protocol::ids::{NodeNumber, UserId};
use sqlx::{Acquire, SqliteConnection, query};

use super::columns::int;
use super::fault::Failure;
use super::players::{self, Moment};
use crate::holding::HoldingChange;
use crate::reply::CommitOutcome;
use crate::request::DurableCommit;
use crate::row::PlayerSave;

pub(super) async fn commit(
    connection: &mut SqliteConnection,
    owner: NodeNumber,
    commit: &DurableCommit,
    at: Moment,
) -> Result<CommitOutcome, Failure> {
    let mut savepoint = connection.begin().await?;
    if !players::write_newer(&mut savepoint, owner, &commit.save, at).await? {
        let outcome = why_not_written(&mut savepoint, owner, &commit.save).await?;
        savepoint.rollback().await?;
        return Ok(outcome);
    }
    for change in &commit.changes {
        if let Some(refusal) = make(&mut savepoint, commit.save.user, *change).await? {
            savepoint.rollback().await?;
            return Ok(refusal);
        }
    }
    savepoint.commit().await?;
    Ok(CommitOutcome::Applied)
}

/// The same version with the same commands behind it is the same commit, come twice.
async fn why_not_written(
    connection: &mut SqliteConnection,
    owner: NodeNumber,
    save: &PlayerSave,
) -> Result<CommitOutcome, Failure> {
    let Some(row) = players::load(connection, save.user).await? else {
        return Ok(CommitOutcome::FencedByEpoch);
    };
    if row.owner != Some(owner) || row.owner_epoch != save.owner_epoch {
        return Ok(CommitOutcome::FencedByEpoch);
    }
    let same = row.version == save.version
        && row.body.last_command == save.body.last_command
        && row.body.chain_hash == save.body.chain_hash;
    Ok(if same {
        CommitOutcome::Applied
    } else {
        CommitOutcome::Older
    })
}

/// Makes one change; `Some` says why it cannot be made.
async fn make(
    connection: &mut SqliteConnection,
    user: UserId,
    change: HoldingChange,
) -> Result<Option<CommitOutcome>, Failure> {
    const TAKE: &str = "UPDATE holding SET user = $2, region = NULL, x = NULL, y = NULL
        WHERE id = $1 AND region = $3";
    const GIVE: &str = "UPDATE holding SET user = $3 WHERE id = $1 AND user = $2
        AND EXISTS (SELECT 1 FROM player WHERE user = $3)";
    const DROP: &str =
        "UPDATE holding SET user = NULL, region = $3, x = $4, y = $5 WHERE id = $1 AND user = $2";
    let id = change.holding();
    let statement = match change {
        HoldingChange::Take { .. } => query(TAKE),
        HoldingChange::Give { .. } => query(GIVE),
        HoldingChange::Drop { .. } => query(DROP),
    };
    let statement = statement.bind(int(id)).bind(int(user.0));
    let statement = match change {
        HoldingChange::Take { region, .. } => statement.bind(i64::from(region.0)),
        HoldingChange::Give { to, .. } => statement.bind(int(to.0)),
        HoldingChange::Drop { region, x, y, .. } => statement
            .bind(i64::from(region.0))
            .bind(f64::from(x))
            .bind(f64::from(y)),
    };
    if statement.execute(&mut *connection).await?.rows_affected() == 1 {
        return Ok(None);
    }
    let held = query("SELECT 1 FROM holding WHERE id = $1 AND user = $2")
        .bind(int(id))
        .bind(int(user.0))
        .fetch_optional(connection)
        .await?;
    let lacks_receiver = matches!(change, HoldingChange::Give { .. }) && held.is_some();
    Ok(Some(if lacks_receiver {
        CommitOutcome::NoReceiver(id)
    } else {
        CommitOutcome::HolderMismatch(id)
    }))
}
