//! Whom a web page may make a browser talk to: pages of strangers are kept out by their `Origin`, and names that were made to
//! lead here by `Host`. Pure.

use topology::{Host, Proxy, Url};

/// What else than the topology says may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Exceptions {
    /// Origins of pages.
    pub(in crate::server) origins: Vec<Url>,
    /// Names that this proxy is called by.
    pub(in crate::server) hosts: Vec<String>,
}

/// One proxy's gate, as the topology has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate<'a> {
    pub(super) own: &'a Proxy,
    pub(super) all: &'a [Proxy],
    pub(super) except: &'a Exceptions,
}

impl Gate<'_> {
    /// Whether a request to this `Host` is meant for this proxy. A name that somebody else made lead here is not; an
    /// address cannot be made to.
    pub(super) fn knows_host(&self, host: &str) -> bool {
        let Ok(url) = format!("http://{host}").parse::<Url>() else {
            return false;
        };
        let Host::Name(name) = &url.address.host else {
            return true;
        };
        let found_at = self.own.found_at();
        let own = [&found_at.address.host, &self.own.http.host];
        let is_own = own.contains(&&url.address.host);
        // Whatever is called localhost leads nowhere else.
        is_own
            || url.is_loopback()
            || self
                .except
                .hosts
                .iter()
                .any(|host| host.eq_ignore_ascii_case(name))
    }

    /// Whether pages of this origin may come in.
    pub(super) fn admits(&self, origin: &str) -> bool {
        let Ok(origin) = origin.parse::<Url>() else {
            return false;
        };
        let is_listed = self.all.iter().any(|proxy| proxy.found_at() == origin);
        let is_at_home = origin.is_loopback() && self.own.found_at().is_loopback();
        is_listed || is_at_home || self.except.origins.contains(&origin)
    }

    /// Where the page may connect to, as CSP's `connect-src` has it.
    pub(super) fn connects_to(&self) -> String {
        let places = self.all.iter().map(|proxy| {
            let url = proxy.found_at();
            let webtransport = proxy.webtransport.iter().map(Url::over_tls);
            let webtransport: String = webtransport.map(|url| format!(" {url}")).collect();
            format!(" {url} {}{webtransport}", url.for_sockets())
        });
        std::iter::once("'self'".to_owned()).chain(places).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(proxies: &[(&str, &str)]) -> topology::Topology {
        let mut text = "[world]\nname = \"w\"\nsize = [64, 64]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n[[server]]\nname = \"a\"\nnumber = 1\npeer = \"127.0.0.1:1\"\nproxy = \"127.0.0.1:2\"\n[grid]\ncolumns = 1\nrows = 1\nservers = [\"a\"]\n".to_owned();
        for (number, (http, url)) in (101..).zip(proxies) {
            text += &format!(
                "[[proxy]]\nname = \"p{number}\"\nnumber = {number}\ntcp = \"127.0.0.1:7{number}\"\nudp = \"127.0.0.1:7{number}\"\nhttp = \"{http}\"\n{url}\n"
            );
        }
        topology::parse("t", &text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    #[test]
    fn pages_of_the_cluster_and_of_the_list_come_in_and_no_others() {
        let topology = topology(&[
            ("10.0.0.9:8080", "url = \"https://edge-1.example\""),
            ("edge-2.example:8080", ""),
        ]);
        let except = Exceptions {
            origins: vec!["https://play.example".parse().unwrap()],
            hosts: vec!["balancer.example".to_owned()],
        };
        let gate = Gate {
            own: &topology.proxies()[0],
            all: topology.proxies(),
            except: &except,
        };
        for origin in [
            "https://edge-1.example",
            "http://edge-2.example:8080",
            "https://play.example",
        ] {
            assert!(gate.admits(origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://edge-1.example",
            "https://edge-1.example:8080",
            "https://edge-1.example.evil.example",
            "http://10.0.0.9:8080",
            "http://localhost:8080",
            "http://127.0.0.1",
        ] {
            assert!(!gate.admits(origin), "{origin}");
        }
        for host in [
            "edge-1.example",
            "EDGE-1.example:443",
            "10.0.0.9:8080",
            "[fd00::1]:80",
            "localhost:9",
            "Balancer.example",
        ] {
            assert!(gate.knows_host(host), "{host}");
        }
        for host in [
            "",
            "edge-2.example:8080",
            "evil.example",
            "0.0.0.0:8080",
            "a b",
            "edge-1.example/x",
        ] {
            assert!(!gate.knows_host(host), "{host}");
        }
        assert_eq!(
            gate.connects_to(),
            "'self' https://edge-1.example wss://edge-1.example http://edge-2.example:8080 ws://edge-2.example:8080"
        );
    }

    #[test]
    fn on_one_machine_any_page_of_the_machine_comes_in() {
        let topology = topology(&[("127.0.0.1:8080", "")]);
        let gate = Gate {
            own: &topology.proxies()[0],
            all: topology.proxies(),
            except: &Exceptions::default(),
        };
        assert!(gate.admits("http://localhost:5173") && gate.admits("http://[::1]:1"));
        assert!(!gate.admits("http://evil.example") && !gate.admits("null"));
    }
}
