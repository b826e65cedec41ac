//! What `join.json` says of a cluster, as the core wants it. The page reads the file; here come its fields.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use protocol::client_handshake::ClientTrust;
use protocol::identity::{AuthorityKeys, AuthorityPublic, NodePublic};
use protocol::ids::{ClusterId, NodeUuid};
use protocol::sealed_deed::{AuthNode, AuthNodes};

/// The cluster and the keys to trust; `next_key` may be empty.
pub(crate) fn trust(cluster_id: &str, key: &str, next_key: &str) -> Result<ClientTrust, String> {
    let public = |name: &str, text: &str| {
        let bytes =
            hex(text).ok_or_else(|| format!("join.json: `{name}` is no key of 64 hexadecimal digits"))?;
        AuthorityPublic::parse(&bytes).map_err(|error| format!("join.json: `{name}` is no key: {error}"))
    };
    let mut authorities = AuthorityKeys::new(public("authority_public_key", key)?);
    if !next_key.is_empty() {
        authorities.next = Some(public("next_authority_public_key", next_key)?);
    }
    Ok(ClientTrust {
        authorities,
        cluster_id: self::cluster_id(cluster_id)?,
        // Passwords and tokens go by the API, and not by a handshake.
        auth: AuthNodes::default(),
    })
}

/// Whom passwords and tokens are sealed to: uuid and key of each, in turn.
pub(crate) fn auth_nodes(fields: &[String]) -> Result<AuthNodes, String> {
    let node = |pair: &[String]| {
        let [uuid, key] = pair else { return None };
        Some(AuthNode {
            uuid: NodeUuid(hex(uuid)?),
            public: NodePublic::parse(&hex(key)?).ok()?,
        })
    };
    let nodes: Option<Vec<_>> = fields.chunks(2).map(node).collect();
    let nodes = nodes.and_then(AuthNodes::new);
    nodes.ok_or_else(|| "join.json: `auth` names nodes that are none, or too many".to_owned())
}

/// The cluster.
pub(crate) fn cluster_id(text: &str) -> Result<ClusterId, String> {
    let bytes = hex(text).ok_or("join.json: `cluster_id` is not 32 hexadecimal digits")?;
    Ok(ClusterId(bytes))
}

/// Browsers find proxies by origin; the core tells them apart by address. A proxy whose address is a name has one of
/// nobody's.
pub(crate) fn address(tcp: &str, place: usize) -> SocketAddr {
    let nobodys = IpAddr::V4(Ipv4Addr::new(240, 0, 0, 0));
    tcp.parse()
        .unwrap_or_else(|_| SocketAddr::new(nobodys, place as u16))
}

pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
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
