//! Numbered rules of `docs/protocol.md`: each `[FR-3]` must have a test that names it (`fr_3` or `FR-3`).

use crate::Complaint;
use crate::source::{Source, is_word};
use std::collections::BTreeSet;

/// Rules that no test names, and rule numbers given twice.
#[must_use]
pub fn untested(rules: &[String], tests: &str) -> Vec<Complaint> {
    let mut seen = BTreeSet::new();
    let mut complaints = Vec::new();
    for rule in rules {
        if !seen.insert(rule) {
            complaints.push(Complaint::new(
                "docs/protocol.md",
                format!("[{rule}] is numbered twice"),
            ));
        } else if !names_rule(tests, rule) {
            let what = format!(
                "no test names [{rule}] (`{}`)",
                rule.to_lowercase().replace('-', "_")
            );
            complaints.push(Complaint::new("docs/protocol.md", what));
        }
    }
    complaints
}

/// The numbered rules of a page, in order: `[FR-3]` where it begins a rule, i.e. at the start of a line, list item or table cell.
#[must_use]
pub fn rules(page: &str) -> Vec<String> {
    let starts = |before: &str| before.trim_matches([' ', '*', '-', '|', '`']).is_empty();
    let mut found = Vec::new();
    for line in page.lines() {
        let Some((before, rest)) = line.split_once('[') else {
            continue;
        };
        let Some((name, _)) = rest.split_once(']') else {
            continue;
        };
        if starts(before) && is_rule(name) {
            found.push(name.to_owned());
        }
    }
    found
}

fn is_rule(name: &str) -> bool {
    let Some((family, number)) = name.split_once('-') else {
        return false;
    };
    let letters = family.len() >= 2 && family.chars().all(|c| c.is_ascii_uppercase());
    letters && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

/// The folders of crates that speak on a wire.
const WIRE: [&str; 4] = ["common/", "client/", "gameserver/", "proxy/"];

/// All test text of the crates whose tests prove the wire.
#[must_use]
pub fn wire_tests(sources: &[Source]) -> String {
    let wire = sources
        .iter()
        .filter(|s| WIRE.iter().any(|folder| s.path.starts_with(folder)) && s.path.ends_with(".rs"));
    wire.map(Source::test_text).collect()
}

fn names_rule(tests: &str, rule: &str) -> bool {
    let snake = rule.to_lowercase().replace('-', "_");
    let free = |c: Option<char>| c.is_none_or(|c| !is_word(c) || c == '_');
    let found = |name: &str| {
        tests.match_indices(name).any(|(at, _)| {
            free(tests[..at].chars().next_back()) && free(tests[at + name.len()..].chars().next())
        })
    };
    found(rule) || found(&snake)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# Frame\n\n- **[FR-1]** one\n[FR-2] two, see [FR-1]\n| [FR-12] | x |\nsee [RFC-9]\n[link](x)\n";

    #[test]
    fn rules_are_read_where_they_begin() {
        assert_eq!(rules(PAGE), ["FR-1", "FR-2", "FR-12"]);
    }

    #[test]
    fn a_rule_without_a_test_is_found() {
        let all = "fn fr_1_counts() {} // FR-2\nfn fr_12() {}";
        assert_eq!(untested(&rules(PAGE), all), []);
        let complaints = untested(&rules(PAGE), "fn fr_12() {} // FR-2");
        assert_eq!(complaints.len(), 1, "fr_12 does not name FR-1: {complaints:?}");
        assert_eq!(untested(&["FR-1".into(), "FR-1".into()], all).len(), 1);
    }

    #[test]
    fn only_tests_count_as_tests() {
        let source = Source::new(
            "common/protocol/src/x.rs",
            "fn fr_1() {}\n#[cfg(test)]\nmod tests { fn fr_2() {} }\n",
        );
        let tests = wire_tests(&[source]);
        assert!(!tests.contains("fr_1") && tests.contains("fr_2"));
    }
}
