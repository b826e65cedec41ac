//! Statements as the store writes them: prepared once per connection, bound in order, read in order.

use protocol::ids::NodeNumber;
use rusqlite::types::FromSql;
use rusqlite::{CachedStatement, Connection, Row, ToSql};

use super::fault::damaged;
use crate::row::PlayerBody;

/// A prepared statement whose parameters `?1`, `?2`, … are bound one after the other.
pub(super) struct Statement<'c> {
    prepared: rusqlite::Result<CachedStatement<'c>>,
    bound: usize,
}

/// The statement of this text, from the connection's cache.
pub(super) fn query<'c>(connection: &'c Connection, sql: &str) -> Statement<'c> {
    Statement {
        prepared: connection.prepare_cached(sql),
        bound: 0,
    }
}

impl Statement<'_> {
    /// The next parameter. What goes wrong is told when the statement runs.
    pub(super) fn bind(mut self, value: impl ToSql) -> Self {
        self.bound += 1;
        if let Ok(statement) = &mut self.prepared
            && let Err(error) = statement.raw_bind_parameter(self.bound, value)
        {
            self.prepared = Err(error);
        }
        self
    }

    /// The next parameter, a number of ours.
    pub(super) fn number(self, value: u64) -> Self {
        self.bind(int(value))
    }

    /// The next nine parameters: a body and when it is written.
    pub(super) fn body(self, body: &PlayerBody, now_ms: i64) -> Self {
        self.bind(i64::from(body.home_cell.0))
            .number(body.binding.session_generation.0)
            .bind(i64::from(body.binding.attach_no.0))
            .bind(node(body.binding.proxy))
            .number(body.last_input.0)
            .number(body.last_command.0)
            .bind(body.chain_hash.as_slice())
            .bind(body.state.as_ref())
            .bind(now_ms)
    }

    /// Runs it; says how many rows it has changed.
    pub(super) fn run(self) -> rusqlite::Result<usize> {
        self.prepared?.raw_execute()
    }

    /// Runs it; its first row, if there is one.
    pub(super) fn row<T>(
        self,
        read: impl FnOnce(&mut Fields<'_, '_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let mut statement = self.prepared?;
        let mut rows = statement.raw_query();
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        read(&mut Fields { row, next: 0 }).map(Some)
    }

    /// Runs it; the row that there has to be.
    pub(super) fn one<T>(
        self,
        read: impl FnOnce(&mut Fields<'_, '_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.row(read)?.ok_or_else(|| damaged("a row is missing"))
    }

    /// Runs it; all its rows.
    pub(super) fn rows<T>(
        self,
        mut read: impl FnMut(&mut Fields<'_, '_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut statement = self.prepared?;
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(&mut Fields { row, next: 0 })?);
        }
        Ok(all)
    }
}

/// Bit by bit: requests with numbers that a signed column would order wrongly were refused before.
pub(super) fn int(value: u64) -> i64 {
    value.cast_signed()
}

/// A node number or null.
pub(super) fn node(value: Option<NodeNumber>) -> Option<i64> {
    value.map(|node| i64::from(node.0))
}

/// The columns of one row, read from left to right.
pub(super) struct Fields<'s, 'r> {
    row: &'r Row<'s>,
    next: usize,
}

impl Fields<'_, '_> {
    /// The next column, as the database has it.
    pub(super) fn take<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// The next column, a number of ours.
    pub(super) fn number(&mut self) -> rusqlite::Result<u64> {
        self.take::<i64>().map(i64::cast_unsigned)
    }

    /// The next column, a number that has to fit.
    pub(super) fn small<T: TryFrom<i64>>(&mut self, what: &'static str) -> rusqlite::Result<T> {
        T::try_from(self.take()?).map_err(|_| damaged(what))
    }

    /// The next column, a node or nobody.
    pub(super) fn node(&mut self, what: &'static str) -> rusqlite::Result<Option<NodeNumber>> {
        let value: Option<i64> = self.take()?;
        let node = |value| u16::try_from(value).map(NodeNumber).map_err(|_| damaged(what));
        value.map(node).transpose()
    }
}
