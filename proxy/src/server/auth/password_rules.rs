//! Which passwords are taken. Long ones are good; what everybody tries first is not. Pure.

use protocol::limits::PASSWORD_BYTES_MAX;
use protocol::name::PlayerName;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Characters.
const LENGTH_MIN: usize = 8;
/// Characters that are not the same.
const DIFFERENT_MIN: usize = 4;
/// What is guessed first, in small letters; with digits or signs behind it as well.
const GUESSED_FIRST: &[&str] = &[
    "password",
    "passwort",
    "qwerty",
    "qwertyui",
    "qwertyuiop",
    "qwertz",
    "azerty",
    "iloveyou",
    "letmein",
    "welcome",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "starwars",
    "dragon",
    "monkey",
    "admin",
    "administrator",
    "changeme",
    "trustno",
    "abcdefgh",
    "regionmesh",
    "asdfghjk",
    "asdfghjkl",
    "abcd",
    "secret",
];

/// Why a password is not taken. Its text is for whoever chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PasswordError {
    #[error("a password has at least {LENGTH_MIN} characters")]
    TooShort,
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes of UTF-8")]
    TooLong,
    #[error("a password has at least {DIFFERENT_MIN} different characters")]
    TooUniform,
    #[error("this password is one of those that are guessed first")]
    Guessed,
    #[error("a password is not the name")]
    Name,
}

/// The form in which a password is worked with: what is typed in one way on one keyboard and in another on another is the same.
pub(super) fn normal(password: &str) -> Zeroizing<String> {
    // Never grows, so that no copy is left behind.
    let mut normal = Zeroizing::new(String::with_capacity(4 * password.len()));
    normal.extend(password.nfc());
    normal
}

/// Whether a password in this form may be chosen for an account of this name.
pub(super) fn check(password: &str, name: &PlayerName) -> Result<(), PasswordError> {
    if password.chars().count() < LENGTH_MIN {
        return Err(PasswordError::TooShort);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    let mut different: Vec<char> = password.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < DIFFERENT_MIN {
        return Err(PasswordError::TooUniform);
    }
    let small = Zeroizing::new(password.to_lowercase());
    let word = small.trim_end_matches(|c: char| !c.is_alphabetic());
    if GUESSED_FIRST.contains(&word) || is_counted(&small) {
        return Err(PasswordError::Guessed);
    }
    let name = name.fold();
    if word == name || *small == name {
        return Err(PasswordError::Name);
    }
    Ok(())
}

/// Digits one after the other.
fn is_counted(password: &str) -> bool {
    password.as_bytes().array_windows().all(|[one, next]| {
        one.is_ascii_digit() && (next.abs_diff(*one) <= 1 || (*one, *next) == (b'9', b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_passwords_of_any_script_are_taken_and_what_is_guessed_first_is_not() {
        let name = PlayerName::parse("Ada Lovelace").unwrap();
        for good in [
            "correct horse battery staple",
            "رمز عبور طولانی",
            "मेरा पासवर्ड",
            "🦊🐺🐻🦁🐯🐨🐼🐸",
            "tr0ub4dor&3",
            &"x1y2".repeat(32),
        ] {
            assert_eq!(check(&normal(good), &name), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", PasswordError::TooShort),
            ("short7!", PasswordError::TooShort),
            (&"x1y2z".repeat(26), PasswordError::TooLong),
            ("aaaabbbb", PasswordError::TooUniform),
            ("Password1!", PasswordError::Guessed),
            ("12345678", PasswordError::Guessed),
            ("1234567890", PasswordError::Guessed),
            ("87654321", PasswordError::Guessed),
            ("ada lovelace", PasswordError::Name),
            ("Ada Lovelace99", PasswordError::Name),
        ] {
            assert_eq!(check(&normal(bad), &name), Err(why), "{bad}");
        }
        assert_eq!(normal("pe\u{301}che"), normal("péche"));
    }
}
