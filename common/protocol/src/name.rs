//! What a player may be called: anything that people write in a living script, and emoji, so long as all of it is seen.
//! What a character is, the data of Unicode says, not a list of ours.
//!
//! Who is trusted with names checks them here: the auth role, as it lets somebody in.

use std::fmt;

use unicode_joining_type::{JoiningType, get_joining_type};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible, is_combining_mark};
use unicode_security::GeneralSecurityProfile as _;
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::skeleton;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::limits::NAME_BYTES_MAX;

/// Marks on one letter, as Unicode TS 39 (5.4) advises: more of them are a tower.
const MARKS_MAX: usize = 4;
const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// The combining class of signs that take the vowel from a consonant of an Indic script.
const VIRAMA: u8 = 9;

/// A name that others can read, in normalisation form C: 1 to [`NAME_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayerName(String);

/// Why a name is not allowed. Its text is for whoever chose the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing.
    #[error("a name may not be empty")]
    Empty,
    /// It is too long.
    #[error("a name may have {NAME_BYTES_MAX} bytes of UTF-8, and this one has {0}")]
    TooLong(usize),
    /// Spaces at an end, or more than one together, which nobody sees.
    #[error("a name may have single spaces, and none at its ends")]
    Spaces,
    /// A character that is not seen, or that belongs to no living script.
    #[error("a name may not have the character {0}")]
    Character(Codepoint),
    /// A joiner where it changes nothing that is seen.
    #[error("the joiner {0} joins nothing where it stands")]
    Joiner(Codepoint),
    /// A mark with nothing under it.
    #[error("the mark {0} stands on no letter")]
    LoneMark(Codepoint),
    /// Too many marks on one letter.
    #[error("a letter may have {MARKS_MAX} marks")]
    Marks,
}

/// A character as Unicode counts it: what may not be in a name may not be in the sentence that says so either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codepoint(pub char);

impl fmt::Display for Codepoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))
    }
}

impl PlayerName {
    /// Takes a name as somebody wrote it.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn parse(written: &str) -> Result<Self, NameError> {
        // No form C is shorter than a third of what it was made from, and what is much too long costs nothing.
        if written.len() > 3 * NAME_BYTES_MAX {
            return Err(NameError::TooLong(written.len()));
        }
        let name: String = written.nfc().collect();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong(name.len()));
        }
        if name.starts_with(' ') || name.ends_with(' ') || name.contains("  ") {
            return Err(NameError::Spaces);
        }
        for (at, cluster) in name.grapheme_indices(true) {
            if emojis::get(cluster).is_none() {
                let (before, rest) = name.split_at_checked(at).unwrap_or_default();
                check_cluster(cluster, before, rest)?;
            }
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as an account is looked for by it: in small letters, in compatible forms.
    #[must_use]
    pub fn fold(&self) -> String {
        // Small letters of some forms are of other forms.
        let once: String = self.0.nfkc().flat_map(char::to_lowercase).collect();
        once.nfkc().collect()
    }

    /// What the name looks like, by the table of Unicode TS 39: names of one look are taken for one another.
    #[must_use]
    pub fn look(&self) -> String {
        skeleton(&self.0).flat_map(char::to_lowercase).collect()
    }
}

impl From<PlayerName> for String {
    fn from(name: PlayerName) -> Self {
        name.0
    }
}

/// A letter, or what else is written as one, with what stands on it. `rest` begins with it.
fn check_cluster(cluster: &str, before: &str, rest: &str) -> Result<(), NameError> {
    let (mut last, mut marks) = (None, 0_usize);
    for (at, c) in cluster.char_indices() {
        if matches!(c, JOINER | NON_JOINER) {
            let (inside, behind) = rest.split_at_checked(at).unwrap_or_default();
            let left = inside.chars().rev().chain(before.chars().rev());
            if !joins(c, left, behind.chars().skip(1)) {
                return Err(NameError::Joiner(Codepoint(c)));
            }
            continue;
        }
        if !is_seen(c) {
            return Err(NameError::Character(Codepoint(c)));
        }
        if is_combining_mark(c) {
            if last.is_none_or(|last| last == ' ') {
                return Err(NameError::LoneMark(Codepoint(c)));
            }
            marks = marks.saturating_add(1);
        } else {
            (last, marks) = (Some(c), 0);
        }
        if marks > MARKS_MAX {
            return Err(NameError::Marks);
        }
    }
    Ok(())
}

