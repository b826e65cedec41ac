//! Where others dial a listener: a machine, by name or by IP address, and a port. Where the node itself listens is said by
//! its own configuration.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::Code;
use crate::limits::{HOST_NAME_BYTES_MAX, HOST_NAME_LABEL_BYTES_MAX};

/// A machine, as others find it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// By address.
    Ip(IpAddr),
    /// By a name, in lower case, that is looked up at each dial.
    Name(String),
}

/// A machine and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The machine.
    pub host: Host,
    /// The port; 0 is a free one, of a local cluster.
    pub port: u16,
}

/// Why a text is no address that others could dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct AddressError {
    /// Which mistake of a topology it is.
    pub code: Code,
    /// Why.
    pub what: &'static str,
}

impl AddressError {
    pub(crate) const fn unusable(what: &'static str) -> Self {
        let code = Code::BadAddress;
        Self { code, what }
    }
}

impl Host {
    /// Whether it is this machine to whoever asks, and no other's business.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.to_canonical().is_loopback(),
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    /// As two texts of one machine are equal: an IPv4 address in the clothes of an IPv6 one is what it is.
    pub(crate) fn canonical(&self) -> Self {
        match self {
            Self::Ip(ip) => Self::Ip(ip.to_canonical()),
            name @ Self::Name(_) => name.clone(),
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with('[') || text.contains(':') {
            return Err("an IPv6 address stands in brackets before its port: \"[fd00::7]:7000\"");
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip));
        }
        if text.is_empty() {
            return Err("no host stands before the port");
        }
        if text.len() > HOST_NAME_BYTES_MAX {
            return Err("a host name has at most 253 letters");
        }
        let is_label = |label: &str| {
            let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=HOST_NAME_LABEL_BYTES_MAX).contains(&label.len())
                && label.bytes().all(inside)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !text.split('.').all(is_label) {
            return Err(
                "a host name is made of letters, digits and '-', in parts of 1 to 63 with a '.' between them",
            );
        }
        let last = text.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("neither an IP address nor a host name, whose last part is no number");
        }
        Ok(Self::Name(text.to_ascii_lowercase()))
    }
}

impl Address {
    /// As a socket is bound or dialed; `None` for a name.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unusable = AddressError::unusable;
        if let Ok(address) = text.parse::<SocketAddr>() {
            if matches!(address, SocketAddr::V6(v6) if v6.scope_id() != 0) {
                return Err(unusable("a zone such as %1 means something on one machine only"));
            }
            return undialable(address.ip()).map_or(Ok(address.into()), Err);
        }
        let (host, port) = text.rsplit_once(':').ok_or(unusable("no port"))?;
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|_| is_port);
        let port = port.ok_or(unusable("no port from 0 to 65535 stands behind the last ':'"))?;
        let host = Host::parse(host).map_err(unusable)?;
        Ok(Self { host, port })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: Host::Ip(address.ip()),
            port: address.port(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why nobody can dial this address; `None` for one that may belong to a machine.
#[must_use]
pub fn undialable(ip: IpAddr) -> Option<AddressError> {
    // An IPv4 address in the clothes of an IPv6 one is what it is.
    let ip = ip.to_canonical();
    if ip.is_unspecified() {
        return Some(AddressError {
            code: Code::Wildcard,
            what: "stands for every address of a machine, so nobody could dial it",
        });
    }
    let what = match ip {
        ip if ip.is_multicast() => "a multicast address, nobody can dial it",
        IpAddr::V4(ip) if ip.is_broadcast() => "stands for every machine of a network, nobody can dial it",
        IpAddr::V4(ip) if ip.octets()[0] == 0 => "stands for this network, so nobody could dial it",
        _ => return None,
    };
    Some(AddressError::unusable(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_and_written_alike() {
        for (text, written) in [
            ("10.0.0.7:7000", "10.0.0.7:7000"),
            ("[fd00::7]:7000", "[fd00::7]:7000"),
            ("[::1]:0", "[::1]:0"),
            ("GS-A.Mesh.example:07000", "gs-a.mesh.example:7000"),
            ("localhost:65535", "localhost:65535"),
            ("3com.example:1", "3com.example:1"),
            ("xn--bcher-kva.example:1", "xn--bcher-kva.example:1"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), written);
            assert_eq!(written.parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn what_nobody_can_dial_is_refused_and_wildcards_by_a_code_of_their_own() {
        let long = format!("{}.example:1", "a".repeat(64));
        let longer = format!("{}example:1", "abcdefg.".repeat(32));
        for text in [
            "",
            ":",
            ":7000",
            "host",
            "host:",
            "host:x",
            "host:+1",
            "host:65536",
            "host: 1",
            "1.2.3:1",
            "1.2.3.4.5:1",
            "300.1.1.1:1",
            "10.0.0.07:1",
            "fd00::7:7000",
            "[fd00::7]",
            "[host]:1",
            "a_b:1",
            "-a:1",
            "a-:1",
            "a..b:1",
            "a.:1",
            ".a:1",
            "bücher.example:1",
            "a b:1",
            "a\u{1b}:1",
            "[fe80::1%3]:7000",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "0.1.2.3:1",
            &long,
            &longer,
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(error.code, Code::BadAddress, "{text}: {error}");
        }
        for text in ["0.0.0.0:1", "[::]:1", "[::ffff:0.0.0.0]:1"] {
            assert_eq!(
                text.parse::<Address>().unwrap_err().code,
                Code::Wildcard,
                "{text}"
            );
        }
    }

    #[test]
    fn loopback_is_this_machine_by_name_and_by_address() {
        let is_loopback = |text: &str| text.parse::<Address>().unwrap().host.is_loopback();
        for text in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "localhost:1",
            "a.localhost:1",
        ] {
            assert!(is_loopback(text), "{text}");
        }
        for text in [
            "10.0.0.1:1",
            "localhost.example:1",
            "notlocalhost:1",
            "[fd00::1]:1",
        ] {
            assert!(!is_loopback(text), "{text}");
        }
    }
}
