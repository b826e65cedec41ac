//! Two nodes meet: what they agree on, and every way in which a peer that proved itself is turned away.
//!
//! The golden frames were made by an independent implementation of the page's formulas and of all primitives.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

mod node_world;

use bytes::BytesMut;
use node_world::*;
use protocol::Code;
use protocol::frame::{FrameError, FrameOpener, FrameSealer, FrameType, PeerClock, RawFrame};
use protocol::identity::*;
use protocol::ids::*;
use protocol::limits;
use protocol::node_handshake::*;

fn travels(from: &mut FrameSealer, to: &mut FrameOpener, payload: &[u8]) -> bool {
    let mut out = Vec::new();
    from.seal(FrameType::Batch, payload, WALL_MS, 50, &mut out)
        .unwrap();
    let raw = RawFrame::parse(BytesMut::from(&out[..])).unwrap();
    to.open(raw).is_ok_and(|frame| frame.unwrap().payload == payload)
}

#[test]
fn nh_1_both_sides_end_with_the_same_keys_and_know_each_other() {
    let (dialer, listener) = Scene::new().run(honest);
    let (mut dialer, mut listener) = (dialer.established(), listener.established());
    assert!(travels(
        &mut dialer.sealer,
        &mut listener.opener,
        b"to the listener"
    ));
    assert!(travels(
        &mut listener.sealer,
        &mut dialer.opener,
        b"to the dialer"
    ));
    assert_eq!((dialer.peer.uuid, listener.peer.uuid), (LISTENER, DIALER));
    assert_eq!(
        (dialer.peer.number, dialer.peer.role),
        (NodeNumber(1), Role::GameServer)
    );
    assert_eq!(
        (listener.peer.number, listener.peer.role),
        (NodeNumber(101), Role::Proxy)
    );
    for end in [&dialer, &listener] {
        assert_eq!(
            (end.peer.incarnation, end.peer.topology_version),
            (Incarnation(7), TopologyVersion(3))
        );
        assert_eq!(end.peer.certificate.validity(), days(-1, 364));
        assert_eq!((end.lane, end.version), (Lane::new(2).unwrap(), VERSION));
        assert_eq!(end.peer.lanes, Lanes::new(4).unwrap());
        assert_eq!(end.terms, LinkTerms::default());
    }
    let (at_dialer, at_listener) = ((WALL_MS + 40, 30), (WALL_MS, 20));
    let clock = |(wall_ms, at_ms)| PeerClock { wall_ms, at_ms };
    assert_eq!(
        (dialer.clock, listener.clock),
        (clock(at_dialer), clock(at_listener))
    );
}

#[test]
fn nh_1_the_agreed_frame_size_holds_on_both_sides() {
    let mut scene = Scene::new();
    scene.terms.max_frame = 64 * 1024;
    let (dialer, listener) = scene.run(honest);
    let (mut dialer, mut listener) = (dialer.established(), listener.established());
    let longest = vec![1; 64 * 1024 - 16];
    assert!(travels(&mut dialer.sealer, &mut listener.opener, &longest));
    assert!(travels(&mut listener.sealer, &mut dialer.opener, &longest));
    assert_eq!(dialer.sealer.plain_bytes_max(), longest.len());
    assert_eq!(listener.sealer.plain_bytes_max(), longest.len());
}

#[test]
fn nh_1_other_entropy_makes_other_keys() {
    let (first, _) = Scene::new().run(honest);
    let mut again = Scene::new();
    again.seed = 2;
    let (_, second) = again.run(honest);
    let (mut first, mut second) = (first.established(), second.established());
    assert!(!travels(&mut first.sealer, &mut second.opener, b"x"));
}

/// What the responder says, what the initiator hears.
fn refused(scene: &Scene) -> (Code, HandshakeError) {
    match scene.run(honest) {
        (End::Failed(heard), End::Refused(code)) => (code, heard),
        other => panic!("{other:?}"),
    }
}