/// Whether a character is seen and used by the living, or on a keyboard. Emoji are looked at as a whole. Another form of
/// such characters is seen as they are; spaces of whatever width are forms of the one that is allowed.
fn is_seen(c: char) -> bool {
    let is_form = || {
        let mut all = true;
        decompose_compatible(c, |part| all &= part != ' ' && is_plain(part));
        all
    };
    c == ' ' || is_plain(c) || c.identifier_type() == Some(IdentifierType::Not_NFKC) && is_form()
}

fn is_plain(c: char) -> bool {
    use IdentifierType::{Inclusion, Limited_Use, Recommended, Uncommon_Use};
    let identifier = c.identifier_type();
    c.is_ascii_graphic()
        || matches!(
            identifier,
            Some(Recommended | Inclusion | Limited_Use | Uncommon_Use)
        )
}

/// Whether a joiner is seen where it stands, by the rules A.1 and A.2 of RFC 5892: after a virama both are, and between
/// two letters that would join the non-joiner is. `left` goes away from it.
fn joins(joiner: char, mut left: impl Iterator<Item = char>, mut right: impl Iterator<Item = char>) -> bool {
    use JoiningType::{DualJoining, LeftJoining, RightJoining, Transparent};
    let beside = left.next();
    if beside.map(canonical_combining_class) == Some(VIRAMA) {
        return true;
    }
    let holds = |c: &char| get_joining_type(*c) != Transparent;
    let left = beside.into_iter().chain(left).find(holds).map(get_joining_type);
    let right = right.find(holds).map(get_joining_type);
    joiner == NON_JOINER
        && matches!(left, Some(LeftJoining | DualJoining))
        && matches!(right, Some(RightJoining | DualJoining))
}

#[cfg(test)]
mod tests {
    use super::*;

    // NA-2
    #[test]
    fn na_2_names_of_living_scripts_and_emoji_are_allowed() {
        for name in [
            "Ada",
            "a",
            "x_X.Dark-Knight.X_x",
            "Ægir the 2nd",
            "小明",
            "さくら",
            "김철수",
            "Владимир",
            "Ελένη",
            "Nguyễn Văn Ấn",
            "محمد",
            "שָׁלוֹם",
            "สมชาย",
            "กำพล",
            "தமிழ்",
            // Persian: the non-joiner keeps two letters apart that would join.
            "می\u{200c}خواهم",
            "علی\u{200c}رضا",
            // Hindi and Sinhala: both joiners behind a virama choose a form.
            "क्\u{200d}षत्रिय",
            "हिन्\u{200c}दी",
            "ශ්\u{200d}රී",
            "❤",
            "🦊",
            "👩\u{200d}👩\u{200d}👧",
            "🧙🏽\u{200d}♀\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "🇺🇦 1\u{fe0f}\u{20e3}",
        ] {
            let parsed = PlayerName::parse(name);
            assert!(parsed.is_ok(), "{name:?}: {parsed:?}");
        }
    }

    // NA-3
    #[test]
    fn na_3_what_is_not_seen_is_refused_and_named() {
        for hidden in [
            '\u{3164}',
            '\u{2800}',
            '\u{115f}',
            '\u{1160}',
            '\u{ffa0}',
            '\u{180b}',
            '\u{34f}',
            '\u{ad}',
            '\u{17b4}',
            '\u{200b}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{feff}',
            '\u{fe0f}',
            '\u{a0}',
            '\u{3000}',
            '\u{2003}',
            '\u{fffc}',
            '\u{1d159}',
            '\u{13441}',
            '\u{16fe4}',
            '\u{e0041}',
            '\u{e000}',
            '\u{378}',
            '\n',
            '\0',
            '\u{7f}',
        ] {
            for name in [hidden.to_string(), format!("A{hidden}da")] {
                let error = PlayerName::parse(&name).unwrap_err();
                assert!(
                    !matches!(error, NameError::Empty | NameError::TooLong(_)),
                    "{name:?}: {error}"
                );
                assert!(!error.to_string().contains(hidden));
            }
        }
        let error = PlayerName::parse("\u{3164}").unwrap_err();
        assert_eq!(error.to_string(), "a name may not have the character U+3164");
    }

