//! What `/readyz` would say, told in the log as well: whoever has no probe must hear of a peer that is not reached, clocks
//! that differ or a player who finds no place. A check that stays unwell is told once, and again each minute. Pure.

use super::readiness::{Check, ReadyReport, Verdict};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A check that is not well for less than this is not told: links come up and go down as nodes start.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two lines of one check.
const AGAIN: Duration = Duration::from_secs(60);

/// What has been told of each check that is not well, or was a moment ago.
#[derive(Debug, Default)]
pub(super) struct Bulletin(BTreeMap<String, Told>);

#[derive(Debug, Default)]
struct Told {
    unwell_since: Option<Instant>,
    /// When that it is not well was told last, and as how bad.
    at: Option<(Instant, Verdict)>,
    /// It is well again, and nobody knows.
    owes: bool,
}

/// A line for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Not well, for so many seconds.
    Unwell(String, Check, u64),
    /// Well again, after that was told otherwise.
    Well(String, Check),
}

impl Bulletin {
    /// Takes a look in, every second or so; what is to be logged.
    pub(super) fn look(&mut self, report: &ReadyReport, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut before = std::mem::take(&mut self.0);
        for (name, check) in report.checks() {
            let mut told = before.remove(name).unwrap_or_default();
            lines.extend(told.look(name, check, now));
            if told.is_worth_keeping(now) {
                self.0.insert(name.clone(), told);
            }
        }
        // A check that is no more has nothing left to tell.
        lines
    }
}

impl Told {
    fn look(&mut self, name: &str, check: &Check, now: Instant) -> Option<Line> {
        if check.verdict == Verdict::Well {
            self.unwell_since = None;
            let well = || Line::Well(name.to_owned(), check.clone());
            return std::mem::take(&mut self.owes).then(well);
        }
        let stands = now.saturating_duration_since(*self.unwell_since.get_or_insert(now));
        // What somebody asked for needs no telling, and has no figure.
        if stands < PATIENCE || check.figure.is_empty() || !self.is_due(check.verdict, now) {
            return None;
        }
        self.at = Some((now, check.verdict));
        self.owes = true;
        Some(Line::Unwell(name.to_owned(), check.clone(), stands.as_secs()))
    }

    fn is_due(&self, verdict: Verdict, now: Instant) -> bool {
        self.at.is_none_or(|(at, told)| {
            let is_worse = told == Verdict::Noted && verdict == Verdict::Missing;
            is_worse || now.saturating_duration_since(at) >= AGAIN
        })
    }

    /// Also for a while after it is well: one that comes and goes is told no more often.
    fn is_worth_keeping(&self, now: Instant) -> bool {
        let is_recent = |(at, _)| now.saturating_duration_since(at) < AGAIN;
        self.unwell_since.is_some() || self.at.is_some_and(is_recent)
    }
}

impl Line {
    pub(super) fn log(&self) {
        match self {
            Self::Unwell(check, outcome, seconds) if outcome.verdict == Verdict::Missing => {
                tracing::warn!(check, seconds, "not ready: {}", outcome.figure);
            }
            Self::Unwell(check, outcome, seconds) => {
                tracing::warn!(check, seconds, "not well: {}", outcome.figure);
            }
            Self::Well(check, outcome) => tracing::info!(check, "well again: {}", outcome.figure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of each second in which there were any.
    fn told(outcomes: &[(u64, Check)]) -> Vec<(u64, Line)> {
        let (mut bulletin, began) = (Bulletin::default(), Instant::now());
        let mut told = Vec::new();
        let mut outcomes = outcomes.iter().peekable();
        let mut check = Check::well("");
        for second in 0..=200 {
            if let Some((_, next)) = outcomes.next_if(|(at, _)| *at == second) {
                check = next.clone();
            }
            let mut report = ReadyReport::default();
            report.add("links", check.clone());
            let lines = bulletin.look(&report, began + Duration::from_secs(second));
            told.extend(lines.into_iter().map(|line| (second, line)));
        }
        told
    }

    #[test]
    fn what_stays_unwell_is_told_once_a_minute_and_that_it_is_well_again() {
        let (noted, well) = (Check::noted("3 of 4; not linked: gs-d"), Check::well("4 of 4"));
        let unwell = |seconds| Line::Unwell("links".to_owned(), noted.clone(), seconds);
        assert_eq!(
            told(&[(10, noted.clone()), (150, well.clone())]),
            [
                (13, unwell(3)),
                (73, unwell(63)),
                (133, unwell(123)),
                (150, Line::Well("links".to_owned(), well))
            ]
        );
    }

    #[test]
    fn what_comes_and_goes_is_told_no_more_often() {
        let often = (0..12).flat_map(|time| {
            let at = 10 + time * 10;
            [(at, Check::noted("2 of 4")), (at + 5, Check::well("4 of 4"))]
        });
        let lines = told(&often.collect::<Vec<_>>());
        let at: Vec<u64> = lines.iter().map(|(second, _)| *second).collect();
        assert_eq!(at, [13, 15, 73, 75]);
    }

    #[test]
    fn a_moment_is_not_told_worse_is_told_at_once_and_what_was_asked_for_is_not() {
        let well = || Check::well("");
        assert_eq!(told(&[(10, Check::noted("a moment")), (12, well())]), []);
        let lines = told(&[(10, Check::noted("one")), (20, Check::missing("none"))]);
        let at: Vec<u64> = lines.iter().map(|(second, _)| *second).collect();
        assert_eq!(at, [13, 20, 80, 140, 200]);
        assert_eq!(told(&[(10, Check::missing(""))]), [], "draining");
    }
}
