//! Checks of servers and proxies as nodes: that there are some and not too many, their names and their numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use super::limits::{NAME_CHARS_MAX, PROXIES_MAX, SERVERS_MAX, SHARDS_MAX};
use super::world::in_range;
use crate::Code;
use crate::diagnostic::{At, Diagnostic};
use crate::raw::RawTopology;

pub(super) fn check(raw: &RawTopology, mistakes: &mut Vec<Diagnostic>) {
    if raw.servers.is_empty() {
        mistakes.push(nobody(
            Code::NoServer,
            "no [[server]]: nobody would simulate the world",
            "[[server]]",
        ));
    }
    if raw.proxies.is_empty() {
        mistakes.push(nobody(
            Code::NoProxy,
            "no [[proxy]]: nobody could enter the world",
            "[[proxy]]",
        ));
    }
    mistakes.extend(too_many("servers", raw.servers.len(), SERVERS_MAX, &(0..0)));
    mistakes.extend(too_many("proxies", raw.proxies.len(), PROXIES_MAX, &(0..0)));
    let names = || {
        let servers = raw.servers.iter().map(|server| &server.name);
        servers
            .chain(raw.proxies.iter().map(|proxy| &proxy.name))
            .flatten()
    };
    names().for_each(|name| check_name(Some(name), mistakes));
    twice(
        names(),
        Code::DuplicateName,
        "node name",
        "give each server and proxy a name of its own",
        mistakes,
    );
    numbers(raw, mistakes);
    for proxy in &raw.proxies {
        in_range(
            "shards",
            proxy.shards.as_ref(),
            1..=SHARDS_MAX,
            Code::OutOfRange,
            mistakes,
        );
    }
}

/// Notes a name that logs, metrics or file names could not carry.
pub(super) fn check_name(name: Option<&At<String>>, mistakes: &mut Vec<Diagnostic>) {
    let usable = |name: &str| {
        let letters = name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
        let first = name.starts_with(|letter: char| letter.is_ascii_alphanumeric());
        letters && first && name.len() <= NAME_CHARS_MAX
    };
    if let Some(name) = name.filter(|name| !usable(&name.value)) {
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

fn numbers(raw: &RawTopology, mistakes: &mut Vec<Diagnostic>) {
    let numbers = || {
        let servers = raw.servers.iter().map(|server| &server.number);
        servers
            .chain(raw.proxies.iter().map(|proxy| &proxy.number))
            .flatten()
    };
    for number in numbers() {
        in_range("number", Some(number), 1..=1023, Code::NodeNumberRange, mistakes);
    }
    let help = "give each server and proxy a number that no node has or had";
    twice(
        numbers(),
        Code::DuplicateNodeNumber,
        "node number",
        help,
        mistakes,
    );
}

fn nobody(code: Code, message: &str, table: &str) -> Diagnostic {
    Diagnostic::new(code, message)
        .at(&(0..0), "")
        .help(format!("add a {table} table"))
}
