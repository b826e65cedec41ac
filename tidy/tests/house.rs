//! The house rules, checked on the repository itself. What a check means is written in its module.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidy::{Complaint, Source, circles, edges, layers, licences, musts, pages, shape, source, suites, words};

/// Asked when the test runs: work trees that share a build directory also share this binary.
fn root() -> PathBuf {
    let manifest =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&manifest).parent().unwrap().to_path_buf()
}

fn sources() -> Vec<Source> {
    let all = source::read_all(&root(), &["rs", "proto", "sql", "js"]).unwrap();
    assert!(all.len() > 20, "the walk must see the repository");
    all
}

/// The dependency graph of this machine's platform, without the network: what is built here has been fetched.
fn metadata() -> Value {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--locked",
            "--filter-platform",
            host,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn clean(complaints: &[Complaint]) {
    let lines: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(complaints.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn pages_name_files_that_are_there() {
    let pages = source::read_all(&root(), &["md"]).unwrap();
    assert!(pages.iter().any(|page| page.path == "ARCHITECTURE.md"));
    let dead = pages
        .iter()
        .flat_map(|page| pages::dead_paths(&root(), &page.path, &page.text));
    clean(&dead.collect::<Vec<_>>());
}

#[test]
fn words_of_the_demo_game_stay_in_it() {
    let kinds = [
        "rs", "toml", "lock", "proto", "sql", "ts", "js", "html", "py", "json",
    ];
    clean(&words::words_of_the_demo(
        &source::read_all(&root(), &kinds).unwrap(),
    ));
}

#[test]
fn no_file_is_too_long() {
    clean(&shape::long_files(&sources()));
}

#[test]
fn no_function_is_too_long() {
    clean(&shape::long_functions(&sources()));
}

#[test]
fn every_file_says_why_it_exists() {
    clean(&shape::missing_headers(&sources()));
}

#[test]
fn no_path_is_printed_raw() {
    clean(&shape::raw_paths(&sources()));
}

#[test]
fn no_test_is_ignored() {
    clean(&shape::ignored_tests(&sources()));
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    clean(&circles::circles(&sources()));
}

#[test]
fn crates_depend_on_each_other_as_the_table_says() {
    clean(&edges::edges(&metadata()));
}

#[test]
fn pure_crates_reach_nothing_impure() {
    clean(&edges::impure_dependencies(&metadata()));
}

/// A browser has no entropy of the system: what it builds must not ask for any. Built alone, since other crates of the
/// workspace turn features on.
#[test]
fn the_core_of_clients_builds_without_the_systems_entropy() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "client-core", "--edges", "normal"])
        .args(["--prefix", "none", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(
        tree.contains("protocol"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let asks = tree.lines().find(|line| line.starts_with("getrandom "));
    assert_eq!(asks, None, "turn off the feature that wants it");
}

#[test]
fn pure_modules_name_nothing_impure() {
    clean(&layers::impure_modules(&sources()));
}

#[test]
fn every_licence_is_on_the_list() {
    clean(&licences::licences(&metadata()));
}

#[test]
fn no_second_cryptography_is_in_the_build() {
    clean(&licences::banned(&metadata()));
}

#[test]
fn the_licence_lists_agree() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    for licence in licences::LICENCES {
        assert!(
            deny.contains(&format!("\"{licence}\"")),
            "{licence} is missing in deny.toml"
        );
    }
}

#[test]
fn every_gated_suite_is_run_by_ci() {
    let script = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    clean(&suites::unnamed_suites(&metadata(), &script));
}

#[test]
fn every_numbered_rule_has_a_test() {
    let page = root().join("docs/protocol.md");
    if page.exists() {
        let rules = musts::rules(&std::fs::read_to_string(page).unwrap());
        assert!(
            !rules.is_empty(),
            "docs/protocol.md numbers its rules like [FR-3]"
        );
        clean(&musts::untested(&rules, &musts::wire_tests(&sources())));
    }
}
