//! Writes `join.json`, with which players and the swarm find and trust a cluster; `client::JoinFile` reads it.

use crate::nodes::NodeAddresses;
use client::{AuthKey, JoinFile, ObservedNode, ProxyAddress};
use node::cluster_file::ClusterFile;
use node::files::{self, Access, FileError, hex};
use node::join_file;
use protocol::sealed_deed::AuthNode;
use std::path::Path;
use topology::Topology;

/// Its name in the data directory.
pub const JOIN_FILE: &str = "join.json";
/// Writes it whole or not at all.
pub(crate) fn write<'a>(
    path: &Path,
    cluster: &ClusterFile,
    auths: &[AuthNode],
    nodes: impl Iterator<Item = &'a NodeAddresses> + Clone,
) -> Result<(), FileError> {
    let proxy = |node: &NodeAddresses| {
        Some(ProxyAddress {
            name: node.name.clone(),
            tcp: node.listener("tcp").map(|own| node.door.unwrap_or(own))?,
            url: node.url.clone(),
        })
    };
    let auth = |auth: &AuthNode| AuthKey {
        uuid: hex(&auth.uuid.0),
        public_key: hex(&auth.public.to_bytes()),
    };
    let observed = |node: &NodeAddresses| ObservedNode {
        name: node.name.clone(),
        role: node.role_name().to_owned(),
        status_url: format!("http://{}/status", node.admin),
    };
    let file = JoinFile {
        version: join_file::VERSION,
        cluster_id: hex(&cluster.cluster_id.0),
        authority_public_key: hex(&cluster.authorities.current.to_bytes()),
        next_authority_public_key: cluster.authorities.next.map(|key| hex(&key.to_bytes())),
        proxies: nodes.clone().filter_map(proxy).collect(),
        auth: auths.iter().map(auth).collect(),
        observe: nodes.map(observed).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
    text.push('\n');
    files::write(path, text.as_bytes(), Access::Public)
}

/// For a cluster on hosts: proxies as the topology advertises them, and nobody to observe.
///
/// # Errors
/// What the file system says.
pub fn write_advertised(
    path: &Path,
    cluster: &ClusterFile,
    topology: &Topology,
    auths: &[AuthNode],
) -> Result<(), FileError> {
    let file = join_file::advertised(cluster.cluster_id, &cluster.authorities, topology, auths);
    files::write(path, format!("{file:#}\n").as_bytes(), Access::Public)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::identity::{AuthorityKey, AuthorityKeys, Role};
    use protocol::ids::ClusterId;

    #[test]
    fn the_format_is_frozen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(JOIN_FILE);
        let authority = AuthorityKey::from_seed(&[7; 32]);
        let cluster = ClusterFile {
            cluster_id: ClusterId([0xab; 16]),
            authorities: AuthorityKeys::new(authority.public()),
        };
        let node = |name: &str, role, listeners, url: Option<&str>| NodeAddresses {
            name: name.to_owned(),
            role,
            admin: "127.0.0.1:9000".parse().unwrap(),
            listeners,
            url: url.map(str::to_owned),
            door: None,
        };
        let tcp = vec![("tcp", "127.0.0.1:7000".parse().unwrap())];
        let nodes = [
            node("gs-a", Role::GameServer, Vec::new(), None),
            node("edge-1", Role::Proxy, tcp, Some("http://127.0.0.1:8080")),
        ];
        write(&path, &cluster, &[], nodes.iter()).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let status_url = "http://127.0.0.1:9000/status";
        let expected = serde_json::json!({
            "version": 1,
            "cluster_id": "ab".repeat(16),
            "authority_public_key": hex(&authority.public().to_bytes()),
            "proxies": [{"name": "edge-1", "tcp": "127.0.0.1:7000", "url": "http://127.0.0.1:8080"}],
            "observe": [
                {"name": "gs-a", "role": "gameserver", "status_url": status_url},
                {"name": "edge-1", "role": "proxy", "status_url": status_url},
            ],
        });
        assert_eq!(written, expected);
        JoinFile::read(&path).unwrap().trust().unwrap();
    }
}
