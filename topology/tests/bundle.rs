//! The signed bundle: its bytes for good, what it answers, and everything it must refuse.

#![allow(clippy::unwrap_used)]

use protocol::entropy::CountingEntropy;
use protocol::identity::{AuthorityKey, AuthorityKeys, Clock, NodeKey, Role};
use protocol::ids::{ClusterId, NodeNumber, NodeUuid, RegionNumber, TopologyVersion};
use protocol::limits::TOPOLOGY_BUNDLE_BYTES_MAX;
use topology::limits::{BUNDLE_NODES_MAX, BUNDLE_REVOCATIONS_MAX, FILE_BYTES_MAX};
use topology::{Bundle, BundleError, NodeEntry, Standing, TopologyView};

const CLUSTER: ClusterId = ClusterId([0xc1; 16]);
const NOT_AFTER_MS: i64 = 1_800_000_000_000;
const NOW: u64 = 1_700_000_000_000;
const TOML: &str = include_str!("golden/bundle.toml");
/// Magic, version, cluster, version, not after, length.
const HEAD_BYTES: usize = 4 + 1 + 16 + 8 + 8 + 4;

fn authority(seed: u8) -> AuthorityKey {
    AuthorityKey::generate(&mut CountingEntropy(seed))
}

fn trusted() -> AuthorityKeys {
    AuthorityKeys::new(authority(1).public())
}

fn uuid(byte: u8) -> NodeUuid {
    NodeUuid([byte; 16])
}

fn entry(number: u16, role: Role, byte: u8) -> NodeEntry {
    NodeEntry {
        number: NodeNumber(number),
        role,
        uuid: uuid(byte),
        public: NodeKey::generate(&mut CountingEntropy(byte)).public(),
    }
}

fn bundle() -> Bundle {
    Bundle {
        cluster_id: CLUSTER,
        version: TopologyVersion(7),
        not_after_ms: NOT_AFTER_MS,
        toml: TOML.to_owned(),
        nodes: vec![
            entry(1, Role::GameServer, 0x11),
            entry(101, Role::Proxy, 0x22),
            entry(101, Role::Auth, 0x22),
            entry(0, Role::Operator, 0x33),
        ],
        revoked: vec![uuid(0x44)],
    }
}

fn open(bytes: &[u8]) -> Result<TopologyView, BundleError> {
    TopologyView::open(bytes, &trusted(), CLUSTER, Clock::of_node(NOW))
}

fn refusal(bytes: &[u8]) -> &'static str {
    open(bytes).unwrap_err().label()
}

/// What an authority could have signed by mistake: any bytes, well signed.
fn signed(unsigned: &[u8]) -> Vec<u8> {
    let signature = authority(1).sign(&[b"RMTB/1\0", unsigned].concat());
    [unsigned, &signature].concat()
}

fn unsigned(bundle: &Bundle) -> Vec<u8> {
    let mut bytes = bundle.seal(&authority(1)).unwrap();
    bytes.truncate(bytes.len() - 64);
    bytes
}

#[test]
fn the_layout_is_for_good() {
    let bytes = bundle().seal(&authority(1)).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden/bundle.hex").trim_end());
    assert_eq!(bytes[..5], *b"RMTB\x01");
    assert_eq!(bytes[5..21], CLUSTER.0);
    assert_eq!(bytes[21..29], 7_u64.to_le_bytes());
    assert_eq!(bytes[29..37], NOT_AFTER_MS.to_le_bytes());
    assert_eq!(bytes[37..41], (TOML.len() as u32).to_le_bytes());
    assert_eq!(bytes[41..41 + TOML.len()], *TOML.as_bytes());
    let nodes = &bytes[HEAD_BYTES + TOML.len()..];
    assert_eq!(nodes[..5], [4, 0, 1, 0, 1]);
    assert_eq!(nodes[5..21], uuid(0x11).0);
    assert_eq!(
        nodes[2 + 51 * 4..2 + 51 * 4 + 18],
        [&[1, 0][..], &uuid(0x44).0].concat()
    );
    assert_eq!(nodes.len(), 2 + 51 * 4 + 2 + 16 + 64);
}

