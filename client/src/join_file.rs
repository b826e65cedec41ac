//! `join.json`: all a client needs to know of a cluster before it knows anybody in it.

use std::fs::File;
use std::io::Read as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use protocol::Shown;
use protocol::client_handshake::ClientTrust;
use protocol::identity::{AuthorityKeys, AuthorityPublic, NodePublic};
use protocol::ids::{ClusterId, NodeUuid};
use protocol::sealed_deed::{AuthNode, AuthNodes};
use serde::{Deserialize, Serialize};

/// The version of the format that this SDK reads.
const VERSION: u32 = 1;
/// A larger file is not a join file, bytes.
const FILE_BYTES_MAX: usize = 256 * 1024;

/// The file as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JoinFile {
    /// Format, 1.
    pub version: u32,
    /// 32 hexadecimal digits.
    pub cluster_id: String,
    /// The authority's Ed25519 public key, 64 hexadecimal digits.
    pub authority_public_key: String,
    /// The one that takes its place, while the two are rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_authority_public_key: Option<String>,
    /// Any of them will do.
    pub proxies: Vec<ProxyAddress>,
    /// Whom passwords and tokens are sealed to; without any, proxies read them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub auth: Vec<AuthKey>,
    /// Status pages of the nodes, in local clusters only.
    pub observe: Vec<ObservedNode>,
}

/// An auth node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthKey {
    /// Who it is, 32 hexadecimal digits.
    pub uuid: String,
    /// The Ed25519 public key of its certificate, 64 hexadecimal digits.
    pub public_key: String,
}

/// Where a proxy takes players.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProxyAddress {
    /// Its name in the topology.
    pub name: String,
    /// Its TCP address; a file may name the host, which is looked up when the file is read.
    pub tcp: SocketAddr,
    /// Where browsers find it, such as `https://edge-1.example.net`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The file before host names are looked up.
#[derive(Deserialize)]
struct Written {
    version: u32,
    cluster_id: String,
    authority_public_key: String,
    #[serde(default)]
    next_authority_public_key: Option<String>,
    proxies: Vec<WrittenProxy>,
    #[serde(default)]
    auth: Vec<AuthKey>,
    #[serde(default)]
    observe: Vec<ObservedNode>,
}

#[derive(Deserialize)]
struct WrittenProxy {
    name: String,
    tcp: String,
    #[serde(default)]
    url: Option<String>,
}

/// A node whose status may be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedNode {
    /// Its name in the topology.
    pub name: String,
    /// `gameserver` or `proxy`.
    pub role: String,
    /// Its `/status`.
    pub status_url: String,
}

/// Why a join file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JoinFileError {
    /// The file could not be read.
    #[error("cannot read the join file {}: {error}", Shown(path.display()))]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is too large to be one.
    #[error("{} is larger than {FILE_BYTES_MAX} bytes, so it is no join file", Shown(.0))]
    TooLarge(String),
    /// It is not JSON of this shape.
    #[error("{} is no join file: {error}", Shown(from))]
    Malformed {
        /// The file or address it came from.
        from: String,
        /// Where and what.
        error: serde_json::Error,
    },
    /// An address is neither `ADDRESS:PORT` nor `HOST:PORT`, or nobody knows the host.
    #[error(
        "the join file's proxy {} has the address `{}`, and it cannot be looked up: {error}",
        Shown(name),
        Shown(host)
    )]
    Resolve {
        /// The proxy.
        name: String,
        /// Its address as written.
        host: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is of another version.
    #[error("the join file is of version {0}, this client reads version {VERSION}")]
    Version(u32),
    /// Nobody in it says where browsers go, or only over TLS.
    #[error(
        "no proxy of the join file has a `url` that begins with http://, where WebSocket is spoken in clear"
    )]
    NoUrl,
    /// A field is not what it must be.
    #[error("the join file's `{0}` is not valid")]
    Field(&'static str),
}

