//! What players report of one another.

use protocol::ids::UserId;
use rusqlite::Connection;

use super::moment::Moment;
use super::statement::{Fields, query};
use crate::account::AccountReply;
use crate::report::{
    NewReport, REPORT_KEPT_MS, REPORTS_EACH_MAX, REPORTS_OPEN_MAX, REPORTS_READ_MAX, REPORTS_WITHIN_MS,
    Report, ReportPage,
};

pub(super) fn add(connection: &Connection, new: &NewReport, at: Moment) -> rusqlite::Result<AccountReply> {
    const ADD: &str = "INSERT INTO report (by_user, about, why, lines, at_ms) SELECT ?1, ?2, ?3, ?4, ?5
        WHERE (SELECT count(*) FROM report WHERE by_user = ?1 AND at_ms > ?5 - ?6) < ?7
            AND (SELECT count(*) FROM (SELECT 1 FROM report WHERE closed_ms IS NULL LIMIT ?8)) < ?8
        RETURNING id";
    let added = query(connection, ADD)
        .number(new.by.0)
        .number(new.about.0)
        .bind(new.why.as_str())
        .bind(new.lines.as_str())
        .bind(at.now_ms)
        .number(REPORTS_WITHIN_MS)
        .number(REPORTS_EACH_MAX as u64)
        .number(REPORTS_OPEN_MAX as u64)
        .row(|row| row.number())?;
    Ok(added.map_or(AccountReply::TooManyReports, AccountReply::Reported))
}

pub(super) fn read(connection: &Connection, after: u64, with_closed: bool) -> rusqlite::Result<AccountReply> {
    const READ: &str = "SELECT id, by_user, about, why, lines, at_ms, closed_ms, note FROM report
        WHERE id > ?1 AND (?2 OR closed_ms IS NULL) ORDER BY id LIMIT ?3";
    let rows = query(connection, READ)
        .number(after)
        .bind(with_closed)
        .number(REPORTS_READ_MAX as u64)
        .rows(row)?;
    Ok(AccountReply::Reports(ReportPage::of(rows)))
}

pub(super) fn close(
    connection: &Connection,
    id: u64,
    note: &str,
    at: Moment,
) -> rusqlite::Result<AccountReply> {
    const FORGET: &str = "DELETE FROM report WHERE closed_ms <= ?1 - ?2";
    const CLOSE: &str = "UPDATE report SET closed_ms = ?2, note = ?3 WHERE id = ?1 AND closed_ms IS NULL";
    query(connection, FORGET)
        .bind(at.now_ms)
        .number(REPORT_KEPT_MS)
        .run()?;
    let closed = query(connection, CLOSE)
        .number(id)
        .bind(at.now_ms)
        .bind(note)
        .run()?;
    Ok(match closed {
        0 => AccountReply::NoReport,
        _ => AccountReply::ReportClosed,
    })
}

fn row(row: &mut Fields<'_, '_>) -> rusqlite::Result<Report> {
    let id = row.number()?;
    let what = NewReport {
        by: UserId(row.number()?),
        about: UserId(row.number()?),
        why: row.take()?,
        lines: row.take()?,
    };
    let at_ms = row.number()?;
    let closed = row.take::<Option<i64>>()?.map(i64::cast_unsigned);
    let note = row.take::<Option<String>>()?;
    let closed = closed.zip(note);
    Ok(Report {
        id,
        what,
        at_ms,
        closed,
    })
}