#[test]
fn an_opened_bundle_says_who_is_who() {
    let bytes = bundle().seal(&authority(1)).unwrap();
    let view = open(&bytes).unwrap();
    assert_eq!(
        (view.version(), view.cluster_id(), view.not_after_ms()),
        (TopologyVersion(7), CLUSTER, NOT_AFTER_MS)
    );
    assert_eq!(view.sealed()[..], bytes);
    assert_eq!(view.topology().world().name, "glade");
    assert_eq!(view.role_of(uuid(0x11)), Some(Role::GameServer));
    assert_eq!(view.number_of(uuid(0x11)), Some(NodeNumber(1)));
    assert_eq!(view.public_key_of(uuid(0x22)), Some(bundle().nodes[1].public));
    assert!(view.has_role(uuid(0x22), Role::Proxy) && view.has_role(uuid(0x22), Role::Auth));
    assert!(!view.has_role(uuid(0x11), Role::Proxy));
    assert_eq!(
        (view.role_of(uuid(0x33)), view.number_of(uuid(0x33))),
        (Some(Role::Operator), None)
    );
    assert_eq!(view.node(NodeNumber(101)).unwrap().uuid, uuid(0x22));
    assert_eq!(view.node(NodeNumber(0)), None);
    assert!(view.may_serve(uuid(0x11), RegionNumber(1)));
    assert!(!view.may_serve(uuid(0x22), RegionNumber(1)) && !view.may_serve(uuid(0x11), RegionNumber(2)));
    assert_eq!(view.standing(uuid(0x44)), Standing::Revoked);
    assert_eq!(view.standing(uuid(0x55)), Standing::Unknown);
    assert_eq!(view.nodes().count(), 3);
}

#[test]
fn a_revoked_node_has_nothing_left() {
    let mut revoking = bundle();
    revoking.revoked.push(uuid(0x11));
    let view = open(&revoking.seal(&authority(1)).unwrap()).unwrap();
    let node = uuid(0x11);
    assert!(view.is_revoked(node));
    assert_eq!(
        (view.role_of(node), view.number_of(node), view.public_key_of(node)),
        (None, None, None)
    );
    assert!(!view.has_role(node, Role::GameServer) && !view.may_serve(node, RegionNumber(1)));
    assert_eq!(view.node(NodeNumber(1)), None);
    assert_eq!(view.nodes().count(), 2);
}

#[test]
fn every_truncation_and_every_flipped_byte_is_refused() {
    let bytes = bundle().seal(&authority(1)).unwrap();
    for end in 0..bytes.len() {
        assert!(
            ["malformed", "not_signed"].contains(&refusal(&bytes[..end])),
            "cut at {end}"
        );
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(
            ["malformed", "not_signed"].contains(&refusal(&flipped)),
            "flipped at {at}"
        );
    }
    assert_eq!(refusal(&[&bytes[..], &[0]].concat()), "not_signed");
}

#[test]
fn well_signed_nonsense_is_refused_at_every_cut_and_at_every_maximum() {
    let good = unsigned(&bundle());
    for end in 4..good.len() {
        assert_eq!(refusal(&signed(&good[..end])), "malformed", "cut at {end}");
    }
    assert_eq!(refusal(&signed(&[&good[..], &[0]].concat())), "malformed");
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        signed(&changed)
    };
    let nodes = HEAD_BYTES + TOML.len();
    let revocations = nodes + 2 + 51 * 4;
    assert_eq!(refusal(&with(4, &[2])), "malformed");
    assert_eq!(refusal(&with(37, &u32::MAX.to_le_bytes())), "too_large");
    assert_eq!(
        refusal(&with(37, &(FILE_BYTES_MAX as u32 + 1).to_le_bytes())),
        "too_large"
    );
    assert_eq!(refusal(&with(41, &[0xff])), "malformed");
    assert_eq!(refusal(&with(41, b"[")), "topology");
    assert_eq!(
        refusal(&with(nodes, &(BUNDLE_NODES_MAX as u16 + 1).to_le_bytes())),
        "too_large"
    );
    assert_eq!(
        refusal(&with(nodes, &(BUNDLE_NODES_MAX as u16).to_le_bytes())),
        "malformed"
    );
    assert_eq!(refusal(&with(nodes + 4, &[9])), "malformed");
    assert_eq!(refusal(&with(nodes + 21, &[0; 32])), "malformed");
    assert_eq!(
        refusal(&with(
            revocations,
            &(BUNDLE_REVOCATIONS_MAX as u16 + 1).to_le_bytes()
        )),
        "too_large"
    );
    assert_eq!(refusal(&vec![0; TOPOLOGY_BUNDLE_BYTES_MAX + 1]), "too_large");
    assert!(open(&signed(&good)).is_ok());
}

#[test]
fn only_the_authority_signs_and_only_bundles() {
    assert_eq!(refusal(&bundle().seal(&authority(9)).unwrap()), "not_signed");
    let good = unsigned(&bundle());
    let bare = authority(1).sign(&good);
    assert_eq!(refusal(&[&good[..], &bare].concat()), "not_signed");
    let rotating = trusted().with_next(authority(9).public());
    let by_next = bundle().seal(&authority(9)).unwrap();
    assert!(TopologyView::open(&by_next, &rotating, CLUSTER, Clock::of_node(NOW)).is_ok());
}