    // NA-3
    #[test]
    fn na_3_marks_need_a_letter_and_are_no_tower() {
        let refused = |name: &str| PlayerName::parse(name).unwrap_err();
        let lone = NameError::LoneMark(Codepoint('\u{301}'));
        assert_eq!(refused("\u{301}"), lone);
        assert_eq!(refused("a \u{301}"), lone);
        assert_eq!(
            refused("a\u{33f}\u{33f}\u{33f}\u{33f}\u{33f}"),
            NameError::Character(Codepoint('\u{33f}'))
        );
        assert_eq!(refused("x\u{331}\u{323}\u{302}\u{308}\u{30c}"), NameError::Marks);
    }

    // NA-3
    #[test]
    fn na_3_joiners_that_change_nothing_are_refused() {
        for name in [
            "A\u{200c}da",
            "A\u{200d}da",
            "\u{200c}",
            "می\u{200c}",
            "\u{200c}می",
            // The first letter does not join to its left anyway.
            "ر\u{200c}ضا",
            "می\u{200c}\u{200c}خ",
            "क्\u{200d}\u{200d}ष",
            "م\u{200d}م",
        ] {
            assert!(
                matches!(PlayerName::parse(name), Err(NameError::Joiner(_))),
                "{name:?}"
            );
        }
        assert!(PlayerName::parse("👩\u{200d}").is_err());
        assert!(PlayerName::parse("👩\u{200d}\u{200d}👧").is_err());
        assert!(
            PlayerName::parse("🏴\u{e0061}\u{e007f}").is_err(),
            "tags that hide a word"
        );
    }

    // NA-5
    #[test]
    fn na_5_names_that_people_take_for_one_another_have_one_look_or_one_fold() {
        let name = |text: &str| PlayerName::parse(text).unwrap();
        let alike = |one: &str, other: &str| {
            let (one, other) = (name(one), name(other));
            one.fold() == other.fold() || one.look() == other.look()
        };
        for (one, other) in [
            ("Ada", "ada"),
            ("Ada", "ADA"),
            ("Ada", "Аda"),
            ("Ian", "lan"),
            ("Bob", "B0b"),
            ("modern", "rnodern"),
            ("é", "e\u{301}"),
            ("ﬁne", "fine"),
            ("Ⅸ", "ix"),
            ("می\u{200c}خواهم", "میخواهم"),
            ("Straße", "STRAßE"),
        ] {
            assert!(alike(one, other), "{one} and {other}");
        }
        for (one, other) in [
            ("Ada", "Ida"),
            ("علی", "رضا"),
            ("राम", "श्याम"),
            ("🦊", "🐺"),
            ("Ann", "Anne"),
        ] {
            assert!(!alike(one, other), "{one} and {other}");
        }
        let longest = name(&"m".repeat(NAME_BYTES_MAX));
        assert!(longest.look().len() <= 1_024 && longest.fold().len() <= 1_024);
    }

    // NA-1
    #[test]
    fn na_1_names_are_measured_in_form_c() {
        let decomposed = "e\u{301}".repeat(NAME_BYTES_MAX / 2);
        let name = PlayerName::parse(&decomposed).unwrap();
        assert_eq!(name.as_str(), "é".repeat(NAME_BYTES_MAX / 2));
        assert_eq!(PlayerName::parse(&"x".repeat(33)), Err(NameError::TooLong(33)));
        assert_eq!(PlayerName::parse(&"x".repeat(255)), Err(NameError::TooLong(255)));
        assert_eq!(PlayerName::parse(""), Err(NameError::Empty));
        for name in [" ", " Ada", "Ada ", "A  da"] {
            assert_eq!(PlayerName::parse(name), Err(NameError::Spaces));
        }
    }
}