impl JoinFile {
    /// Reads a file. Blocks while host names in it are looked up.
    ///
    /// # Errors
    /// `JoinFileError` names the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, JoinFileError> {
        let unreadable = |error| JoinFileError::Unreadable {
            path: path.to_owned(),
            error,
        };
        let mut text = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        let mut limited = file.take(FILE_BYTES_MAX as u64 + 1);
        limited.read_to_end(&mut text).map_err(unreadable)?;
        Self::parse(&path.to_string_lossy(), &text)
    }

    /// Reads the text of a file that came `from` somewhere. Blocks while host names in it are looked up.
    ///
    /// # Errors
    /// `JoinFileError`; `Resolve` when no proxy at all can be looked up.
    pub fn parse(from: &str, text: &[u8]) -> Result<Self, JoinFileError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(JoinFileError::TooLarge(from.to_owned()));
        }
        // Some editors put a mark before a text.
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let malformed = |error| JoinFileError::Malformed {
            from: from.to_owned(),
            error,
        };
        let written: Written = serde_json::from_slice(text).map_err(malformed)?;
        Ok(Self {
            version: written.version,
            cluster_id: written.cluster_id,
            authority_public_key: written.authority_public_key,
            next_authority_public_key: written.next_authority_public_key,
            proxies: looked_up(written.proxies)?,
            auth: written.auth,
            observe: written.observe,
        })
    }

    /// The cluster and the key that this client will trust.
    ///
    /// # Errors
    /// `Version` or `Field`.
    pub fn trust(&self) -> Result<ClientTrust, JoinFileError> {
        if self.version != VERSION {
            return Err(JoinFileError::Version(self.version));
        }
        let cluster_id = parse_hex(&self.cluster_id).map(ClusterId);
        let key = |text: &str, field| {
            let key = parse_hex(text).and_then(|bytes| AuthorityPublic::parse(&bytes).ok());
            key.ok_or(JoinFileError::Field(field))
        };
        let mut authorities = AuthorityKeys::new(key(&self.authority_public_key, "authority_public_key")?);
        if let Some(next) = &self.next_authority_public_key {
            authorities = authorities.with_next(key(next, "next_authority_public_key")?);
        }
        Ok(ClientTrust {
            cluster_id: cluster_id.ok_or(JoinFileError::Field("cluster_id"))?,
            authorities,
            auth: self.auth_nodes().ok_or(JoinFileError::Field("auth"))?,
        })
    }

    fn auth_nodes(&self) -> Option<AuthNodes> {
        let node = |auth: &AuthKey| {
            Some(AuthNode {
                uuid: NodeUuid(parse_hex(&auth.uuid)?),
                public: NodePublic::parse(&parse_hex(&auth.public_key)?).ok()?,
            })
        };
        AuthNodes::new(self.auth.iter().map(node).collect::<Option<Vec<_>>>()?)
    }

    /// Where the proxies speak HTTP in clear. Blocks while host names are looked up.
    ///
    /// # Errors
    /// `NoUrl`; `Resolve` when none of those can be looked up.
    pub fn web_addresses(&self) -> Result<Vec<SocketAddr>, JoinFileError> {
        let (mut found, mut failed) = (Vec::new(), JoinFileError::NoUrl);
        for proxy in &self.proxies {
            let url = proxy.url.as_deref().and_then(|url| url.strip_prefix("http://"));
            let Some(place) = url.map(|place| place.trim_end_matches('/')) else {
                continue;
            };
            let has_port = place
                .rsplit_once(':')
                .is_some_and(|(_, port)| !port.ends_with(']'));
            let host = if has_port {
                place.to_owned()
            } else {
                format!("{place}:80")
            };
            match address(&host) {
                Ok(address) => found.push(address),
                Err(error) => {
                    let name = proxy.name.clone();
                    failed = JoinFileError::Resolve { name, host, error };
                }
            }
        }
        match found.is_empty() {
            true => Err(failed),
            false => Ok(found),
        }
    }

    /// The proxies' addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.proxies.iter().map(|proxy| proxy.tcp).collect()
    }
}

/// Any proxy will do, so one that cannot be looked up is left out while there are others.
fn looked_up(written: Vec<WrittenProxy>) -> Result<Vec<ProxyAddress>, JoinFileError> {
    let mut unknown = None;
    let mut proxies = Vec::with_capacity(written.len());
    for WrittenProxy { name, tcp, url } in written {
        match address(&tcp) {
            Ok(tcp) => proxies.push(ProxyAddress { name, tcp, url }),
            Err(error) => {
                let host = tcp;
                unknown = Some(JoinFileError::Resolve { name, host, error });
            }
        }
    }
    match unknown {
        Some(error) if proxies.is_empty() => Err(error),
        _ => Ok(proxies),
    }
}

