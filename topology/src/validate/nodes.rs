//! Checks of servers, proxies and auth nodes as nodes: that there are some and not too many, their names and their numbers.

use super::values::{check_name, in_range, too_many, twice};
use crate::Code;
use crate::diagnostic::Diagnostic;
use crate::limits::{AUTHS_MAX, PROXIES_MAX, SERVERS_MAX, SHARDS_MAX};
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
    mistakes.extend(too_many("auth nodes", raw.auths.len(), AUTHS_MAX, &(0..0)));
    let names = || {
        let servers = raw.servers.iter().map(|server| &server.name);
        servers
            .chain(raw.proxies.iter().map(|proxy| &proxy.name))
            .chain(raw.auths.iter().map(|auth| &auth.name))
            .flatten()
    };
    names().for_each(|name| check_name(Some(name), mistakes));
    twice(
        names(),
        Code::DuplicateName,
        "node name",
        "give each node a name of its own",
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

fn numbers(raw: &RawTopology, mistakes: &mut Vec<Diagnostic>) {
    let numbers = || {
        let servers = raw.servers.iter().map(|server| &server.number);
        servers
            .chain(raw.proxies.iter().map(|proxy| &proxy.number))
            .chain(raw.auths.iter().map(|auth| &auth.number))
            .flatten()
    };
    for number in numbers() {
        in_range("number", Some(number), 1..=1023, Code::NodeNumberRange, mistakes);
    }
    let help = "give each node a number that no other has or had";
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
