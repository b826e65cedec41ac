//! Advertised and listened: the topology says where others dial a node, its own configuration where it listens. Without
//! such a setting it listens where it is dialed, provided that this is an address of its machine.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::life::Failure;
use net::names::{HostPort, look_up};
use net::udp::BatchSocket;
use tokio::net::TcpListener;
use topology::{Address, Host};

/// Where to dial; `None` for port 0, which says nothing.
#[must_use]
pub fn dialed(address: &Address) -> Option<HostPort> {
    let host = match &address.host {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.clone(),
    };
    let port = address.port;
    (port != 0).then_some(HostPort { host, port })
}

/// One listener of a node.
#[derive(Clone, Copy, Debug)]
pub struct Listener<'a> {
    /// The setting that says where it listens.
    pub key: &'static str,
    /// Its value.
    pub said: Option<SocketAddr>,
    /// Where others dial it.
    pub advertised: &'a Address,
}

impl Listener<'_> {
    /// Binds its TCP port.
    ///
    /// # Errors
    /// What the operator has to change.
    pub async fn tcp(&self) -> Result<TcpListener, Failure> {
        let mut last = None;
        for address in self.places().await? {
            match TcpListener::bind(address).await {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some((address, error)),
            }
        }
        Err(self.refused(last))
    }

    /// Binds as many consecutive UDP ports; with port 0, any free ones.
    ///
    /// # Errors
    /// What the operator has to change.
    pub async fn udp(&self, count: u16) -> Result<Vec<BatchSocket>, Failure> {
        let mut last = None;
        for address in self.places().await? {
            match udp_at(address, count) {
                Ok(sockets) => return Ok(sockets),
                Err(refused) => last = Some(refused),
            }
        }
        Err(self.refused(last))
    }

    /// Where it may listen, the best first.
    async fn places(&self) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(said) = self.said {
            return Ok(vec![said]);
        }
        let Address { host, port } = self.advertised;
        let name = match host {
            Host::Ip(_) => return Ok(self.advertised.socket().into_iter().collect()),
            Host::Name(name) => name,
        };
        let key = self.key;
        let found = look_up(name).await.map_err(|error| {
            Failure::unreachable(format!(
                "cannot tell where to listen for {}: {error}; mend the name service, or say where with `{key}`",
                self.advertised
            ))
        })?;
        let usable = of_others(host, &found);
        if usable.is_empty() {
            return Err(Failure::bad_input(format!(
                "on this machine the name {name} is only {}, where nobody else can dial; mend its hosts file, or say with `{key}` where to listen, such as 0.0.0.0:{port}",
                found.first().map_or_else(String::new, ToString::to_string)
            )));
        }
        Ok(usable.into_iter().map(|ip| SocketAddr::new(ip, *port)).collect())
    }

    fn refused(&self, last: Option<(SocketAddr, io::Error)>) -> Failure {
        let (key, advertised) = (self.key, self.advertised);
        let Some((address, error)) = last else {
            return Failure::bad_input(format!(
                "there is no address to listen on for {advertised}; name one with `{key}`"
            ));
        };
        if error.kind() == io::ErrorKind::AddrNotAvailable && self.said.is_none() {
            return Failure::bad_input(format!(
                "cannot listen on {address}, where the topology has others dial: it is no address of this machine; say with `{key}` where to listen, such as 0.0.0.0:{}, or change the topology",
                address.port()
            ));
        }
        let remedy = match self.said {
            Some(_) => format!("free it, or change `{key}`"),
            None => format!("free it, say with `{key}` where else to listen, or change the topology"),
        };
        Failure::bad_input(format!("cannot listen on {address}: {error}; {remedy}"))
    }
}

fn udp_at(first: SocketAddr, count: u16) -> Result<Vec<BatchSocket>, (SocketAddr, io::Error)> {
    let bind = |more: u16| {
        let mut address = first;
        if first.port() != 0 {
            let port = first.port().checked_add(more);
            address.set_port(port.ok_or_else(|| {
                (
                    first,
                    io::Error::other("there are not so many UDP ports above it"),
                )
            })?);
        }
        BatchSocket::bind(address).map_err(|error| (address, error))
    };
    (0..count.max(1)).map(bind).collect()
}