/// One address of a host: of IPv4 where it has one, since a proxy listens on one address and most topologies name such.
fn address(written: &str) -> std::io::Result<SocketAddr> {
    let all: Vec<SocketAddr> = written.to_socket_addrs()?.collect();
    let preferred = all.iter().find(|address| address.is_ipv4()).or(all.first());
    preferred
        .copied()
        .ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"version": 1, "cluster_id": "000102030405060708090a0b0c0d0e0f",
            "authority_public_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "proxies": [{"name": "edge-1", "tcp": "127.0.0.1:7000"}]}"#;

    fn file() -> JoinFile {
        JoinFile::parse("join.json", TEXT.as_bytes()).unwrap()
    }

    fn with_hosts(hosts: [&str; 2]) -> Result<JoinFile, JoinFileError> {
        let proxies = hosts
            .map(|host| format!(r#"{{"name": "edge", "tcp": "{host}"}}"#))
            .join(",");
        let text = TEXT.replace(r#"{"name": "edge-1", "tcp": "127.0.0.1:7000"}"#, &proxies);
        JoinFile::parse("join.json", text.as_bytes())
    }

    #[test]
    fn a_mark_before_the_text_is_passed_over() {
        let marked = format!("\u{feff}{TEXT}");
        assert_eq!(JoinFile::parse("join.json", marked.as_bytes()).unwrap(), file());
    }

    #[test]
    fn hosts_are_looked_up_and_one_that_nobody_knows_keeps_nobody_from_the_others() {
        let join = with_hosts(["localhost:7000", "no port"]).unwrap();
        assert!(join.addresses()[0].ip().is_loopback(), "{join:?}");
        assert_eq!((join.proxies.len(), join.addresses()[0].port()), (1, 7000));
        let error = with_hosts(["no port", "not\\u001bhere"]).unwrap_err().to_string();
        assert!(error.contains("not\\u{1b}here"), "{error}");
    }

    #[test]
    fn no_more_is_read_than_a_join_file_can_have() {
        let endless = JoinFile::read(Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(endless, JoinFileError::TooLarge(_)), "{endless}");
    }

    #[test]
    fn a_join_file_names_cluster_key_and_proxies() {
        let trust = file().trust().unwrap();
        assert_eq!(trust.cluster_id.0[15], 15);
        assert_eq!(file().addresses(), ["127.0.0.1:7000".parse().unwrap()]);
    }

    #[test]
    fn passwords_are_sealed_to_the_auth_nodes_of_the_file_and_one_that_is_none_is_a_mistake() {
        assert_eq!(file().trust().unwrap().auth, AuthNodes::default());
        let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let one = format!(r#"{{"uuid": "{}", "public_key": "{key}"}}"#, "07".repeat(16));
        let with = |auths: &str| {
            let text = TEXT.replace("\"proxies\"", &format!("\"auth\": [{auths}], \"proxies\""));
            JoinFile::parse("join.json", text.as_bytes()).unwrap().trust()
        };
        let trust = with(&one).unwrap();
        assert_eq!(
            trust.auth.iter().map(|auth| auth.uuid).collect::<Vec<_>>(),
            [NodeUuid([7; 16])]
        );
        for wrong in [one.replace("3d40", "zz40"), [one.as_str(); 5].join(",")] {
            assert!(matches!(with(&wrong), Err(JoinFileError::Field("auth"))));
        }
    }

    #[test]
    fn a_client_trusts_both_keys_while_they_are_rotated_and_knows_where_browsers_go() {
        let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let next = format!("\"next_authority_public_key\": \"{key}\", \"proxies\"");
        let text = TEXT.replace("\"proxies\"", &next);
        let text = text.replace("7000\"}", "7000\", \"url\": \"https://edge.example\"}");
        let join = JoinFile::parse("join.json", text.as_bytes()).unwrap();
        assert_eq!(join.trust().unwrap().authorities.iter().count(), 2);
        assert_eq!(join.proxies[0].url.as_deref(), Some("https://edge.example"));
        let mut other = join;
        other.next_authority_public_key = Some("00".to_owned());
        let field = JoinFileError::Field("next_authority_public_key");
        assert_eq!(other.trust().unwrap_err().to_string(), field.to_string());
    }

    #[test]
    fn sockets_are_dialed_where_the_urls_say() {
        assert!(matches!(file().web_addresses(), Err(JoinFileError::NoUrl)));
        let mut join = file();
        let mut at = |url: &str| {
            join.proxies[0].url = Some(url.to_owned());
            join.web_addresses()
        };
        assert_eq!(
            at("http://127.0.0.1:8080").unwrap(),
            ["127.0.0.1:8080".parse().unwrap()]
        );
        assert_eq!(at("http://[::1]/").unwrap(), ["[::1]:80".parse().unwrap()]);
        assert!(matches!(at("https://127.0.0.1"), Err(JoinFileError::NoUrl)));
        assert!(matches!(at("http://no host"), Err(JoinFileError::Resolve { .. })));
    }

    #[test]
    fn what_is_not_valid_is_named() {
        let mut other = file();
        other.version = 2;
        assert!(matches!(other.trust(), Err(JoinFileError::Version(2))));
        let mut other = file();
        other.cluster_id.replace_range(0..1, "g");
        assert!(matches!(other.trust(), Err(JoinFileError::Field("cluster_id"))));
        let mut other = file();
        other.authority_public_key.pop();
        assert!(matches!(
            other.trust(),
            Err(JoinFileError::Field("authority_public_key"))
        ));
        let missing = JoinFile::read(Path::new("/nonexistent/join.json")).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/join.json"));
    }
}
