//! What players report of one another. Each request is a call of its own.

use protocol::ids::UserId;
use tokio_postgres::types::Type;

use super::fault::Failure;
use super::fields::{Fields, some};
use super::link::Link;
use super::parameter::{count, limited};
use crate::StoreError;
use crate::account::AccountReply;
use crate::report::{
    NewReport, REPORT_KEPT_MS, REPORTS_EACH_MAX, REPORTS_OPEN_MAX, REPORTS_READ_MAX, REPORTS_WITHIN_MS,
    Report, ReportPage,
};

pub(super) fn add(link: &mut Link, new: &NewReport) -> Result<AccountReply, StoreError> {
    const ADD: &str = "SELECT regionmesh.add_report($1, $2, $3, $4, $5, $6, $7)";
    let called = link.call(
        ADD,
        &[
            (&limited(new.by.0), Type::INT8),
            (&limited(new.about.0), Type::INT8),
            (&new.why, Type::TEXT),
            (&new.lines, Type::TEXT),
            (&limited(REPORTS_WITHIN_MS), Type::INT8),
            (&count(REPORTS_EACH_MAX), Type::INT4),
            (&count(REPORTS_OPEN_MAX), Type::INT4),
        ],
    );
    let rows = called.map_err(Failure::of_write)?;
    let mut fields = Fields {
        row: some(rows.first())?,
        next: 0,
    };
    let added = fields.take::<Option<i64>>()?.map(i64::cast_unsigned);
    Ok(added.map_or(AccountReply::TooManyReports, AccountReply::Reported))
}

pub(super) fn read(link: &mut Link, after: u64, with_closed: bool) -> Result<AccountReply, StoreError> {
    const READ: &str = "SELECT id, by_user, about, why, lines, at_ms, closed_ms, note
        FROM regionmesh.read_reports($1, $2, $3)";
    let called = link.call(
        READ,
        &[
            (&limited(after), Type::INT8),
            (&with_closed, Type::BOOL),
            (&count(REPORTS_READ_MAX), Type::INT4),
        ],
    );
    let rows = called.map_err(Failure::of_read)?;
    let rows = rows.iter().map(|found| row(&mut Fields { row: found, next: 0 }));
    Ok(AccountReply::Reports(ReportPage::of(
        rows.collect::<Result<_, _>>()?,
    )))
}

pub(super) fn close(link: &mut Link, id: u64, note: &str) -> Result<AccountReply, StoreError> {
    const CLOSE: &str = "SELECT regionmesh.close_report($1, $2, $3)";
    let called = link.call(
        CLOSE,
        &[
            (&limited(id), Type::INT8),
            (&note, Type::TEXT),
            (&limited(REPORT_KEPT_MS), Type::INT8),
        ],
    );
    let rows = called.map_err(Failure::of_write)?;
    let mut fields = Fields {
        row: some(rows.first())?,
        next: 0,
    };
    Ok(match fields.take()? {
        true => AccountReply::ReportClosed,
        false => AccountReply::NoReport,
    })
}

fn row(fields: &mut Fields<'_>) -> Result<Report, StoreError> {
    let id = fields.number()?;
    let what = NewReport {
        by: UserId(fields.number()?),
        about: UserId(fields.number()?),
        why: fields.take()?,
        lines: fields.take()?,
    };
    let at_ms = fields.number()?;
    let closed = fields.take::<Option<i64>>()?.map(i64::cast_unsigned);
    let note = fields.take::<Option<String>>()?;
    let closed = closed.zip(note);
    Ok(Report {
        id,
        what,
        at_ms,
        closed,
    })
}
