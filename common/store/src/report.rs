//! What players report of one another: rows for operators, with the last lines that the reporter's server had heard for it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use protocol::ids::UserId;

/// So many of one reporter within [`REPORTS_WITHIN_MS`].
pub const REPORTS_EACH_MAX: usize = 5;
/// See [`REPORTS_EACH_MAX`]: an hour, milliseconds.
pub const REPORTS_WITHIN_MS: u64 = 3_600_000;
/// So many that nobody has closed; nothing more is taken then.
pub const REPORTS_OPEN_MAX: usize = 10_000;
/// Reports that were closed are kept for so long: 90 days, milliseconds.
pub const REPORT_KEPT_MS: u64 = 90 * 86_400_000;
/// Reports in one reply.
pub const REPORTS_READ_MAX: usize = 64;
/// What the reporter says, and what an operator notes, bytes.
pub const REPORT_WHY_BYTES_MAX: usize = 200;
/// The lines of a report, bytes.
pub const REPORT_LINES_BYTES_MAX: usize = 4_096;

/// What a player reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReport {
    /// Who reports.
    pub by: UserId,
    /// Of whom.
    pub about: UserId,
    /// One line, as the reporter says it; at most [`REPORT_WHY_BYTES_MAX`].
    pub why: String,
    /// What the reporter heard last, as the rules of the game write it down; at most [`REPORT_LINES_BYTES_MAX`].
    pub lines: String,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its number; whoever sees a number has seen all below it.
    pub id: u64,
    /// What was reported.
    pub what: NewReport,
    /// When, by the store's clock, Unix milliseconds.
    pub at_ms: u64,
    /// When an operator was done with it, likewise, and with which words.
    pub closed: Option<(u64, String)>,
}

/// A portion of them, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportPage {
    /// At most [`REPORTS_READ_MAX`].
    pub rows: Vec<Report>,
    /// After which number to read on; `None`: there is nothing more.
    pub next: Option<u64>,
}

impl ReportPage {
    /// Of all that was read at once.
    #[must_use]
    pub(crate) fn of(rows: Vec<Report>) -> Self {
        let last = rows.last().map(|row| row.id);
        let next = last.filter(|_| rows.len() == REPORTS_READ_MAX);
        Self { rows, next }
    }
}