#[test]
fn another_cluster_and_a_past_time_are_refused() {
    let bytes = bundle().seal(&authority(1)).unwrap();
    let elsewhere = TopologyView::open(&bytes, &trusted(), ClusterId([2; 16]), Clock::of_node(NOW));
    assert_eq!(elsewhere.unwrap_err(), BundleError::WrongCluster);
    let at = |now_ms| TopologyView::open(&bytes, &trusted(), CLUSTER, Clock::of_node(now_ms));
    assert!(at(NOT_AFTER_MS as u64 - 1).is_ok());
    assert_eq!(at(NOT_AFTER_MS as u64).unwrap_err(), BundleError::Expired);
}

#[test]
fn a_version_that_is_not_higher_is_never_accepted_again() {
    let of_version = |version| Bundle {
        version: TopologyVersion(version),
        ..bundle()
    };
    let held = open(&of_version(7).seal(&authority(1)).unwrap()).unwrap();
    let offer = |version| {
        held.open_newer(
            &of_version(version).seal(&authority(1)).unwrap(),
            &trusted(),
            Clock::of_node(NOW),
        )
    };
    for version in [0, 6, 7] {
        let refused = BundleError::NotNewer {
            held: TopologyVersion(7),
            offered: TopologyVersion(version),
        };
        assert_eq!(offer(version).unwrap_err(), refused);
    }
    assert_eq!(offer(8).unwrap().version(), TopologyVersion(8));
    assert_eq!(offer(u64::MAX).unwrap().version(), TopologyVersion(u64::MAX));
}

#[test]
fn a_node_table_that_contradicts_itself_or_the_file_is_neither_signed_nor_opened() {
    type Spoil = fn(&mut Bundle);
    let cases: [(&str, Spoil); 9] = [
        ("node", |bundle| bundle.nodes[0].role = Role::Proxy),
        ("node", |bundle| bundle.nodes[1].role = Role::GameServer),
        ("node", |bundle| bundle.nodes[2].number = NodeNumber(1)),
        ("node", |bundle| bundle.nodes[3].number = NodeNumber(5)),
        ("node", |bundle| bundle.nodes[2].uuid = uuid(0x66)),
        ("node", |bundle| {
            bundle.nodes[2].public = entry(1, Role::Proxy, 0x77).public;
        }),
        ("node", |bundle| bundle.nodes[2].role = Role::Proxy),
        ("node_missing", |bundle| {
            bundle.nodes.retain(|node| node.role != Role::GameServer);
        }),
        ("node_missing", |bundle| bundle.nodes.truncate(1)),
    ];
    for (index, (label, spoil)) in cases.into_iter().enumerate() {
        let mut spoilt = bundle();
        spoil(&mut spoilt);
        assert_eq!(
            spoilt.seal(&authority(1)).unwrap_err().label(),
            label,
            "case {index}"
        );
        assert_eq!(refusal(&signed(&written(&spoilt))), label, "case {index}");
    }
}

/// The layout written a second time, for bundles that `seal` refuses.
fn written(bundle: &Bundle) -> Vec<u8> {
    let mut bytes = [&b"RMTB\x01"[..], &bundle.cluster_id.0].concat();
    bytes.extend(bundle.version.0.to_le_bytes());
    bytes.extend(bundle.not_after_ms.to_le_bytes());
    bytes.extend((bundle.toml.len() as u32).to_le_bytes());
    bytes.extend(bundle.toml.as_bytes());
    bytes.extend((bundle.nodes.len() as u16).to_le_bytes());
    for node in &bundle.nodes {
        bytes.extend(node.number.0.to_le_bytes());
        bytes.push(node.role.number());
        bytes.extend([&node.uuid.0[..], &node.public.to_bytes()].concat());
    }
    bytes.extend((bundle.revoked.len() as u16).to_le_bytes());
    bundle.revoked.iter().for_each(|uuid| bytes.extend(uuid.0));
    bytes
}

#[test]
fn what_nodes_would_refuse_is_not_signed() {
    let label = |spoil: fn(&mut Bundle)| {
        let mut spoilt = bundle();
        spoil(&mut spoilt);
        spoilt.seal(&authority(1)).unwrap_err().label()
    };
    assert_eq!(label(|bundle| bundle.toml.push_str("surprise = 1")), "topology");
    assert_eq!(
        label(|bundle| bundle.toml = "#".repeat(FILE_BYTES_MAX + 1)),
        "too_large"
    );
    assert_eq!(
        label(|bundle| bundle.revoked = vec![uuid(1); BUNDLE_REVOCATIONS_MAX + 1]),
        "too_large"
    );
    assert_eq!(
        label(|bundle| bundle.nodes = vec![bundle.nodes[0]; BUNDLE_NODES_MAX + 1]),
        "too_large"
    );
}
