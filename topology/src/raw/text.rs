//! What makes a file no text of ours: one cause that would otherwise be a mistake in every line.

use std::ops::Range;

/// Why a text cannot be read as TOML at all, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextMistake {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: &'static str,
    /// What to do.
    pub help: &'static str,
}

/// The mistake of the text as a whole, if it has one.
#[must_use]
pub fn text_mistake(text: &str) -> Option<TextMistake> {
    if let Some(at) = text.find('\0') {
        return Some(TextMistake {
            span: at..at + 1,
            message: "the file holds NUL bytes, so it is no text, or text in UTF-16",
            help: "save the file as UTF-8",
        });
    }
    let lone = |&(at, _): &(usize, &str)| !text.get(at + 1..).is_some_and(|rest| rest.starts_with('\n'));
    let (at, _) = text.match_indices('\r').find(lone)?;
    Some(TextMistake {
        span: at..at + 1,
        message: "a line ends with CR alone",
        help: "save the file with line ends LF or CRLF",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_is_one_mistake() {
        assert_eq!(text_mistake(""), None);
        assert_eq!(text_mistake("\u{feff}a = 1\r\nb = 2\n"), None);
        let at = |text| text_mistake(text).map(|mistake| mistake.span);
        assert_eq!(at("a = 1\rb = 2\r"), Some(5..6));
        assert_eq!(at("a = 1\r\nb = 2\r"), Some(12..13));
        assert_eq!(at("\0a\0=\0\r"), Some(0..1));
    }
}