fn denied(scene: &Scene) -> HandshakeError {
    let (dialer, listener) = scene.run(honest);
    assert!(
        matches!(listener, End::Waiting),
        "the responder must not learn a thing"
    );
    dialer.error()
}

#[test]
fn nh_8_a_proved_initiator_that_is_not_wanted_is_told_why() {
    let told = |code| (code, HandshakeError::Refused(code));
    let scene = Scene::new;

    let mut revoked = scene();
    revoked
        .listener_roster
        .nodes
        .insert(DIALER, PeerStanding::Revoked);
    assert_eq!(refused(&revoked), told(Code::Revoked));

    let mut expired = scene();
    expired.dialer = node_with(&certificate(&authority(), DIALER, days(-9, -1)));
    assert_eq!(refused(&expired), told(Code::CertExpired));

    let mut not_yet = scene();
    not_yet.dialer = node_with(&certificate(&authority(), DIALER, days(1, 9)));
    assert_eq!(refused(&not_yet), told(Code::CertExpired));

    let mut unknown = scene();
    unknown.listener_roster.nodes.remove(&DIALER);
    assert_eq!(refused(&unknown), told(Code::NotInTopology));

    let mut wrong_role = scene();
    wrong_role.listener_roster.roles = vec![Role::GameServer];
    assert_eq!(refused(&wrong_role), told(Code::RoleDenied));

    let mut duplicate = scene();
    duplicate.listener_roster.last_word = Err(Code::DuplicateLink);
    assert_eq!(refused(&duplicate), told(Code::DuplicateLink));
}

#[test]
fn nh_16_who_works_on_another_store_or_on_a_copy_of_this_one_is_told_so() {
    let told = (Code::OtherStore, HandshakeError::Refused(Code::OtherStore));
    for other in [
        StoreIdentity {
            world: WorldId([9; 16]),
            ..STORE
        },
        StoreIdentity {
            copy: STORE.copy + 1,
            ..STORE
        },
    ] {
        let mut scene = Scene::new();
        scene.dialer.store = other;
        assert_eq!(refused(&scene), told);
        // Who does not even belong hears nothing of stores.
        scene.listener_roster.nodes.remove(&DIALER);
        assert_eq!(refused(&scene).0, Code::NotInTopology);
    }
}

#[test]
fn nh_8_the_certificate_must_hold_the_key_that_the_topology_names() {
    let mut scene = Scene::new();
    let listed = PeerStanding::Listed {
        number: NodeNumber(101),
        role: Role::Proxy,
        public: node_key(LISTENER).public(),
    };
    scene.listener_roster.nodes.insert(DIALER, listed);
    assert_eq!(refused(&scene).0, Code::NotInTopology);
}

#[test]
fn nh_8_revocation_outweighs_expiry() {
    let mut scene = Scene::new();
    scene.dialer = node_with(&certificate(&authority(), DIALER, days(-9, -1)));
    scene.listener_roster.nodes.insert(DIALER, PeerStanding::Revoked);
    assert_eq!(refused(&scene).0, Code::Revoked);
}

#[test]
fn nh_7_an_unwanted_responder_hears_nothing_more() {
    let mut revoked = Scene::new();
    revoked
        .dialer_roster
        .nodes
        .insert(LISTENER, PeerStanding::Revoked);
    assert_eq!(denied(&revoked), HandshakeError::Denied(Code::Revoked));

    let mut expired = Scene::new();
    expired.listener = node_with(&certificate(&authority(), LISTENER, days(-9, -1)));
    assert_eq!(denied(&expired), HandshakeError::Denied(Code::CertExpired));

    let mut unknown = Scene::new();
    unknown.dialer_roster.nodes.remove(&LISTENER);
    assert_eq!(denied(&unknown), HandshakeError::Denied(Code::NotInTopology));

    let mut wrong_role = Scene::new();
    wrong_role.dialer_roster.roles = vec![Role::Proxy];
    assert_eq!(denied(&wrong_role), HandshakeError::Denied(Code::RoleDenied));
}

