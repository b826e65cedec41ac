//! A Rust file as the checks see it: its text, its code without comments and strings, and which lines are tests.
//!
//! A full parser would be heavier than all checks together; masking literals and comments is enough to count
//! braces and to find paths without being fooled by what a string says.

use std::path::Path;

/// One file of the repository.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path relative to the repository, with forward slashes.
    pub path: String,
    /// The text as it is.
    pub text: String,
    /// The same number of lines and characters; comments and literals blanked.
    pub code: String,
    /// `code` with every `#[cfg(test)]` item blanked too.
    pub product: String,
    /// Whether the whole file is tests: under `tests/`, or declared behind `#[cfg(test)]`.
    pub test: bool,
}

impl Source {
    /// Looks at one file's text.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        let code = mask(text);
        let product = blank_tests(&code);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            product,
            test: path.contains("/tests/") || path.ends_with("tests.rs"),
        }
    }

    /// The text of test code only: the whole of a file under `tests/`, else what `#[cfg(test)]` covers.
    #[must_use]
    pub fn test_text(&self) -> String {
        if self.test {
            return self.text.clone();
        }
        let (code, product) = (self.code.chars(), self.product.chars());
        let mut inside = false;
        let mut kept = String::new();
        for ((text, code), product) in self.text.chars().zip(code).zip(product) {
            if !code.is_whitespace() {
                inside = product.is_whitespace();
            }
            kept.push(if inside || text == '\n' { text } else { ' ' });
        }
        kept
    }
}

/// All files with one of the extensions below `root`, in order of path; build output and hidden folders left out.
///
/// # Errors
/// What the file system says.
pub fn read_all(root: &Path, extensions: &[&str]) -> std::io::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let skipped = name.starts_with('.') || name == "target" || name == "node_modules";
            if path.is_dir() && !skipped {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|e| extensions.iter().any(|want| e == *want))
            {
                let relative = path
                    .strip_prefix(root)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .replace('\\', "/");
                found.push(Source::new(&relative, &std::fs::read_to_string(&path)?));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    mark_tests(&mut found);
    Ok(found)
}

/// Marks each file that a `#[cfg(test)] mod name;` of another declares, and what lies below it.
pub fn mark_tests(sources: &mut [Source]) {
    let declared: Vec<String> = sources.iter().flat_map(declared_tests).collect();
    for source in sources {
        let stem = source.path.trim_end_matches(".rs");
        source.test |= declared
            .iter()
            .any(|module| stem == module || stem.starts_with(&format!("{module}/")));
    }
}

/// Paths, without extension, of the test modules that a file declares.
fn declared_tests(source: &Source) -> Vec<String> {
    let stem = source.path.trim_end_matches(".rs");
    let root = ["/lib", "/main", "/mod"]
        .iter()
        .find_map(|name| stem.strip_suffix(name));
    let behind = source.code.split("#[cfg(test)]").skip(1);
    let names = behind.filter_map(|rest| rest.trim_start().strip_prefix("mod ")?.split_once(';'));
    let plain = names.filter(|(name, _)| name.chars().all(is_word));
    plain
        .map(|(name, _)| format!("{}/{name}", root.unwrap_or(stem)))
        .collect()
}

/// The text with comments, strings and character literals turned into spaces.
#[must_use]
pub fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at).unwrap_or(at);
        if end == at {
            masked.push(chars[at]);
            at += 1;
        }
        while at < end {
            masked.push(if chars[at] == '\n' { '\n' } else { ' ' });
            at += 1;
        }
    }
    masked
}

