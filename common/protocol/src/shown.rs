//! Text that others wrote, as a terminal or a log may have it: paths and what peers say cannot move the cursor, change
//! colours, begin a line of their own or turn the order of the letters around.

use std::fmt::{self, Display, Write as _};

/// Displays what it holds with everything escaped that is not a visible letter or a space.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T>(pub T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            Escaping {
                to: f,
                lines: Lines::Escaped
            },
            "{}",
            self.0
        )
    }
}

/// The text of one of our own messages, which may have several lines, with everything else escaped.
#[derive(Clone, Copy, Debug)]
pub struct ShownLines<T>(pub T);

impl<T: Display> Display for ShownLines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            Escaping {
                to: f,
                lines: Lines::Kept
            },
            "{}",
            self.0
        )
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Kept,
    Escaped,
}

struct Escaping<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    lines: Lines,
}

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| match letter {
            '\n' | '\t' if self.lines == Lines::Kept => self.to.write_char(letter),
            letter if acts(letter) => write!(self.to, "{}", letter.escape_unicode()),
            letter => self.to.write_char(letter),
        })
    }
}

/// Control characters, line and paragraph separators, and what sets the direction of writing.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_letters_stay() {
        let shown = |text: &str| Shown(text).to_string();
        assert_eq!(shown("/tmp/Größe 数/a-b"), "/tmp/Größe 数/a-b");
        assert_eq!(
            shown("a\u{1b}[31mb\nc\r\t\u{7}"),
            "a\\u{1b}[31mb\\u{a}c\\u{d}\\u{9}\\u{7}"
        );
        assert_eq!(
            shown("\u{9b}2J\u{202e}gpj\u{2066}\u{feff}"),
            "\\u{9b}2J\\u{202e}gpj\\u{2066}\\u{feff}"
        );
        assert_eq!(
            ShownLines("one\n\ttwo\u{1b}[2J").to_string(),
            "one\n\ttwo\\u{1b}[2J"
        );
    }
}
