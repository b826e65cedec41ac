//! Why things are refused, in two classes: what comes up in ordinary play, and what no honest client or node does, so that
//! an alarm may stand on it. Each role has its own reasons; a test of the role compares its list with its sources.

use metrics::{Counter, counter};
use std::collections::BTreeSet;
use std::path::Path;

/// The reasons of a role, and the counter that tells of them.
#[derive(Clone, Copy, Debug)]
pub struct Reasons {
    /// Its name.
    pub counter: &'static str,
    /// What comes up in ordinary play.
    pub expected: &'static [&'static str],
    /// Everything else.
    pub hostile: &'static [&'static str],
}

impl Reasons {
    /// The counter of a reason, with its class.
    pub fn counter(&self, reason: &'static str) -> Counter {
        counter!(self.counter, "reason" => reason, "class" => self.class(reason))
    }

    /// All counters are there before anything is refused: an alarm on their growth would miss the first.
    pub fn start_at_zero(&self) {
        for reason in self.expected.iter().chain(self.hostile) {
            self.counter(reason).increment(0);
        }
    }

    fn class(&self, reason: &str) -> &'static str {
        if self.expected.contains(&reason) {
            "expected"
        } else {
            "hostile"
        }
    }

    /// For tests of reasons: panics unless each that stands behind one of `said`, such as `count(`, in the sources below
    /// `folder` is listed, and none is listed twice.
    ///
    /// # Panics
    /// When one is missing, and says which.
    pub fn assert_complete(&self, folder: &Path, said: &[&str]) {
        let mut found = BTreeSet::new();
        collect(folder, said, &mut found);
        assert!(found.len() > 30, "these cannot be all: {found:?}");
        let listed: BTreeSet<&str> = self.expected.iter().chain(self.hostile).copied().collect();
        let count = self.expected.len() + self.hostile.len();
        assert_eq!(listed.len(), count, "one is listed twice");
        for reason in &found {
            assert!(
                listed.contains(&**reason),
                "list `{reason}` as expected or hostile"
            );
        }
    }
}

fn collect(folder: &Path, said: &[&str], into: &mut BTreeSet<String>) {
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, said, into);
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for said in said {
            let begins = format!("{said}\"");
            let reasons = text
                .split(&begins)
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('"')?.0));
            into.extend(reasons.filter(|reason| is_name(reason)).map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_nobody_listed_is_found_and_counts_as_hostile() {
        let expected: Vec<String> = (b'a'..=b'z')
            .map(|letter| format!("late_{}", letter as char))
            .collect();
        let expected: Vec<&'static str> = expected.into_iter().map(|name| &*name.leak()).collect();
        let reasons = Reasons {
            counter: "test_refused_total",
            expected: expected.leak(),
            hostile: &["forged", "flood", "replayed", "malformed", "early"],
        };
        assert_eq!(
            (reasons.class("late_b"), reasons.class("forged")),
            ("expected", "hostile")
        );
        assert_eq!(reasons.class("whatever"), "hostile");
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let all = reasons.expected.iter().chain(reasons.hostile);
        let source: String = all.map(|reason| format!("self.count(\"{reason}\");\n")).collect();
        std::fs::write(inner.join("all.rs"), source).unwrap();
        reasons.assert_complete(folder.path(), &["count("]);
        std::fs::write(
            inner.join("more.rs"),
            "Refused(\"unheard_of\"), count(\"not {a} name\")",
        )
        .unwrap();
        reasons.assert_complete(folder.path(), &["count("]);
        let missing = || reasons.assert_complete(folder.path(), &["count(", "Refused("]);
        assert!(std::panic::catch_unwind(missing).is_err());
    }
}
