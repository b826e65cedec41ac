//! Checks that many keys share: a number in its range, a usable name, nothing twice, not too many.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use crate::Code;
use crate::diagnostic::{At, Diagnostic};
use crate::limits::NAME_CHARS_MAX;

/// Notes a number outside its range.
pub(super) fn in_range(
    key: &str,
    number: Option<&At<u32>>,
    range: RangeInclusive<u32>,
    code: Code,
    mistakes: &mut Vec<Diagnostic>,
) {
    let Some(number) = number.filter(|number| !range.contains(&number.value)) else {
        return;
    };
    let (least, most) = (range.start(), range.end());
    mistakes.push(
        Diagnostic::new(
            code,
            format!("`{key}` must be {least} to {most}, not {}", number.value),
        )
        .at(&number.span, "out of range")
        .help(format!("write a number from {least} to {most}")),
    );
}

/// Whether logs, metrics and file names can carry it: what a node, a region or a world may be called.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let letters = name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    let first = name.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    letters && first && name.len() <= NAME_CHARS_MAX
}

/// Notes a name that logs, metrics or file names could not carry.
pub(super) fn check_name(name: Option<&At<String>>, mistakes: &mut Vec<Diagnostic>) {
    if let Some(name) = name.filter(|name| !is_name(&name.value)) {
        mistakes.push(
            Diagnostic::new(Code::BadName, format!("{:?} cannot be a name", name.value))
                .at(&name.span, "unusable")
                .help(format!(
                    "1 to {NAME_CHARS_MAX} letters, digits, '-', '_' or '.', beginning with a letter or digit"
                )),
        );
    }
}

/// Notes each value that stands a second time, with the place of the first.
pub(super) fn twice<'a, T: Ord + std::fmt::Display + 'a>(
    values: impl Iterator<Item = &'a At<T>>,
    code: Code,
    what: &str,
    help: &str,
    mistakes: &mut Vec<Diagnostic>,
) {
    let mut seen: BTreeMap<&T, &Range<usize>> = BTreeMap::new();
    for At { value, span } in values {
        if let Some(first) = seen.get(value) {
            mistakes.push(
                Diagnostic::new(code, format!("{what} {value} is used twice"))
                    .at(span, "used again")
                    .at(first, "first used here")
                    .help(help),
            );
        } else {
            seen.insert(value, span);
        }
    }
}

/// Notes a count above its limit.
pub(super) fn too_many(what: &str, count: usize, most: usize, span: &Range<usize>) -> Option<Diagnostic> {
    (count > most).then(|| {
        Diagnostic::new(Code::TooMany, format!("{count} {what}, at most {most}"))
            .at(span, "too many")
            .help(format!("describe at most {most} {what}"))
    })
}
