//! Checks of who serves what: every named server exists, every server has something to do, standbys make sense.

use std::collections::BTreeSet;

use super::values::{too_many, twice};
use crate::diagnostic::{At, Diagnostic};
use crate::limits::STANDBYS_MAX;
use crate::raw::{RawRegion, RawTopology};
use crate::{Code, suggest};

pub(super) fn check(regions: &[RawRegion], raw: &RawTopology, mistakes: &mut Vec<Diagnostic>) {
    let servers: Vec<&At<String>> = raw
        .servers
        .iter()
        .filter_map(|server| server.name.as_ref())
        .collect();
    for region in regions {
        for named in region.server.iter().chain(&region.standby) {
            mistakes.extend(unknown(named, &servers));
        }
        standbys(region, mistakes);
    }
    // A region that names nobody may be meant for any server.
    if !regions.is_empty() && regions.iter().all(|region| region.server.is_some()) {
        idle(regions, &servers, mistakes);
    }
}

fn unknown(named: &At<String>, servers: &[&At<String>]) -> Option<Diagnostic> {
    if servers.iter().any(|server| server.value == named.value) {
        return None;
    }
    let known = servers.iter().map(|server| server.value.as_str());
    let help = match suggest::nearest(&named.value, known) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => "add a [[server]] of this name, or name one that exists".to_owned(),
    };
    let message = format!("there is no server {:?}", named.value);
    Some(
        Diagnostic::new(Code::UnknownServer, message)
            .at(&named.span, "unknown server")
            .help(help),
    )
}

fn standbys(region: &RawRegion, mistakes: &mut Vec<Diagnostic>) {
    if let Some(first) = region.standby.first() {
        mistakes.extend(too_many(
            "standbys",
            region.standby.len(),
            STANDBYS_MAX,
            &first.span,
        ));
    }
    let help = "name each standby once, in order of preference";
    twice(
        region.standby.iter(),
        Code::DuplicateStandby,
        "standby",
        help,
        mistakes,
    );
    let Some(primary) = &region.server else {
        return;
    };
    for standby in region
        .standby
        .iter()
        .filter(|standby| standby.value == primary.value)
    {
        mistakes.push(
            Diagnostic::new(
                Code::StandbyIsPrimary,
                format!("{:?} is its own standby", primary.value),
            )
            .at(&standby.span, "takes over from itself")
            .at(&primary.span, "the primary")
            .help("name another server, or leave it out"),
        );
    }
}

fn idle(regions: &[RawRegion], servers: &[&At<String>], mistakes: &mut Vec<Diagnostic>) {
    let named = regions
        .iter()
        .flat_map(|region| region.server.iter().chain(&region.standby));
    let busy: BTreeSet<&str> = named.map(|name| name.value.as_str()).collect();
    for server in servers
        .iter()
        .filter(|server| !busy.contains(server.value.as_str()))
    {
        mistakes.push(
            Diagnostic::new(
                Code::IdleServer,
                format!("server {:?} has no region", server.value),
            )
            .at(&server.span, "neither primary nor standby of any region")
            .help("give it a region, or remove it"),
        );
    }
}