/// Where the comment or literal that starts at `at` ends; `None` when none starts there.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let next = chars.get(at + 1).copied();
    let after_word = at > 0 && is_word(chars[at - 1]);
    match chars[at] {
        '/' if next == Some('/') => Some(find(chars, at, |c| c == '\n')),
        '/' if next == Some('*') => Some(block_comment_end(chars, at)),
        '"' => Some(string_end(chars, at + 1)),
        'r' if !after_word => raw_string_end(chars, at + 1),
        'b' if !after_word && next == Some('r') => raw_string_end(chars, at + 2),
        '\'' if !after_word || chars[at - 1] == 'b' => char_end(chars, at),
        _ => None,
    }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len())
        .find(|&i| wanted(chars[i]))
        .unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let quote = find(chars, from, |c| c != '#');
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let hashes = quote - from;
    let closes = |i: usize| {
        chars[i] == '"' && chars.len() > i + hashes && chars[i + 1..=i + hashes].iter().all(|&c| c == '#')
    };
    Some(
        (quote + 1..chars.len())
            .find(|&i| closes(i))
            .map_or(chars.len(), |i| i + 1 + hashes),
    )
}

/// A lifetime also starts with a quote, but no quote follows its first character.
fn char_end(chars: &[char], at: usize) -> Option<usize> {
    match chars.get(at + 1)? {
        '\\' => Some((find(chars, at + 3, |c| c == '\'') + 1).min(chars.len())),
        _ if chars.get(at + 2) == Some(&'\'') => Some(at + 3),
        _ => None,
    }
}

/// Whether `c` can be part of an identifier.
#[must_use]
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Blanks each item behind `#[cfg(test)]`: to the end of its braces, or to its semicolon.
fn blank_tests(code: &str) -> String {
    let mut chars: Vec<char> = code.chars().collect();
    let marker: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut at = 0;
    while at + marker.len() <= chars.len() {
        if chars[at..at + marker.len()] != marker[..] {
            at += 1;
            continue;
        }
        let end = item_end(&chars, at + marker.len());
        for c in &mut chars[at..end] {
            if *c != '\n' {
                *c = ' ';
            }
        }
        at = end;
    }
    chars.into_iter().collect()
}

/// One past the last character of the item that starts at or after `from`, in masked code.
#[must_use]
pub fn item_end(chars: &[char], from: usize) -> usize {
    let mut nested = 0_usize;
    let mut braces = 0_usize;
    for (offset, &c) in chars[from..].iter().enumerate() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested = nested.saturating_sub(1),
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        let closes = c == '}' && braces == 0 && nested == 0;
        if closes || (c == ';' && braces == 0 && nested == 0) {
            return from + offset + 1;
        }
    }
    chars.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strings_and_comments_say_is_no_code() {
        for text in [
            "let a = \"} fn {\\\" {\";",
            "let a = r#\"} \" {\"#;",
            "let a = b\"}\"; // }",
            "/* } /* } */ } */ let a = 1;",
            "let a = '}'; let b = b'{'; let c = '\\''; let d = '\\u{7d}';",
        ] {
            let code = mask(text);
            assert!(!code.contains(['{', '}']), "{code}");
            assert_eq!(code.chars().count(), text.chars().count());
        }
        assert_eq!(mask("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn test_items_are_no_product_and_product_is_no_test() {
        let source = Source::new(
            "a/src/x.rs",
            "fn a() {}\n#[cfg(test)]\nmod tests { // FR-1\n fn b() {} }\nfn c() {} // FR-2\n",
        );
        assert!(source.product.contains("fn c") && !source.product.contains("fn b"));
        let tests = source.test_text();
        assert!(tests.contains("fn b") && tests.contains("FR-1"), "{tests}");
        assert!(!tests.contains("fn c") && !tests.contains("FR-2"), "{tests}");
    }

    #[test]
    fn a_file_declared_behind_cfg_test_is_tests() {
        let mut sources = [
            Source::new(
                "a/src/x.rs",
                "mod y;\n#[cfg(test)]\nmod rogue;\n#[cfg(test)]\nmod t { mod z; }\n",
            ),
            Source::new("a/src/x/rogue.rs", "fn fr_1() {}"),
            Source::new("a/src/x/rogue/deep.rs", ""),
            Source::new("a/src/x/y.rs", "fn fr_2() {}"),
            Source::new("a/src/rogue.rs", ""),
        ];
        mark_tests(&mut sources);
        assert_eq!(
            sources.each_ref().map(|s| s.test),
            [false, true, true, false, false]
        );
        assert!(sources[1].test_text().contains("fr_1") && !sources[3].test_text().contains("fr_2"));
    }
}
