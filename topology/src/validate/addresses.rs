//! Checks of addresses: each must be one that others can dial, and no two listeners may want one port.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use crate::Code;
use crate::diagnostic::{At, Diagnostic};
use crate::raw::RawTopology;

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
    ip: IpAddr,
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
}

/// The address written like this, or why it cannot be one.
pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let address: SocketAddr = text.parse().map_err(|_| "not an IP address and a port")?;
    undialable(address.ip()).map_or(Ok(address), Err)
}

/// Why nobody can dial this address; `None` for one that may belong to a machine.
#[must_use]
pub fn undialable(ip: IpAddr) -> Option<&'static str> {
    // An IPv4 address in the clothes of an IPv6 one is what it is.
    let ip = ip.to_canonical();
    if ip.is_unspecified() {
        return Some("stands for every address of a machine, so nobody could dial it");
    }
    if ip.is_multicast() {
        return Some("a multicast address, nobody can dial it");
    }
    match ip {
        IpAddr::V4(ip) if ip.is_broadcast() => {
            Some("stands for every machine of a network, nobody can dial it")
        }
        IpAddr::V4(ip) if ip.octets()[0] == 0 => Some("stands for this network, so nobody could dial it"),
        _ => None,
    }
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
    servers.chain(proxies).chain(edges)
}

/// The ports the listener will have; `None` when they are free ones, not known yet.
fn bound<'a>(listener: &Listener<'a>) -> Result<Option<Bound<'a>>, &'static str> {
    let address = address(&listener.written.value)?;
    if address.port() == 0 {
        return Ok(None);
    }
    let last = address.port().checked_add(listener.ports - 1);
    let last = last.ok_or("its shards need ports above 65535")?;
    Ok(Some(Bound {
        transport: listener.transport,
        ip: address.ip().to_canonical(),
        ports: address.port()..=last,
        written: listener.written,
    }))
}

fn collide(a: &Bound<'_>, b: &Bound<'_>) -> bool {
    let apart = a.ports.end() < b.ports.start() || b.ports.end() < a.ports.start();
    a.transport == b.transport && a.ip == b.ip && !apart
}

fn unusable(written: &At<String>, why: &str) -> Diagnostic {
    Diagnostic::new(Code::BadAddress, format!("{:?} is not a usable address", written.value))
        .at(&written.span, why)
        .help("write an IP address that others can dial and a port, such as \"127.0.0.1:7000\"; port 0 is a free one")
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
        format!("two listeners want one {transport} port of {}", again.ip),
    )
    .at(&again.written.span, takes(again))
    .at(&first.written.span, takes(first))
    .help("give each listener a port of its own, or port 0 for a free one")
}
