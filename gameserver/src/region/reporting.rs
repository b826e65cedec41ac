//! Players who report one another: a row of the store for operators, and what came of it for the rules.

use game::ReportRefused;
use game::limits::{REPORT_LINES_BYTES_MAX, REPORT_WHY_BYTES_MAX};
use protocol::ids::UserId;
use store::{AccountReply, AccountRequest, NewReport, StoreError, StoreReply, StoreRequest};

use super::asked::Asked;
use super::state::{Notice, RegionState};

impl RegionState {
    pub(super) fn report_user(&mut self, by: UserId, about: UserId, why: &str, lines: &str) {
        if !self.players.contains_key(&by) {
            return;
        }
        if !self.reporters.may(by, self.now.mono_ms) {
            let refused = Err(ReportRefused::TooMany);
            return self.notices.push_back(Notice::Reported(by, about, refused));
        }
        let report = NewReport {
            by,
            about,
            why: beginning(&clean(why, false), REPORT_WHY_BYTES_MAX).to_owned(),
            lines: end(&clean(lines, true), REPORT_LINES_BYTES_MAX).to_owned(),
        };
        let request = StoreRequest::Account(AccountRequest::Report(Box::new(report)));
        self.ask(Asked::Report(by, about), request);
    }

    pub(super) fn report_answer(
        &mut self,
        by: UserId,
        about: UserId,
        answer: &Result<StoreReply, StoreError>,
    ) {
        let outcome = match answer {
            Ok(StoreReply::Account(AccountReply::Reported(_))) => Ok(()),
            Ok(StoreReply::Account(AccountReply::TooManyReports)) => Err(ReportRefused::TooMany),
            // It is not asked again: a report that was written and not answered would be there twice.
            _ => Err(ReportRefused::Failed),
        };
        self.notices.push_back(Notice::Reported(by, about, outcome));
    }
}

/// Without what moves a cursor.
fn clean(text: &str, is_lines: bool) -> String {
    let letter = |letter: char| match letter {
        '\n' if is_lines => letter,
        _ if letter.is_control() => ' ',
        _ => letter,
    };
    text.chars().map(letter).collect()
}

fn beginning(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Whole lines, where there are any.
fn end(text: &str, bytes_max: usize) -> &str {
    let Some(over) = text.len().checked_sub(bytes_max).filter(|over| *over > 0) else {
        return text;
    };
    let rest = &text[text.ceil_char_boundary(over)..];
    rest.split_once('\n').map_or(rest, |(_, whole)| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_letters_and_lines() {
        assert_eq!(beginning("añb", 2), "a");
        assert_eq!(beginning("añb", 9), "añb");
        assert_eq!(end("one\ntwo\nthree", 10), "two\nthree");
        assert_eq!(end("one\ntwo\nthree", 8), "three");
        assert_eq!(end("one\ntwo", 7), "one\ntwo");
        assert_eq!(end("xxñ", 2), "ñ");
        assert_eq!(clean("a\u{1b}[1mb\nc", false), "a [1mb c");
        assert_eq!(clean("a\nb\u{7}", true), "a\nb ");
    }
}
