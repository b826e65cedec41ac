//! `join.json` as a cluster on hosts hands it out: whom a client trusts, and where proxies are found. Written to a file by whoever
//! issues papers, and told by proxies themselves.

use protocol::identity::AuthorityKeys;
use protocol::ids::ClusterId;
use protocol::sealed_deed::AuthNode;
use serde_json::{Value, json};
use topology::{Proxy, Topology, TopologyView};

use crate::files::hex;

/// The format's version.
pub const VERSION: u32 = 1;

/// The auth nodes of a signed topology; who is revoked is none.
#[must_use]
pub fn auth_nodes(view: &TopologyView) -> Vec<AuthNode> {
    let auths = view.topology().auths().iter();
    let nodes = auths.filter_map(|auth| view.node(auth.number));
    nodes
        .map(|node| AuthNode {
            uuid: node.uuid,
            public: node.public,
        })
        .collect()
}

/// Proxies as the topology advertises them, whom passwords are sealed to, and nobody to observe. A proxy with a port 0 is found by
/// nobody, and left out.
#[must_use]
pub fn advertised(
    cluster_id: ClusterId,
    authorities: &AuthorityKeys,
    topology: &Topology,
    auths: &[AuthNode],
) -> Value {
    let found = |proxy: &&Proxy| proxy.entrance().port != 0 && proxy.found_at().address.port != 0;
    let proxies = topology.proxies().iter().filter(found).map(|proxy| {
        json!({
            "name": proxy.name,
            "tcp": proxy.entrance().to_string(),
            "url": proxy.found_at().to_string(),
        })
    });
    let mut file = json!({
        "version": VERSION,
        "cluster_id": hex(&cluster_id.0),
        "authority_public_key": hex(&authorities.current.to_bytes()),
        "proxies": proxies.collect::<Vec<_>>(),
        "observe": [],
    });
    let auths = auths.iter().map(|auth| {
        json!({
            "uuid": hex(&auth.uuid.0),
            "public_key": hex(&auth.public.to_bytes()),
        })
    });
    let auths: Vec<_> = auths.collect();
    if let Some(file) = file.as_object_mut().filter(|_| !auths.is_empty()) {
        file.insert("auth".to_owned(), auths.into());
    }
    if let (Some(file), Some(next)) = (file.as_object_mut(), authorities.next) {
        file.insert(
            "next_authority_public_key".to_owned(),
            hex(&next.to_bytes()).into(),
        );
    }
    file
}

/// What the proxy that hands the file out says of itself: where browsers find it with datagrams, and the SHA-256 digests of the certificates
/// that it proves itself by there, if those are its own and no authority vouches for them.
pub fn put_webtransport(file: &mut Value, url: &str, digests: Option<&[String]>) {
    let mut told = json!({"url": url});
    if let (Some(told), Some(digests)) = (told.as_object_mut(), digests) {
        told.insert("certificate_sha256".to_owned(), digests.into());
    }
    if let Some(file) = file.as_object_mut() {
        file.insert("webtransport".to_owned(), told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::identity::{AuthorityKey, NodeKey};
    use protocol::ids::NodeUuid;

    #[test]
    fn proxies_that_can_be_found_are_told_with_their_urls_and_both_keys_while_there_are_two() {
        let text = "[world]\nname = \"w\"\nsize = [64, 64]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n[[server]]\nname = \"a\"\nnumber = 1\npeer = \"127.0.0.1:1\"\nproxy = \"127.0.0.1:2\"\n[grid]\ncolumns = 1\nrows = 1\nservers = [\"a\"]\n\
            [[proxy]]\nname = \"p\"\nnumber = 101\ntcp = \"edge.example:7000\"\nudp = \"edge.example:7000\"\nhttp = \"edge.example:80\"\n\
            [[proxy]]\nname = \"q\"\nnumber = 102\ntcp = \"10.0.0.7:7000\"\nudp = \"10.0.0.7:7000\"\nhttp = \"10.0.0.7:80\"\nurl = \"https://q.example\"\ndoor = \"play.example:7000\"\n\
            [[proxy]]\nname = \"r\"\nnumber = 103\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n";
        let topology = topology::parse("t", text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let key = |seed| AuthorityKey::from_seed(&[seed; 32]).public();
        let keys = AuthorityKeys::new(key(1));
        let told = advertised(ClusterId([0xab; 16]), &keys, &topology, &[]);
        let expected = json!({
            "version": 1,
            "cluster_id": "ab".repeat(16),
            "authority_public_key": hex(&key(1).to_bytes()),
            "proxies": [
                {"name": "p", "tcp": "edge.example:7000", "url": "http://edge.example"},
                {"name": "q", "tcp": "play.example:7000", "url": "https://q.example"},
            ],
            "observe": [],
        });
        assert_eq!(told, expected);
        let auth = AuthNode {
            uuid: NodeUuid([7; 16]),
            public: NodeKey::from_seed(&[3; 32]).public(),
        };
        let told = advertised(ClusterId([0xab; 16]), &keys.with_next(key(2)), &topology, &[auth]);
        assert_eq!(told["next_authority_public_key"], hex(&key(2).to_bytes()));
        let auth = json!([{"uuid": "07".repeat(16), "public_key": hex(&auth.public.to_bytes())}]);
        assert_eq!(told["auth"], auth);
    }
}
