//! The client handshake as bytes: golden vectors, and a man in the middle who changes, cuts and replays.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

#[path = "identity_world/mod.rs"]
mod world;

use proptest::prelude::*;
use protocol::client_handshake::*;
use protocol::entropy::CountingEntropy;
use protocol::frame::{FrameError, FrameType, HandshakeKey, RawFrame};
use protocol::ids::ClusterId;
use protocol::keys::{DatagramSecret, sha256};
use world::*;

// Those of version 2 were computed from docs/protocol.md alone. Version 3 has another number in C1 and the same handshake; of it they
// are what the code made that version 2 had proved.
const GOLDEN_C1_HEAD: &str = "524d433103030000c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c107a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40";
const GOLDEN_DIGESTS: [&str; 4] = [
    "a6620745cef04b956ca8c10a5bc6b1c8e2d5733762c1a7d9f9dc1f2c469f96f8",
    "1883914467ac054c6ebb8eb9e85c2116efc10b94a30f61e1ea526d84e3cfc1d6",
    "3964467ddce57936b7f5473fd08c6391ed9dc2280922394212a1ee6662d06ead",
    "8c7ec76e6e5c302a1088b61d90eb8684008117bbea177b3666ba144671fdb968",
];
const GOLDEN_TRANSCRIPT: &str = "1b75e24f4075bb8ec8a248d3963597299c3c2b0665bb80879f0f7b6961d225bc";
/// Tags of an empty text under the datagram keys of each direction.
const GOLDEN_UDP_C2S_TAG: &str = "d21bc4ec7862e56ea32b5274fce030eb";
const GOLDEN_UDP_S2C_TAG: &str = "b5af61db2702d2c0cf3e170b89c00e5e";

/// Which message somebody in the middle replaces, and with what.
struct Middle<'a>(usize, &'a dyn Fn(&[u8]) -> Vec<u8>);

impl Middle<'_> {
    fn pass(&self, message: usize, bytes: &[u8]) -> Vec<u8> {
        if message == self.0 {
            (self.1)(bytes)
        } else {
            bytes.to_vec()
        }
    }
}

/// Everything both sides said, and how the client ended.
struct Run {
    messages: [Vec<u8>; 4],
    established: EstablishedClient,
}

fn run(middle: &Middle<'_>) -> Result<Run, ClientHandshakeError> {
    let (client, c1) = ClientInitiator::start(trust(), Versions::default(), &mut CountingEntropy(1));
    let seen = middle.pass(0, &c1);
    let (proxy, p2) =
        ProxyResponder::receive_c1(&proxy_identity(), &seen, NOW_MS, &mut CountingEntropy(100))?;
    let (client, c3) = client.receive_p2(&middle.pass(1, &p2), login(guest()), NOW_MS)?;
    let (_, pending) = proxy.open_c3(&middle.pass(2, &c3))?;
    let (p4, _) = pending.accept(&welcome())?;
    match client.receive_p4(&middle.pass(3, &p4))? {
        ClientAnswer::Welcome(_, established) => Ok(Run {
            messages: [c1.to_vec(), p2, c3, p4],
            established: *established,
        }),
        ClientAnswer::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}

fn honest() -> Run {
    run(&Middle(9, &<[u8]>::to_vec)).unwrap()
}

#[test]
fn ch_1_the_bytes_are_frozen() {
    let Run {
        messages,
        established,
    } = honest();
    assert_eq!(messages.each_ref().map(Vec::len), [256, 409, 512, 279]);
    assert_eq!(hex(&messages[0][..88]), GOLDEN_C1_HEAD);
    assert_eq!(messages[0][88..], [0; 168]);
    assert_eq!(
        messages.each_ref().map(|message| hex(&sha256(&[message]))),
        GOLDEN_DIGESTS
    );
    assert_eq!(hex(&established.transcript), GOLDEN_TRANSCRIPT);
    let tag = |secret: &DatagramSecret| hex(&secret.key().seal([0; 12], &[], &mut []).unwrap());
    assert_eq!(tag(&established.datagrams_to_proxy), GOLDEN_UDP_C2S_TAG);
    assert_eq!(tag(&established.datagrams_to_client), GOLDEN_UDP_S2C_TAG);
}

#[test]
fn ch_12_no_bit_of_any_message_can_be_changed_on_the_way() {
    for (message, bytes) in honest().messages.iter().enumerate() {
        // Every byte, each time another bit of it; C3 and P4 fail at the tag, so all their bits are as cheap.
        for at in 0..bytes.len() {
            let flip = |bytes: &[u8]| {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << (at % 8);
                flipped
            };
            assert!(
                run(&Middle(message, &flip)).is_err(),
                "message {message}, byte {at}"
            );
        }
    }
}

#[test]
fn ch_12_no_message_can_be_cut_or_grow() {
    for (message, bytes) in honest().messages.iter().enumerate() {
        for wrong in wrong_lengths(bytes) {
            assert!(
                run(&Middle(message, &|_| wrong.clone())).is_err(),
                "message {message}"
            );
        }
    }
}

#[test]
fn ch_13_nothing_said_in_one_handshake_counts_in_another() {
    let recorded = honest().messages;
    // Both sides draw other keys this time.
    let (client, c1) = ClientInitiator::start(trust(), Versions::default(), &mut CountingEntropy(7));
    let fresh =
        |c1: &[u8]| ProxyResponder::receive_c1(&proxy_identity(), c1, NOW_MS, &mut CountingEntropy(50));
    let replayed_p2 = client
        .receive_p2(&recorded[1], login(guest()), NOW_MS)
        .map(|_| ());
    assert_eq!(replayed_p2, Err(ClientHandshakeError::NotAuthentic));
    for hello in [&recorded[0], c1.as_slice()] {
        let (proxy, _) = fresh(hello).unwrap();
        let replayed_c3 = proxy.open_c3(&recorded[2]).map(|_| ());
        assert_eq!(replayed_c3, Err(ClientHandshakeError::NotAuthentic));
    }
    let (client, c1) = ClientInitiator::start(trust(), Versions::default(), &mut CountingEntropy(7));
    let (_, p2) = fresh(&c1).unwrap();
    let (client, _) = client.receive_p2(&p2, login(guest()), NOW_MS).unwrap();
    let replayed_p4 = client.receive_p4(&recorded[3]).map(|_| ());
    assert_eq!(replayed_p4, Err(ClientHandshakeError::NotAuthentic));
}

#[test]
fn ch_14_worthless_keys_and_other_clusters_are_refused_at_c1() {
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut c1 = honest().messages[0].clone();
        change(&mut c1);
        let answer = ProxyResponder::receive_c1(&proxy_identity(), &c1, NOW_MS, &mut CountingEntropy(1));
        answer.map(|_| ()).unwrap_err()
    };
    assert_eq!(
        refused(&|c1| c1[24..56].fill(0)),
        ClientHandshakeError::WorthlessKey
    );
    let elsewhere = ClusterId([1; 16]);
    assert_eq!(
        refused(&|c1| c1[8..24].copy_from_slice(&elsewhere.0)),
        ClientHandshakeError::WrongCluster
    );
    assert_eq!(refused(&|c1| c1[5] = 4), ClientHandshakeError::Malformed("C1"));
    assert_eq!(refused(&|c1| c1[4..6].fill(4)), ClientHandshakeError::Version);
    // The frames of version 1 have another HMAC.
    assert_eq!(refused(&|c1| c1[4..6].fill(1)), ClientHandshakeError::Version);
    assert_eq!(refused(&|c1| c1[4..6].fill(0)), ClientHandshakeError::Version);
}

