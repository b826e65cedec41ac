//! Papers are issued, renewed and revoked one by one, and topologies signed for whoever has some.

use super::*;
use crate::data_dir::DataDir;
use crate::data_dir::inspect::inspect;
use protocol::entropy::CountingEntropy;
use topology::{Standing, TopologyView};

const NOW_MS: u64 = 1_800_000_000_000;
const DAYS: u64 = 24 * 3600 * 1000;
const TOPOLOGY: &str = include_str!("../../../../deploy/three-hosts/topology.toml");

fn topology() -> Topology {
    topology::parse("topology.toml", TOPOLOGY).unwrap()
}

/// An authority that has issued papers for all nodes of the topology.
fn issued(folder: &Path) -> AuthorityDir {
    let mut entropy = CountingEntropy(1);
    let mut authority = AuthorityDir::init(folder, &mut entropy).unwrap();
    for (name, _, role) in nodes_of(&topology()) {
        authority.issue_node(&name, role, &mut entropy, NOW_MS).unwrap();
    }
    authority
}

#[test]
fn a_node_starts_with_what_was_issued_and_signed_and_stays_who_it_is_when_renewed() {
    let folder = tempfile::tempdir().unwrap();
    issued(folder.path());
    // Each command opens it anew.
    let mut authority = AuthorityDir::open(folder.path()).unwrap();
    let signed = authority.sign(TOPOLOGY, &topology(), NOW_MS).unwrap();
    assert_eq!(signed.version.0, 1);
    let data = authority.folder_of("edge-1");
    let first = DataDir::open(&data, "edge-1", Role::Proxy, NOW_MS).unwrap();
    assert!(inspect(&data, NOW_MS).is_well());
    assert!(
        !inspect(&data, NOW_MS + 8 * DAYS).is_well(),
        "its voucher lasts a week"
    );
    let mut authority = AuthorityDir::open(folder.path()).unwrap();
    let renewed = authority.renew_node("edge-1", None, NOW_MS + 8 * DAYS).unwrap();
    assert_eq!(renewed.state.uuid, first.uuid());
    let second = DataDir::open(&data, "edge-1", Role::Proxy, NOW_MS + 8 * DAYS).unwrap();
    assert_eq!(second.verified.public(), first.verified.public());
    assert!(second.verified.validity().until_ms > first.verified.validity().until_ms);
    // Carried to its host, it is renewed there.
    let host = folder.path().join("host");
    std::fs::rename(&data, &host).unwrap();
    let error = authority
        .renew_node("edge-1", None, NOW_MS)
        .unwrap_err()
        .to_string();
    assert!(error.contains("--data"), "{error}");
    authority
        .renew_node("edge-1", Some(&host), NOW_MS + 20 * DAYS)
        .unwrap();
    DataDir::open(&host, "edge-1", Role::Proxy, NOW_MS + 21 * DAYS).unwrap();
    let error = authority
        .renew_node("gs-a", Some(&host), NOW_MS)
        .unwrap_err()
        .to_string();
    assert!(error.contains("certificate of another node"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let none = AuthorityDir::open(folder.path()).unwrap_err().to_string();
    assert!(none.contains("authority init"), "{none}");
    let mut authority = issued(folder.path());
    let again = AuthorityDir::init(folder.path(), &mut CountingEntropy(9))
        .unwrap_err()
        .to_string();
    assert!(again.contains("has an authority already"), "{again}");
    let mut refusal = |name: &str| {
        let issued = authority.issue_node(name, Role::Proxy, &mut CountingEntropy(5), NOW_MS);
        issued.unwrap_err().to_string()
    };
    assert!(refusal("gs-a").contains("node renew"));
    for name in ["", "../gs-z", "a/b", ".", "\u{1b}[2J", "a b"] {
        assert!(refusal(name).contains("cannot be a node's name"), "{name}");
    }
    let local = include_str!("../../../../deploy/topologies/one.toml");
    let local_topology = topology::parse("one.toml", local).unwrap();
    let error = authority
        .sign(local, &local_topology, NOW_MS)
        .unwrap_err()
        .to_string();
    assert!(error.contains("port 0"), "{error}");
    let renamed = TOPOLOGY.replace("\"gs-f\"", "\"gs-z\"");
    let other = topology::parse("t.toml", &renamed).unwrap();
    let error = authority.sign(&renamed, &other, NOW_MS).unwrap_err().to_string();
    assert!(error.contains("`gs-z` has no papers here"), "{error}");
    let swapped = TOPOLOGY
        .replace("\"gs-f\"", "\"x\"")
        .replace("\"edge-3\"", "\"gs-f\"")
        .replace("\"x\"", "\"edge-3\"");
    let other = topology::parse("t.toml", &swapped).unwrap();
    let error = authority.sign(&swapped, &other, NOW_MS).unwrap_err().to_string();
    assert!(
        error.contains("`edge-3` is a gameserver in the topology, and its papers are those of a proxy"),
        "{error}"
    );
}

#[test]
fn a_node_that_is_revoked_is_so_in_the_next_topology_until_its_papers_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut authority = issued(folder.path());
    let first = authority.sign(TOPOLOGY, &topology(), NOW_MS).unwrap();
    let revoked = authority.revoke_node("gs-b").unwrap();
    assert!(authority.revoke_node("gs-b").is_err());
    let error = authority
        .sign(TOPOLOGY, &topology(), NOW_MS)
        .unwrap_err()
        .to_string();
    assert!(error.contains("`gs-b` has no papers"), "{error}");
    let again = authority
        .issue_node("gs-b", Role::GameServer, &mut CountingEntropy(77), NOW_MS)
        .unwrap();
    assert_ne!(again.state.uuid, revoked.uuid);
    let mut authority = AuthorityDir::open(folder.path()).unwrap();
    let second = authority.sign(TOPOLOGY, &topology(), NOW_MS).unwrap();
    assert!(second.version > first.version);
    let clock = |now_ms| Clock::of_node(now_ms);
    let (authorities, cluster_id) = (authority.cluster.authorities, authority.cluster.cluster_id);
    let open =
        |sealed: &[u8], now_ms| TopologyView::open(sealed, &authorities, cluster_id, clock(now_ms)).unwrap();
    assert!(matches!(
        open(&first.sealed, NOW_MS).standing(revoked.uuid),
        Standing::Listed(_)
    ));
    let view = open(&second.sealed, NOW_MS);
    assert_eq!(view.standing(revoked.uuid), Standing::Revoked);
    assert!(matches!(view.standing(again.state.uuid), Standing::Listed(_)));
    let later_ms = NOW_MS + 91 * DAYS;
    let third = authority.sign(TOPOLOGY, &topology(), later_ms).unwrap();
    assert_eq!(
        open(&third.sealed, later_ms).standing(revoked.uuid),
        Standing::Unknown
    );
}

#[test]
fn what_an_earlier_build_wrote_is_read_and_renewed_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    issued(folder.path());
    let path = folder.path().join(state::STATE_FILE);
    let earlier = r#"{"topology_version": 7, "nodes": {"gs-a": "00112233445566778899aabbccddeeff"}}"#;
    std::fs::write(&path, earlier).unwrap();
    let mut authority = AuthorityDir::open(folder.path()).unwrap();
    let issued = authority
        .issue(TOPOLOGY, &topology(), &mut CountingEntropy(3), NOW_MS)
        .unwrap();
    assert_eq!(files::hex(&issued[0].uuid.0), "00112233445566778899aabbccddeeff");
    let authority = AuthorityDir::open(folder.path()).unwrap();
    assert_eq!(authority.nodes().count(), 9);
    assert!(authority.nodes().all(|(_, node)| node.public.is_some()));
    std::fs::write(&path, r#"{"topology_version": 7, "nodes": {"gs-a": "xyz"}}"#).unwrap();
    let error = AuthorityDir::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("the uuid of `gs-a` is not 32 hexadecimal digits"),
        "{error}"
    );
}