#[test]
fn nh_10_terms_that_make_no_sense_are_refused() {
    let terms = |max_frame, heartbeat_ms, dead_ms| LinkTerms {
        max_frame,
        heartbeat_ms,
        dead_ms,
    };
    let most = limits::FRAME_PAYLOAD_AGREED_BYTES_MAX;
    for good in [terms(4096, 1, 2), terms(most, 500, u16::MAX)] {
        let scene = Scene {
            terms: good,
            ..Scene::new()
        };
        assert_eq!(scene.run(honest).0.established().terms, good);
    }
    for bad in [
        terms(4095, 500, 2000),
        terms(most + 1, 500, 2000),
        terms(4096, 0, 2000),
        terms(4096, 500, 500),
    ] {
        let scene = Scene {
            terms: bad,
            ..Scene::new()
        };
        assert_eq!(denied(&scene), HandshakeError::Terms, "{bad:?}");
    }
}

#[test]
fn nh_11_clocks_more_than_two_minutes_apart_do_not_meet() {
    for (off_ms, meets) in [(120_000, true), (120_001, false)] {
        for wall_ms in [WALL_MS + off_ms, WALL_MS - off_ms] {
            let scene = Scene {
                listener_wall_ms: wall_ms,
                ..Scene::new()
            };
            let (dialer, listener) = scene.run(honest);
            assert_eq!(listener.is_established(), meets, "{wall_ms}");
            if !meets {
                let apart = HandshakeError::Frame(FrameError::Clock(off_ms));
                assert_eq!(
                    (dialer.error(), listener.error()),
                    (apart, apart),
                    "both are told"
                );
            }
        }
    }
}

#[test]
fn nh_12_a_handshake_ends_after_three_seconds() {
    let scene = Scene::new();
    let m1 = || RawFrame::parse(BytesMut::from(&scene.record()[0][..])).unwrap();
    for (now_ms, in_time) in [(5_999, true), (6_000, false)] {
        let mut responder = Responder::new(&scene.listener, scene.terms, 3_000);
        assert_eq!(responder.deadline_ms(), 6_000);
        let entropy = &mut protocol::entropy::CountingEntropy(9);
        let step = responder.handle_frame(m1(), &scene.listener_roster, entropy, WALL_MS, now_ms);
        assert_eq!(step.is_ok(), in_time);
        if let Err(error) = step {
            assert_eq!(error, HandshakeError::TooLate);
        }
    }
}

/// A node under two authorities: whose certificate it holds, and whom it trusts.
fn rotating(uuid: NodeUuid, signed_by: u8, trusted: &[u8]) -> LocalNode {
    let key = |seed: u8| AuthorityKey::from_seed(&[seed; 32]);
    let mut authorities = AuthorityKeys::new(key(trusted[0]).public());
    if let Some(next) = trusted.get(1) {
        authorities = authorities.with_next(key(*next).public());
    }
    let certificate = certificate(&key(signed_by), uuid, days(-1, 364));
    LocalNode::new(&certificate, CLUSTER, authorities, Incarnation(1)).unwrap()
}

#[test]
fn nh_13_the_authority_can_be_replaced_without_a_pair_that_cannot_talk() {
    // Each step of a rotation from 1 to 2, with neighbours at most one step apart.
    let steps: [(u8, &[u8]); 4] = [(1, &[1]), (1, &[1, 2]), (2, &[1, 2]), (2, &[2])];
    for pair in steps.windows(2) {
        for (dialer, listener) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            let mut scene = Scene::new();
            scene.dialer = rotating(DIALER, dialer.0, dialer.1);
            scene.listener = rotating(LISTENER, listener.0, listener.1);
            let (at_dialer, at_listener) = scene.run(honest);
            assert!(
                at_dialer.is_established() && at_listener.is_established(),
                "{dialer:?} {listener:?}"
            );
        }
    }
}