/// Some systems give a machine's own name an address of loopback in their hosts file: whoever listened there would be alone.
fn of_others(host: &Host, found: &[IpAddr]) -> Vec<IpAddr> {
    let keep = |ip: &&IpAddr| host.is_loopback() || !ip.is_loopback();
    found.iter().filter(keep).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn listener<'a>(said: Option<&str>, advertised: &'a Address) -> Listener<'a> {
        Listener {
            key: "listen.peer",
            said: said.map(|said| said.parse().unwrap()),
            advertised,
        }
    }

    #[test]
    fn a_port_0_is_not_dialed_and_a_name_is_left_to_whoever_dials() {
        assert_eq!(dialed(&address("127.0.0.1:0")), None);
        for text in ["[fd00::7]:7", "gs-a.example:7"] {
            assert_eq!(dialed(&address(text)).unwrap().to_string(), text);
        }
    }

    #[tokio::test]
    async fn a_node_listens_where_it_is_dialed_or_where_it_is_told() {
        for (said, advertised, at) in [
            (None, "127.0.0.1:0", "127.0.0.1"),
            (None, "localhost:0", "loopback"),
            (None, "[::1]:0", "[::1]"),
            (Some("0.0.0.0:0"), "198.51.100.7:7000", "0.0.0.0"),
            (Some("127.0.0.1:0"), "no-such-host.invalid:7000", "127.0.0.1"),
        ] {
            let advertised = address(advertised);
            let listener = listener(said, &advertised);
            let tcp = listener.tcp().await.unwrap().local_addr().unwrap();
            let udp = listener.udp(2).await.unwrap();
            assert_eq!(udp.len(), 2);
            for bound in [tcp, udp[0].local_addr().unwrap()] {
                let fits = match at {
                    "loopback" => bound.ip().is_loopback(),
                    at => bound.to_string().starts_with(at),
                };
                assert!(fits && bound.port() != 0, "{bound} for {advertised}");
            }
        }
    }

    #[tokio::test]
    async fn what_cannot_be_listened_on_is_refused_with_the_setting_that_mends_it() {
        let said = |failure: Failure| failure.message;
        let foreign = address("198.51.100.7:7000");
        let message = said(listener(None, &foreign).tcp().await.unwrap_err());
        assert!(
            message.contains("no address of this machine") && message.contains("`listen.peer`"),
            "{message}"
        );
        let message = said(listener(None, &foreign).udp(1).await.unwrap_err());
        assert!(message.contains("no address of this machine"), "{message}");
        let unknown = address("no-such-host.invalid:7000");
        let message = said(listener(None, &unknown).tcp().await.unwrap_err());
        assert!(
            message.contains("no-such-host.invalid") && message.contains("`listen.peer`"),
            "{message}"
        );
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = taken.local_addr().unwrap().to_string();
        let (_held, own) = (std::net::TcpListener::bind(&taken), address(&taken));
        let message = said(listener(None, &own).tcp().await.unwrap_err());
        assert!(message.contains("free it"), "{message}");
        let message = said(listener(Some(&taken), &foreign).tcp().await.unwrap_err());
        assert!(message.contains("change `listen.peer`"), "{message}");
    }

    #[test]
    fn a_name_that_is_loopback_here_only_is_nowhere_to_listen() {
        let (here, there) = (IpAddr::from([127, 0, 1, 1]), IpAddr::from([10, 0, 0, 7]));
        let host = |text: &str| address(text).host;
        assert_eq!(of_others(&host("gs-a:1"), &[here, there]), [there]);
        assert_eq!(of_others(&host("gs-a:1"), &[here]), [] as [IpAddr; 0]);
        assert_eq!(of_others(&host("localhost:1"), &[here]), [here]);
    }
}
