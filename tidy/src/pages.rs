//! Pages name files, and files move: a path that leads nowhere sends a reader astray.

use std::path::Path;

use crate::Complaint;

/// Paths in backticks of a page (`text`, at `page`) that begin at the top of the repository and name nothing in it.
#[must_use]
pub fn dead_paths(root: &Path, page: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            if is_path(root, quoted) && !root.join(quoted).exists() {
                let what = format!("`{quoted}` is not there; name the file that is");
                complaints.push(Complaint::new(format!("{page}:{}", number + 1), what));
            }
        }
    }
    complaints
}

/// Whether a quoted word means a place in the repository: it has a slash, and begins with a folder of the top.
fn is_path(root: &Path, quoted: &str) -> bool {
    let made = ["target", "data"];
    let Some((top, rest)) = quoted.split_once('/') else {
        return false;
    };
    let plain = quoted
        .chars()
        .all(|letter| letter.is_alphanumeric() || "_-./".contains(letter));
    plain && !rest.is_empty() && !top.is_empty() && !made.contains(&top) && root.join(top).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_nowhere_is_found_and_other_words_are_not() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = "see `src/pages.rs` and `src/`\nor `src/gone.rs`, `a/b`, `src/{a,b}.rs`, src/gone.rs\n";
        let found = dead_paths(root, "PAGE.md", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().contains("PAGE.md:2"), "{found:?}");
    }
}
