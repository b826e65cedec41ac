//! Where browsers find a proxy: an origin, as they write it themselves.

use std::fmt;
use std::str::FromStr;

use super::address::{Address, AddressError, Host};
use crate::Code;

/// What a browser speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    const ALL: [Self; 2] = [Self::Http, Self::Https];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    const fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A scheme, a host and a port, and nothing behind them. Displays as browsers write an origin: without the usual port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    /// How it is spoken.
    pub scheme: Scheme,
    /// Who answers.
    pub address: Address,
}

impl Url {
    /// The one of a listener without TLS.
    #[must_use]
    pub fn in_clear(address: &Address) -> Self {
        Self {
            scheme: Scheme::Http,
            address: address.clone(),
        }
    }

    /// The one of a listener over TLS.
    #[must_use]
    pub fn over_tls(address: &Address) -> Self {
        Self {
            scheme: Scheme::Https,
            address: address.clone(),
        }
    }

    /// What a browser sends as `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        let Address { host, port } = &self.address;
        match *port == self.scheme.usual_port() {
            true => host.to_string(),
            false => self.address.to_string(),
        }
    }

    /// The same place for a WebSocket.
    #[must_use]
    pub fn for_sockets(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "ws",
            Scheme::Https => "wss",
        };
        format!("{scheme}://{}", self.authority())
    }
}

impl FromStr for Url {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const fn unusable(what: &'static str) -> AddressError {
            let code = Code::BadUrl;
            AddressError { code, what }
        }
        let found = Scheme::ALL
            .into_iter()
            .find_map(|scheme| Some((scheme, text.strip_prefix(scheme.prefix())?)));
        let (scheme, rest) = found.ok_or(unusable("begins with neither https:// nor http://"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(unusable("has a path, and pages are found at the top"));
        }
        if rest.contains('@') {
            return Err(unusable("has a user, and nobody logs in there"));
        }
        let has_port = rest
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
        let address = match has_port {
            true => rest.parse::<Address>(),
            false => format!("{rest}:{}", scheme.usual_port()).parse(),
        };
        let address = address.map_err(|error| unusable(error.what))?;
        if address.port == 0 {
            return Err(unusable("names port 0, where nobody answers"));
        }
        Ok(Self { scheme, address })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scheme.prefix(), self.authority())
    }
}

impl Url {
    /// Whether only this machine finds it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Host::is_loopback(&self.address.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_and_written_as_browsers_write_them() {
        for (text, written, sockets) in [
            (
                "https://Edge-1.example.net",
                "https://edge-1.example.net",
                "wss://edge-1.example.net",
            ),
            (
                "https://edge.example:443/",
                "https://edge.example",
                "wss://edge.example",
            ),
            (
                "http://edge.example:443",
                "http://edge.example:443",
                "ws://edge.example:443",
            ),
            ("http://[::1]:8080", "http://[::1]:8080", "ws://[::1]:8080"),
            ("http://[::1]", "http://[::1]", "ws://[::1]"),
            ("http://10.0.0.7:80", "http://10.0.0.7", "ws://10.0.0.7"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(
                (url.to_string(), url.for_sockets()),
                (written.to_owned(), sockets.to_owned())
            );
            assert_eq!(written.parse::<Url>().unwrap(), url);
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "edge.example",
            "ftp://edge.example",
            "https://",
            "https://:1",
            "https://edge.example/play",
            "https://edge.example?x",
            "https://me@edge.example",
            "https://edge.example:0",
            "https://edge.example:70000",
            "https://0.0.0.0",
            "https://edge_1.example",
            "https://::1",
            "https://[::1",
            "https://edge.example\u{1b}",
        ] {
            assert_eq!(text.parse::<Url>().unwrap_err().code, Code::BadUrl, "{text}");
        }
    }
}
