//! What rules want operators to see: counters, gauges and lines of the log, under names of the game's own. All of it is bounded,
//! since rules may go round in a circle; what is counted leaves once a tick.

use std::collections::BTreeMap;

use game::LogLevel;
use game::limits::{LOG_LINE_BYTES_MAX, METRIC_NAME_BYTES_MAX, METRICS_MAX};

use super::allowance::Allowance;
use super::observation::Observation;

/// So many lines may come at once …
const LINES_MAX: u64 = 16;
/// … and one more each time that so much has passed, milliseconds.
const LINE_EVERY_MS: u64 = 1_000;

/// Those of one region.
#[derive(Debug)]
pub(super) struct Observed {
    /// What was counted since the last tick, by name.
    counts: BTreeMap<&'static str, u64>,
    /// Gauges by name, and whether nobody was told yet.
    gauges: BTreeMap<&'static str, (f64, bool)>,
    lines: Allowance,
    left_out: u64,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            counts: BTreeMap::new(),
            gauges: BTreeMap::new(),
            lines: Allowance::new(LINES_MAX, LINE_EVERY_MS),
            left_out: 0,
        }
    }
}

impl Observed {
    fn takes(&self, name: &'static str) -> bool {
        let names = self.counts.len() + self.gauges.len();
        let is_known = self.counts.contains_key(name) || self.gauges.contains_key(name);
        is_name(name) && (is_known || names < METRICS_MAX)
    }

    /// Whether it was taken.
    pub(super) fn add(&mut self, name: &'static str, by: u64) -> bool {
        let takes = self.takes(name) && !self.gauges.contains_key(name);
        if takes {
            let count = self.counts.entry(name).or_default();
            *count = count.saturating_add(by);
        }
        takes
    }

    pub(super) fn gauge(&mut self, name: &'static str, value: f64) -> bool {
        let takes = self.takes(name) && !self.counts.contains_key(name) && value.is_finite();
        if takes && self.gauges.get(name).is_none_or(|(told, _)| *told != value) {
            self.gauges.insert(name, (value, true));
        }
        takes
    }

    pub(super) fn line(&mut self, level: LogLevel, line: &str, now_ms: u64) -> Option<Observation> {
        if !self.lines.take(now_ms) {
            self.left_out += 1;
            return None;
        }
        let line = line
            .get(..line.floor_char_boundary(LOG_LINE_BYTES_MAX))
            .unwrap_or(line);
        Some(Observation::Line(
            level,
            line.to_owned(),
            std::mem::take(&mut self.left_out),
        ))
    }

    /// Whether there is something new.
    pub(super) fn has_news(&self) -> bool {
        self.counts.values().any(|count| *count > 0) || self.gauges.values().any(|(_, is_new)| *is_new)
    }

    /// What is new since the last time.
    pub(super) fn take(&mut self) -> Vec<Observation> {
        let counts = self.counts.iter_mut();
        let counted = counts.map(|(name, count)| Observation::Count(name, std::mem::take(count)));
        let mut news: Vec<_> = counted
            .filter(|news| !matches!(news, Observation::Count(_, 0)))
            .collect();
        for (name, (value, is_new)) in &mut self.gauges {
            if std::mem::take(is_new) {
                news.push(Observation::Gauge(name, *value));
            }
        }
        news
    }
}

/// Lower case letters, digits and `_`, a letter first.
fn is_name(name: &str) -> bool {
    let first = name.bytes().next();
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= METRIC_NAME_BYTES_MAX
        && first.is_some_and(|first| first.is_ascii_lowercase())
        && name.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_leave_once_a_tick_and_gauges_when_they_differ() {
        let mut observed = Observed::default();
        assert!(observed.add("caught", 2) && observed.add("caught", 3) && observed.gauge("sheep", 4.0));
        let told = [Observation::Count("caught", 5), Observation::Gauge("sheep", 4.0)];
        assert_eq!(observed.take(), told);
        assert!(observed.gauge("sheep", 4.0));
        assert_eq!(observed.take(), []);
        assert!(observed.gauge("sheep", 3.0) && !observed.gauge("sheep", f64::NAN));
        assert_eq!(observed.take(), [Observation::Gauge("sheep", 3.0)]);
    }

    #[test]
    fn names_are_few_and_well_formed_and_mean_one_thing() {
        let mut observed = Observed::default();
        for bad in [
            "",
            "Caught",
            "caught-it",
            "1st",
            "two words",
            &"x".repeat(METRIC_NAME_BYTES_MAX + 1),
        ] {
            assert!(!observed.add(bad.to_owned().leak(), 1), "{bad}");
        }
        assert!(observed.add("caught", 1) && !observed.gauge("caught", 1.0));
        for number in 1..METRICS_MAX {
            assert!(observed.add(format!("n{number}").leak(), 1));
        }
        assert!(!observed.add("one_too_many", 1) && observed.add("caught", 1));
    }

    #[test]
    fn lines_are_cut_and_left_out_when_there_are_too_many() {
        let mut observed = Observed::default();
        let mut said = |now_ms| observed.line(LogLevel::Info, &"ä".repeat(LOG_LINE_BYTES_MAX), now_ms);
        let Some(Observation::Line(_, line, 0)) = said(5) else {
            panic!("the first one")
        };
        assert_eq!(line.len(), LOG_LINE_BYTES_MAX);
        assert_eq!((1..20).filter_map(|_| said(5)).count() as u64, LINES_MAX - 1);
        let Some(Observation::Line(_, _, left_out)) = said(1_005) else {
            panic!("one more after a second")
        };
        assert_eq!((left_out, said(1_005)), (4, None));
    }
}
