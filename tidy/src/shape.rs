//! The shape of files: how long a file and a function may be, that a file says why it exists, that no test is skipped.

use crate::Complaint;
use crate::source::{Source, is_word, item_end};

/// Lines of a file, tests included.
pub const FILE_LINES_MAX: usize = 500;
/// Lines of a function, from its `fn` to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;

/// Files longer than [`FILE_LINES_MAX`].
#[must_use]
pub fn long_files(sources: &[Source]) -> Vec<Complaint> {
    let long = sources
        .iter()
        .map(|s| (s, s.text.lines().count()))
        .filter(|(_, n)| *n > FILE_LINES_MAX);
    long.map(|(s, n)| {
        Complaint::new(
            &s.path,
            format!("{n} lines; split it, {FILE_LINES_MAX} is the most"),
        )
    })
    .collect()
}

/// Functions longer than [`FUNCTION_LINES_MAX`].
#[must_use]
pub fn long_functions(sources: &[Source]) -> Vec<Complaint> {
    sources
        .iter()
        .filter(|s| s.path.ends_with(".rs"))
        .flat_map(long_functions_of)
        .collect()
}

fn long_functions_of(source: &Source) -> Vec<Complaint> {
    let chars: Vec<char> = source.code.chars().collect();
    let mut complaints = Vec::new();
    let mut line = 1;
    for at in 0..chars.len() {
        if chars[at] == '\n' {
            line += 1;
        }
        let Some(name) = function_name(&chars, at) else {
            continue;
        };
        let lines = chars[at..item_end(&chars, at)]
            .iter()
            .filter(|c| **c == '\n')
            .count()
            + 1;
        if lines > FUNCTION_LINES_MAX {
            let what = format!("fn {name} has {lines} lines; {FUNCTION_LINES_MAX} is the most");
            complaints.push(Complaint::new(format!("{}:{line}", source.path), what));
        }
    }
    complaints
}

/// The name of the function declared at `at`; function pointer types have none.
fn function_name(chars: &[char], at: usize) -> Option<String> {
    let starts = chars.get(at..at + 3)? == ['f', 'n', ' '] && (at == 0 || !is_word(chars[at - 1]));
    let name: String = chars.get(at + 3..)?.iter().take_while(|c| is_word(**c)).collect();
    (starts && !name.is_empty()).then_some(name)
}

/// Paths that a program prints as they are: one with escapes in its name would move the reader's cursor.
#[must_use]
pub fn raw_paths(sources: &[Source]) -> Vec<Complaint> {
    let ours = [
        "client/",
        "common/",
        "deploy/",
        "gameserver/",
        "loadtest/",
        "proxy/",
    ];
    let product = sources
        .iter()
        .filter(|s| !s.test && ours.iter().any(|folder| s.path.starts_with(folder)));
    let lines = product.flat_map(|s| s.product.lines().enumerate().map(move |(at, line)| (s, at, line)));
    let raw = lines.filter(|(_, _, line)| line.contains(".display()") && !line.contains("Shown("));
    raw.map(|(s, at, _)| {
        Complaint::new(
            format!("{}:{}", s.path, at + 1),
            "print a path as `Shown(path.display())`, and hand one on as `to_string_lossy()`",
        )
    })
    .collect()
}

/// Rust files that do not begin by saying why they exist. Generated ones need not: a test compares them with their source.
#[must_use]
pub fn missing_headers(sources: &[Source]) -> Vec<Complaint> {
    let rust = sources.iter().filter(|s| s.path.ends_with(".rs"));
    let written = rust.filter(|s| !s.path.contains("/generated/"));
    let silent = written.filter(|s| !s.text.trim_start().starts_with("//!"));
    silent
        .map(|s| Complaint::new(&s.path, "begin the file with `//!`: why it exists"))
        .collect()
}

/// Tests that are skipped: a test that does not run protects nothing.
#[must_use]
pub fn ignored_tests(sources: &[Source]) -> Vec<Complaint> {
    let skipped = sources.iter().filter(|s| s.code.contains("#[ignore"));
    skipped
        .map(|s| {
            Complaint::new(
                &s.path,
                "remove #[ignore]; put it in a feature-gated target of .ci/run",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Vec<Source> {
        vec![Source::new("a/src/x.rs", text)]
    }

    #[test]
    fn a_file_may_have_500_lines_and_not_501() {
        assert_eq!(long_files(&one(&"\n".repeat(500))), []);
        assert_eq!(long_files(&one(&"\n".repeat(501))).len(), 1);
    }

    #[test]
    fn a_function_may_have_70_lines_and_not_71() {
        let with = |lines: usize| {
            one(&format!(
                "//!\nfn f(x: [u8; 2]) {{\n{}}}\nfn g() {{}}\n",
                "{ \"}\"; }\n".repeat(lines - 2)
            ))
        };
        assert_eq!(long_functions(&with(70)), []);
        let complaints = long_functions(&with(71));
        assert_eq!(complaints.len(), 1);
        assert_eq!(complaints[0].place, "a/src/x.rs:2");
    }

    #[test]
    fn a_path_printed_raw_is_found_in_products_only() {
        let at = |path, text| raw_paths(&[Source::new(path, text)]).len();
        assert_eq!(at("common/x/src/y.rs", "print(path.display());"), 1);
        assert_eq!(at("common/x/src/y.rs", "print(Shown(path.display()));"), 0);
        assert_eq!(
            at(
                "common/x/src/y.rs",
                "#[cfg(test)]\nmod tests { fn t() { path.display(); } }"
            ),
            0
        );
        assert_eq!(at("bench/src/y.rs", "print(path.display());"), 0);
    }

    #[test]
    fn a_trait_method_without_body_and_a_function_type_have_no_length() {
        let text = format!("fn a();\ntype F = fn (u8);\n{}", "const X: u8 = 1;\n".repeat(90));
        assert_eq!(long_functions(&one(&text)), []);
    }

    #[test]
    fn a_file_that_does_not_say_why_it_exists_is_found() {
        assert_eq!(missing_headers(&one("//! Why.\n")), []);
        assert_eq!(missing_headers(&one("// Why.\nuse x;\n")).len(), 1);
        assert_eq!(missing_headers(&one("")).len(), 1);
    }

    #[test]
    fn a_skipped_test_is_found_and_a_mention_of_it_is_not() {
        assert_eq!(ignored_tests(&one("//! `#[ignore]`\n")), []);
        assert_eq!(
            ignored_tests(&one("#[test]\n#[ignore = \"slow\"]\nfn f() {}\n")).len(),
            1
        );
    }
}