#[test]
fn nh_13_a_certificate_of_another_authority_or_cluster_is_refused_at_the_start() {
    let stranger = certificate(&AuthorityKey::from_seed(&[9; 32]), DIALER, days(-1, 1));
    let authorities = AuthorityKeys::new(authority().public());
    let ours = certificate(&authority(), DIALER, days(-1, 1));
    let make = |certificate, cluster| LocalNode::new(certificate, cluster, authorities, Incarnation(1));
    assert_eq!(make(&stranger, CLUSTER).unwrap_err(), CertificateError::NotSigned);
    assert_eq!(
        make(&ours, ClusterId([0; 16])).unwrap_err(),
        CertificateError::NotSigned
    );
    assert!(make(&ours, CLUSTER).is_ok());
}

#[test]
fn nh_1_golden_frames() {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let frames: Vec<_> = Scene::new().record().iter().map(|frame| hex(frame)).collect();
    assert_eq!(frames, GOLDEN);
}

const GOLDEN: [&str; 4] = [
    "\
     6c0000009e7911c5afaa87c2801af38109cb9a1425f0211682e035b5dd7f012547746feb000000000000000000000000\
     0100c02cc89901000003033200c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c11515151515151515151515151515151507a37c\
     bc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c2122232425262728292a2b2c2d2e2f30313233\
     3435363738393a3b3c3d3e3f400300000000000000",
    "\
     4901000017d769cbf2c3c5b76e21ea27a53446f400fe6ce98dc61977f21fe9c4819e11ca000000000000000000000000\
     0228c02cc899010000030000005714769d116bf76436ae74bc793d2c30ad1903c59ac5273805c7e2698b410c36858687\
     88898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4bf18901068e04c875fa04d46dcf8c9c8adb77a\
     9a8ec104f1b7025fd5fc40d53cd882d75ec316115ab4ec95ff63b7075294fe1b879e4ec0ca1015922f3e64c4600d6d09\
     293a6af782b88f368d8510a878ea3993e6d7a54825276a05a57cabed1ec9ce6458cd6091fc57397f22c3d825e81d9263\
     1e0fc1d2505dffc570e75830876abff15d8b47165c49cd6643a0ea05c649ac59df858eee8c85e16eae2ca6fa73535c95\
     791cdeb2f1e30985da3d08c23eb0495342b80640fcc70d34d5a0454647976d8207429db4105ff01b49f7367f83518cbc\
     219a7b8af1010b45eb7d82fe1a7cd6f52880120020f8a5533231b78282aa49a72f28803d00069cf6050a654ff78be676\
     57c7",
    "\
     fd0000001aeb2b6b615672d3fe03983d1e6c268741c94293fb8378b067849fc7236df1b8000000000000000000000000\
     0300c02cc89901000086313991f92a3b8f448fd68de2922f6d71dc97ad0c0f868fa02116416f0487c16d96f1123e416d\
     8de146f19e130e85d573d641668908b9c3d2ee36e8534347bbc83e7e8a0812778d15a6ab39808a93755821a3450216bd\
     e182b7f885467778683c6646015058f7af374cdd3de3b2366cd83d6dcef1e0190dc3e387923a9849fdf197f6139b0518\
     2c4b449c9cf69e2e471b1360fe24a9edda8d0ab46f7845d8389469ef94607ac55b991cbac2d937579727bba121ed6d1a\
     85b298f4e33d2994045132f462e17cb095fde8a268b1d66d04de9c4275035173cdf4e2e7eb7074f8645fe6ffb71f1b40\
     82cdb4db7e6a5942332617faf8b4b6e52848670afa63",
    "\
     1c000000242cef6d021b581686f227efafad90ded934f52686be014b497186f686e4d9b4000000000000000000000000\
     0428c02cc899010000e0d7137a0404099798e0adaf94514f002c3a28c0bbe537567fec0f62",
];
