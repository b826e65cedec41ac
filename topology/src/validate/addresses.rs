//! Checks of addresses: each must be one that others can dial, and no two listeners may want one port of one host.

use std::ops::RangeInclusive;

use crate::diagnostic::{At, Diagnostic};
use crate::raw::RawTopology;
use crate::{Address, AddressError, Code, Host, Url};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

/// What one listener takes.
struct Listener<'a> {
    transport: Transport,
    written: &'a At<String>,
    ports: u16,
}

/// Ports of an address that can be bound, known.
struct Bound<'a> {
    transport: Transport,
    host: Host,
    ports: RangeInclusive<u16>,
    written: &'a At<String>,
}

pub(super) fn check(raw: &RawTopology, mistakes: &mut Vec<Diagnostic>) {
    let mut taken: Vec<Bound<'_>> = Vec::new();
    for listener in listeners(raw) {
        let found = match bound(&listener) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(why) => {
                mistakes.push(unusable(listener.written, why));
                continue;
            }
        };
        if let Some(other) = taken.iter().find(|other| collide(other, &found)) {
            mistakes.push(collision(&found, other));
        }
        taken.push(found);
    }
    // Nobody listens there but a balancer: several proxies may have the same.
    for written in raw.proxies.iter().filter_map(|proxy| proxy.door.as_ref()) {
        if let Err(why) = door(&written.value) {
            mistakes.push(unusable(written, why));
        }
    }
    for written in raw.proxies.iter().filter_map(|proxy| proxy.url.as_ref()) {
        if let Err(why) = written.value.parse::<Url>() {
            mistakes.push(bad_url(written, why));
        }
    }
}

fn door(written: &str) -> Result<(), AddressError> {
    let address: Address = written.parse()?;
    match address.port {
        0 => Err(AddressError {
            code: Code::FreePort,
            what: "where a balancer listens is not for the proxy to choose",
        }),
        _ => Ok(()),
    }
}

fn bad_url(written: &At<String>, why: AddressError) -> Diagnostic {
    Diagnostic::new(why.code, format!("{:?} is not a usable url", written.value))
        .at(&written.span, why.what)
        .help("write such as \"https://edge-1.example.net\" or \"http://10.0.0.7:8080\", or leave it out")
}

fn listeners(raw: &RawTopology) -> impl Iterator<Item = Listener<'_>> {
    let tcp = |written| Listener {
        transport: Transport::Tcp,
        written,
        ports: 1,
    };
    let servers = raw
        .servers
        .iter()
        .flat_map(|server| [&server.peer, &server.proxy])
        .flatten()
        .map(tcp);
    let proxies = raw
        .proxies
        .iter()
        .flat_map(|proxy| [&proxy.tcp, &proxy.http])
        .flatten()
        .map(tcp);
    let edges = raw.proxies.iter().filter_map(|proxy| {
        let shards = proxy
            .shards
            .as_ref()
            .map_or(1, |shards| shards.value.clamp(1, crate::limits::SHARDS_MAX));
        Some(Listener {
            transport: Transport::Udp,
            written: proxy.udp.as_ref()?,
            ports: shards as u16,
        })
    });
    let browsers = raw.proxies.iter().filter_map(|proxy| {
        Some(Listener {
            transport: Transport::Udp,
            written: proxy.webtransport.as_ref()?,
            ports: 1,
        })
    });
    let auths = raw.auths.iter().filter_map(|auth| auth.proxy.as_ref()).map(tcp);
    servers.chain(proxies).chain(auths).chain(edges).chain(browsers)
}

/// The ports the listener will have; `None` when they are free ones, not known yet.
fn bound<'a>(listener: &Listener<'a>) -> Result<Option<Bound<'a>>, AddressError> {
    let address: Address = listener.written.value.parse()?;
    if address.port == 0 {
        return match address.host.is_loopback() {
            true => Ok(None),
            false => Err(AddressError {
                code: Code::FreePort,
                what: "a free port that only this machine could know of",
            }),
        };
    }
    let last = address.port.checked_add(listener.ports - 1);
    let last = last.ok_or(AddressError::unusable("its shards need ports above 65535"))?;
    Ok(Some(Bound {
        transport: listener.transport,
        host: address.host.canonical(),
        ports: address.port..=last,
        written: listener.written,
    }))
}

fn collide(a: &Bound<'_>, b: &Bound<'_>) -> bool {
    let apart = a.ports.end() < b.ports.start() || b.ports.end() < a.ports.start();
    a.transport == b.transport && a.host == b.host && !apart
}

fn unusable(written: &At<String>, why: AddressError) -> Diagnostic {
    let help = match why.code {
        Code::Wildcard => {
            "write the name or the IP address under which others reach this machine; a node that is to listen on all its \
             addresses says so in its own configuration, by the table [listen]"
        }
        Code::FreePort => "write the port; 0 is for local clusters, on loopback",
        _ => {
            "write a host name or an IP address that others can dial, and a port, such as \"10.0.0.7:7000\" or \
             \"gs-a.example.net:7000\""
        }
    };
    Diagnostic::new(why.code, format!("{:?} is not a usable address", written.value))
        .at(&written.span, why.what)
        .help(help)
}

fn collision(again: &Bound<'_>, first: &Bound<'_>) -> Diagnostic {
    let transport = match again.transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    };
    let takes = |bound: &Bound<'_>| {
        let (first, last) = (bound.ports.start(), bound.ports.end());
        if first == last {
            format!("takes port {first}")
        } else {
            format!("takes ports {first} to {last}")
        }
    };
    Diagnostic::new(
        Code::DuplicateAddress,
        format!("two listeners want one {transport} port of {}", again.host),
    )
    .at(&again.written.span, takes(again))
    .at(&first.written.span, takes(first))
    .help("give each listener a port of its own")
}
