//! Steps of which all changes of holdings are made.

use protocol::ids::{NodeNumber, UserId};
use rusqlite::Connection;

use super::fault::Failure;
use super::moment::Moment;
use super::statement::{Statement, query};
use crate::reply::CommitOutcome;

/// Whose commit it is.
#[derive(Clone, Copy)]
pub(super) struct By {
    pub(super) node: NodeNumber,
    pub(super) user: UserId,
    pub(super) at: Moment,
}

/// Why a change cannot be made; `None` when it was.
pub(super) type Refusal = Option<CommitOutcome>;

/// Whether a statement has changed its one row.
pub(super) fn moved(statement: Statement<'_>, holding: u64) -> Result<Refusal, Failure> {
    let is_done = statement.run()? == 1;
    Ok((!is_done).then_some(CommitOutcome::HolderMismatch(holding)))
}

/// From one user to another who has a row.
pub(super) fn give(
    connection: &Connection,
    from: UserId,
    holding: u64,
    to: UserId,
) -> Result<Refusal, Failure> {
    const GIVE: &str = "UPDATE holding SET user = ?3 WHERE id = ?1 AND user = ?2
        AND EXISTS (SELECT 1 FROM player WHERE user = ?3)";
    let statement = query(connection, GIVE)
        .number(holding)
        .number(from.0)
        .number(to.0);
    if statement.run()? == 1 {
        return Ok(None);
    }
    let held = query(connection, "SELECT 1 FROM holding WHERE id = ?1 AND user = ?2")
        .number(holding)
        .number(from.0)
        .row(|_| Ok(()))?;
    Ok(Some(match held {
        Some(()) => CommitOutcome::NoReceiver(holding),
        None => CommitOutcome::HolderMismatch(holding),
    }))
}

/// Counts what was made and what was destroyed.
pub(super) fn tally(
    connection: &Connection,
    node: NodeNumber,
    kind: u32,
    (minted, burned): (u64, u64),
) -> rusqlite::Result<()> {
    const TALLY: &str = "INSERT INTO tally (node, kind, minted, burned) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (node, kind) DO UPDATE SET minted = minted + excluded.minted, burned = burned + excluded.burned";
    query(connection, TALLY)
        .bind(node.0)
        .bind(kind)
        .number(minted)
        .number(burned)
        .run()
        .map(drop)
}
