//! What players report of one another, in the order in which they do.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use super::tables::Tables;
use crate::account::AccountReply;
use crate::report::{
    NewReport, REPORT_KEPT_MS, REPORTS_EACH_MAX, REPORTS_OPEN_MAX, REPORTS_READ_MAX, REPORTS_WITHIN_MS,
    Report, ReportPage,
};

impl Tables {
    pub(super) fn add_report(&mut self, new: &NewReport) -> AccountReply {
        let now_ms = self.now_ms;
        let rows = &mut self.accounts.reports;
        let is_late = |row: &&Report| row.at_ms.saturating_add(REPORTS_WITHIN_MS) > now_ms;
        let of_user = rows.iter().filter(|row| row.what.by == new.by).filter(is_late);
        let open = rows.iter().filter(|row| row.closed.is_none());
        if of_user.count() >= REPORTS_EACH_MAX || open.count() >= REPORTS_OPEN_MAX {
            return AccountReply::TooManyReports;
        }
        self.accounts.last_report += 1;
        let id = self.accounts.last_report;
        self.accounts.reports.push(Report {
            id,
            what: new.clone(),
            at_ms: now_ms,
            closed: None,
        });
        AccountReply::Reported(id)
    }

    pub(super) fn read_reports(&self, after: u64, with_closed: bool) -> AccountReply {
        let rows = self.accounts.reports.iter();
        let rows = rows.filter(|row| row.id > after && (with_closed || row.closed.is_none()));
        AccountReply::Reports(ReportPage::of(rows.take(REPORTS_READ_MAX).cloned().collect()))
    }

    pub(super) fn close_report(&mut self, id: u64, note: &str) -> AccountReply {
        let now_ms = self.now_ms;
        let rows = &mut self.accounts.reports;
        rows.retain(|row| {
            let closed = row.closed.as_ref();
            closed.is_none_or(|(at_ms, _)| at_ms.saturating_add(REPORT_KEPT_MS) > now_ms)
        });
        let open = rows.iter_mut().find(|row| row.id == id && row.closed.is_none());
        let Some(row) = open else {
            return AccountReply::NoReport;
        };
        row.closed = Some((now_ms, note.to_owned()));
        AccountReply::ReportClosed
    }
}