#[test]
fn ch_14_a_proxy_cannot_force_a_worthless_secret_either() {
    let zero_key = |p2: &[u8]| {
        let mut p2 = p2.to_vec();
        p2[4..36].fill(0);
        p2
    };
    let error = run(&Middle(1, &zero_key)).map(|_| ()).unwrap_err();
    assert_eq!(error, ClientHandshakeError::WorthlessKey);
}

#[test]
fn ch_2_a_version_that_was_not_offered_is_refused() {
    for version in (0..=255).filter(|version| *version != PROTOCOL_VERSION) {
        let other = |p2: &[u8]| [&[version], &p2[1..]].concat();
        let error = run(&Middle(1, &other)).map(|_| ()).unwrap_err();
        assert_eq!(error, ClientHandshakeError::Version);
    }
}

#[test]
fn ch_17_hello_frames_of_players_pass_whatever_their_clocks_say_but_only_for_their_cluster() {
    let authority = authority().public().to_bytes();
    let key = HandshakeKey::client(&authority, CLUSTER);
    let framed = |wall_ms| {
        let mut bytes = Vec::new();
        key.seal(FrameType::ClientHello, &honest().messages[0], wall_ms, &mut bytes)
            .unwrap();
        RawFrame::parse(bytes.as_slice().into()).unwrap()
    };
    for wall_ms in [0, NOW_MS - 86_400_000, u64::MAX] {
        let frame = key.open(framed(wall_ms), FrameType::ClientHello, NOW_MS).unwrap();
        assert_eq!(frame.payload[..], honest().messages[0]);
    }
    let strangers = [
        HandshakeKey::client(&authority, ClusterId([1; 16])),
        HandshakeKey::client(&[9; 32], CLUSTER),
    ];
    for stranger in strangers {
        let opened = stranger.open(framed(NOW_MS), FrameType::ClientHello, NOW_MS);
        assert_eq!(opened, Err(FrameError::Hmac));
    }
}

#[test]
fn ch_15_no_secret_shows_in_debug() {
    let password = Credentials::Password {
        name: "ada".into(),
        password: zeroize::Zeroizing::new("correct horse".into()),
    };
    let shown = format!(
        "{password:?} {:?} {:?}",
        honest().established,
        login(password.clone())
    );
    assert!(!shown.contains("correct horse"), "{shown}");
    assert!(shown.contains("EstablishedClient { .. }"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ch_12_random_bytes_are_refused_by_every_state(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for message in 0..4 {
            prop_assert!(run(&Middle(message, &|_| bytes.clone())).is_err());
        }
    }

    #[test]
    fn ch_8_every_guest_name_arrives(name in "\\PC{0,8}") {
        let (client, c1) = ClientInitiator::start(trust(), Versions::default(), &mut CountingEntropy(1));
        let (proxy, p2) = ProxyResponder::receive_c1(&proxy_identity(), &c1, NOW_MS, &mut CountingEntropy(2)).unwrap();
        let credentials = Credentials::Guest { name };
        let (_, c3) = client.receive_p2(&p2, login(credentials.clone()), NOW_MS).unwrap();
        prop_assert_eq!(proxy.open_c3(&c3).unwrap().0.credentials, credentials);
    }
}
