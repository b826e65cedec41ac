//! `join.json` as a cluster on hosts hands it out: whom a client trusts, and where proxies are found. Written to a file by whoever
//! issues papers, and told by proxies themselves.

use protocol::identity::AuthorityKeys;
use protocol::ids::ClusterId;
use serde_json::{Value, json};
use topology::{Proxy, Topology};

use crate::files::hex;

/// The format's version.
pub const VERSION: u32 = 1;

/// Proxies as the topology advertises them, and nobody to observe. A proxy with a port 0 is found by nobody, and left out.
#[must_use]
pub fn advertised(cluster_id: ClusterId, authorities: &AuthorityKeys, topology: &Topology) -> Value {
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
    if let (Some(file), Some(next)) = (file.as_object_mut(), authorities.next) {
        file.insert(
            "next_authority_public_key".to_owned(),
            hex(&next.to_bytes()).into(),
        );
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::identity::AuthorityKey;

    #[test]
    fn proxies_that_can_be_found_are_told_with_their_urls_and_both_keys_while_there_are_two() {
        let text = "[world]\nname = \"w\"\nsize = [64, 64]\ncell_size = 32\nview_rings = 1\nborder_cells = 1\ntick_hz = 20\nhandover_margin = 1.0\n[[server]]\nname = \"a\"\nnumber = 1\npeer = \"127.0.0.1:1\"\nproxy = \"127.0.0.1:2\"\n[grid]\ncolumns = 1\nrows = 1\nservers = [\"a\"]\n\
            [[proxy]]\nname = \"p\"\nnumber = 101\ntcp = \"edge.example:7000\"\nudp = \"edge.example:7000\"\nhttp = \"edge.example:80\"\n\
            [[proxy]]\nname = \"q\"\nnumber = 102\ntcp = \"10.0.0.7:7000\"\nudp = \"10.0.0.7:7000\"\nhttp = \"10.0.0.7:80\"\nurl = \"https://q.example\"\ndoor = \"play.example:7000\"\n\
            [[proxy]]\nname = \"r\"\nnumber = 103\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n";
        let topology = topology::parse("t", text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let key = |seed| AuthorityKey::from_seed(&[seed; 32]).public();
        let keys = AuthorityKeys::new(key(1));
        let told = advertised(ClusterId([0xab; 16]), &keys, &topology);
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
        let told = advertised(ClusterId([0xab; 16]), &keys.with_next(key(2)), &topology);
        assert_eq!(told["next_authority_public_key"], hex(&key(2).to_bytes()));
    }
}
