//! Settings of what browsers come by: `[http]` and `[tls]`.

use std::path::PathBuf;

use node::config::Mistake;
use serde::{Deserialize, Serialize};

use crate::server::web::gate::Exceptions;

/// Who may look at the live map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapAudience {
    /// Nobody.
    #[default]
    Off,
    /// Who comes from this machine itself.
    Operators,
    /// Anybody, at a proxy that is found on its own machine only.
    Public,
}

node::settings_table! {
    /// The table `[http]`.
    pub struct HttpTable {
        /// HTTP connections at once, WebSocket sessions not among them; one /24 (IPv4) or /48 (IPv6) gets at most an eighth of them.
        pub connections_max: u32 = 512,
        /// Origins whose pages may play here beside those of the topology's proxies, such as `https://play.example.net`.
        pub origins: Vec<String> = Vec::new(),
        /// Names that requests may call this proxy by, beside those that the topology has for it.
        pub hosts: Vec<String> = Vec::new(),
        /// Who may look at the live map, at `/map`: `off`, nobody; `operators`, who comes from this machine itself, by a tunnel for instance; `public`, anybody, only where the proxy's url is one of its own machine (`regionmesh up`).
        pub map: MapAudience = MapAudience::Off,
        /// Sessions of WebTransport at once; one /24 (IPv4) or /48 (IPv6) gets at most an eighth of them. One more takes the place of one that was never played by, or plays over WebSocket alone.
        pub webtransport_max: u32 = 4_096,
    }
}

impl HttpTable {
    /// Who may come in beside whom the topology says; what cannot be read was refused by the check.
    pub(in crate::server) fn exceptions(&self) -> Exceptions {
        Exceptions {
            origins: self.origins.iter().filter_map(|text| text.parse().ok()).collect(),
            hosts: self.hosts.clone(),
        }
    }

    pub(super) fn check(&self, mistakes: &mut Vec<Mistake>) {
        for text in &self.origins {
            if let Err(error) = text.parse::<topology::Url>() {
                let what = format!("holds `{text}`, which {error}");
                mistakes.push(Mistake::new(
                    "http.origins",
                    what,
                    "write origins such as https://play.example.net",
                ));
            }
        }
        let is_name = |text: &String| format!("http://{text}:1").parse::<topology::Url>().is_ok();
        for text in self.hosts.iter().filter(|text| !is_name(text)) {
            let what = format!("holds `{text}`, which is no name of a machine");
            mistakes.push(Mistake::new(
                "http.hosts",
                what,
                "write names such as play.example.net, without a port",
            ));
        }
    }
}

node::settings_table! {
    /// The table `[tls]`.
    pub struct TlsTable {
        /// The file of the certificate in PEM, and behind it those that vouch for it; empty: no TLS. Looked at every second: a new one counts from the next connection on.
        pub certificate: PathBuf = PathBuf::new(),
        /// The file of its private key in PEM, without a password, mode 0600.
        pub key: PathBuf = PathBuf::new(),
    }
}

impl TlsTable {
    pub(super) fn check(&self, mistakes: &mut Vec<Mistake>) {
        let both = [
            ("tls.certificate", &self.certificate, "tls.key"),
            ("tls.key", &self.key, "tls.certificate"),
        ];
        let is_empty = |path: &PathBuf| path.as_os_str().is_empty();
        if both.iter().all(|(_, path, _)| is_empty(path)) {
            return;
        }
        for (key, _, other) in both.iter().filter(|(_, path, _)| is_empty(path)) {
            let what = format!("is missing, and {other} is there");
            mistakes.push(Mistake::new(*key, what, "write both, or neither"));
        }
    }
}
