//! Every kind of mistake in a file of its own, with the report an operator gets, to the letter. After a change of
//! wording `BLESS=1 cargo test -p topology --test fixtures` writes the reports anew: read the difference before committing.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use topology::{Code, Colour, check, explain, parse};

fn fixtures() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let paths = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    found.sort();
    found
}

fn file_name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn every_fixture_gets_exactly_its_report() {
    let mut wrong = Vec::new();
    for path in fixtures() {
        let checked = check(
            file_name(&path),
            &fs::read_to_string(&path).unwrap(),
            Colour::Plain,
        );
        assert_eq!(checked.exit_code, 2, "{} has no mistake", path.display());
        let expected = path.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &checked.report).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != checked.report {
            wrong.push(format!(
                "{} gets another report:\n{}",
                path.display(),
                checked.report
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fixture_shows_the_code_it_is_named_after_and_every_code_has_one() {
    let mut shown = BTreeSet::new();
    for path in fixtures() {
        let name = file_name(&path);
        let code = Code::parse(&name[..6]).unwrap();
        let mistakes = parse(name, &fs::read_to_string(&path).unwrap()).unwrap_err();
        let found = mistakes
            .diagnostics()
            .iter()
            .any(|diagnostic| diagnostic.code == code);
        assert!(found, "{name} does not show {code}");
        shown.insert(code);
    }
    let all: BTreeSet<_> = Code::ALL.iter().copied().collect();
    assert_eq!(shown, all);
}

#[test]
fn every_mistake_says_where_and_what_to_do() {
    for path in fixtures() {
        let text = fs::read_to_string(&path).unwrap();
        for diagnostic in parse(file_name(&path), &text).unwrap_err().diagnostics() {
            let line = text.split('\n').nth(diagnostic.line - 1);
            assert!(
                line.is_some_and(|line| diagnostic.column <= line.chars().count() + 1),
                "{diagnostic:?}"
            );
            assert!(
                !diagnostic.labels.is_empty() && !diagnostic.help.is_empty(),
                "{diagnostic:?}"
            );
        }
    }
}

#[test]
fn every_code_is_explained_with_what_to_do_and_no_other() {
    // What to do begins with a verb; a new one is entered here.
    let verbs = [
        "Add", "Connect", "Correct", "Describe", "Give", "Keep", "Look", "Move", "Name", "Put", "Rename",
        "Take", "Widen", "Write",
    ];
    for code in Code::ALL {
        let (why, remedy) = (code.why(), code.remedy());
        assert!(why.len() > 20 && why.ends_with('.'), "{code}: {why}");
        let verb = remedy.split([' ', ',']).next().unwrap_or_default();
        assert!(verbs.contains(&verb) && remedy.ends_with('.'), "{code}: {remedy}");
        let text = explain(&code.to_string()).unwrap();
        assert!(text.contains(why) && text.ends_with(remedy), "{text}");
    }
    assert_eq!(explain("rm0028"), explain("RM0028"));
    assert_eq!(explain("RM0000"), None);
    assert_eq!(explain("gap"), None);
}

#[test]
fn nothing_that_a_file_holds_acts_on_the_terminal() {
    let evil = "\u{1b}[2J\u{9b}2J\u{202e}";
    for text in [
        format!("{evil} = 1"),
        format!("\"{evil}\" = 1\n[world]\nname = '{evil}'\n[[server]]\nname = 'x{evil}'\nnumber = '{evil}'"),
        format!(
            "[[region]]\nserver = '{}'\nstandby = ['{}']",
            "\u{9b}2J", "\u{85}"
        ),
    ] {
        let report = check("f", &text, Colour::Plain).report;
        let acts = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        assert!(!report.contains(acts), "{report:?}");
    }
}

#[test]
fn colours_are_for_terminals_only() {
    let plain = check("f", "", Colour::Plain).report;
    let colourful = check("f", "", Colour::Ansi).report;
    assert!(!plain.contains('\u{1b}') && colourful.contains('\u{1b}'));
}

#[test]
fn a_file_too_long_for_a_bundle_is_not_looked_at() {
    let long = "#".repeat(topology::limits::FILE_BYTES_MAX + 1);
    let mistakes = parse("long.toml", &long).unwrap_err();
    assert_eq!(mistakes.diagnostics().len(), 1);
    assert_eq!(mistakes.diagnostics()[0].code, Code::TooMany);
}

/// As many regions as fit a file of this many bytes, densely written.
fn dense(regions: usize) -> String {
    let server = "s".repeat(32);
    let head = format!(
        "[world]\nname = \"w\"\nsize = [{regions}, 1]\ncell_size = 1\nview_rings = 1\nborder_cells = 1\ntick_hz = 1\n\
         handover_margin = 0\n[[server]]\nname = \"{server}\"\nnumber = 1\npeer = \"[::1]:0\"\nproxy = \"[::1]:0\"\n\
         [[proxy]]\nname = \"p\"\nnumber = 9\ntcp = \"[::1]:0\"\nudp = \"[::1]:0\"\nhttp = \"[::1]:0\"\n"
    );
    let region = |at: usize| {
        let (name, number) = (format!("region-{at}"), at + 1);
        format!("{{name=\"{name}\",number={number},min=[{at},0],max=[{number},1],server=\"{server}\"}}")
    };
    let list: Vec<_> = (0..regions).map(region).collect();
    format!("region=[{}]\n{head}", list.join(","))
}

#[test]
fn what_a_bundle_cannot_hold_written_out_is_refused_although_the_file_is_short() {
    let text = dense(1024);
    assert!(text.len() <= topology::limits::FILE_BYTES_MAX);
    let mistakes = parse("dense.toml", &text).unwrap_err();
    let [mistake] = mistakes.diagnostics() else {
        panic!("{mistakes}");
    };
    assert_eq!(mistake.code, Code::TooMany);
    assert!(
        mistake.message.starts_with("written out, "),
        "{}",
        mistake.message
    );
    parse("fewer.toml", &dense(512)).unwrap();
}

#[test]
fn more_nodes_or_regions_than_the_mesh_takes_are_refused() {
    use topology::limits::{PROXIES_MAX, REGIONS_MAX, SERVERS_MAX};
    let tables = |title: &str, count: usize| format!("[[{title}]]\n").repeat(count);
    let text = tables("server", SERVERS_MAX + 1)
        + &tables("proxy", PROXIES_MAX + 1)
        + &tables("region", REGIONS_MAX + 1);
    let mistakes = parse("many.toml", &text).unwrap_err();
    let many = mistakes
        .diagnostics()
        .iter()
        .filter(|diagnostic| diagnostic.code == Code::TooMany);
    let messages: Vec<_> = many.map(|diagnostic| diagnostic.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "257 servers, at most 256",
            "257 proxies, at most 256",
            "1025 regions, at most 1024"
        ]
    );
    assert!(
        mistakes.render(Colour::Plain).len() < 64 * 1024,
        "the report shows everything"
    );
}

#[test]
fn a_cut_or_flipped_file_is_reported_and_never_a_panic() {
    let text = include_str!("../../deploy/topologies/irregular.toml");
    for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
        let checked = check("cut.toml", &text[..end], Colour::Plain);
        assert!(
            checked.exit_code == 2 || end + 1 >= text.len(),
            "cut at {end} went unnoticed"
        );
    }
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1;
        if let Ok(flipped) = String::from_utf8(bytes) {
            let _ = check("flipped.toml", &flipped, Colour::Plain);
        }
    }
}
