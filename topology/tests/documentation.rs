//! `docs/topology.md` is true: it has every key and every code, with the words the program uses.

use topology::{ALL_KEYS, Code, limits};

const PAGE: &str = include_str!("../../docs/topology.md");

/// The part of the page under a heading, up to the next of the same rank.
fn section(heading: &str) -> &'static str {
    let rank = heading.split(' ').next().unwrap_or_default();
    let start = PAGE
        .find(&format!("\n{heading}\n"))
        .map(|at| at + heading.len() + 2);
    let Some(rest) = start.and_then(|start| PAGE.get(start..)) else {
        return "";
    };
    rest.find(&format!("\n{rank} "))
        .and_then(|end| rest.get(..end))
        .unwrap_or(rest)
}

fn rows(section: &str) -> Vec<&str> {
    let cells = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    cells
        .filter_map(|line| line.split(" | ").next())
        .map(|cell| cell.trim_start_matches("| "))
        .collect()
}

#[test]
fn the_page_has_every_key_and_no_other() {
    for (table, keys) in ALL_KEYS {
        let written: Vec<_> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
        let part = section(&format!("### `{table}`"));
        let part = part.split("\n## ").next().unwrap_or(part);
        assert_eq!(rows(part), written, "keys of {table}");
        for key in *keys {
            let meaning = format!("| {} |", key.what);
            let line = part
                .lines()
                .find(|line| line.starts_with(&format!("| `{}` |", key.name)));
            assert!(
                line.is_some_and(|line| line.ends_with(&meaning)),
                "{table} {}: {meaning}",
                key.name
            );
        }
    }
}

#[test]
fn the_page_has_every_code_with_its_explanation_and_no_other() {
    let codes = section("## Codes");
    let rows: Vec<_> = codes.lines().filter(|line| line.starts_with("| RM")).collect();
    let wanted: Vec<_> = Code::ALL
        .iter()
        .map(|code| {
            let (title, why, remedy) = (code.title(), code.why(), code.remedy());
            format!("| {code} | {title} | {why} | {remedy} |")
        })
        .collect();
    assert_eq!(rows, wanted);
}

#[test]
fn the_report_on_the_page_is_what_an_operator_gets() {
    let report = include_str!("fixtures/RM0027-overlap.txt");
    let (mistake, _) = report.split_once("\n\n").unwrap_or_default();
    assert!(PAGE.contains(mistake), "{mistake}");
}

#[test]
fn the_page_names_the_limits_in_force() {
    let says = |part: &str, words: String| assert!(section(part).contains(&words), "{part}: {words}");
    says("### `[world]`", format!("1 to {} units", limits::CELL_SIZE_MAX));
    says("### `[world]`", format!("1 to {};", limits::VIEW_RINGS_MAX));
    says(
        "### `[world]`",
        format!("1 to {} cells", limits::BORDER_CELLS_MAX),
    );
    says("### `[world]`", format!("1 to {} |", limits::TICK_HZ_MAX));
    says("### `[[proxy]]`", format!("1 to {},", limits::SHARDS_MAX));
    says("### `[[server]]`", format!("at most {}", limits::SERVERS_MAX));
    says("### `[[proxy]]`", format!("at most {}", limits::PROXIES_MAX));
    says(
        "### `[[region]]`",
        format!("up to {} servers", limits::STANDBYS_MAX),
    );
    says("## The bundle", format!("at most {}", limits::BUNDLE_NODES_MAX));
}
