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
            let (_, listener) = scene.run(honest);
            assert_eq!(listener.is_established(), meets, "{wall_ms}");
            if !meets {
                assert_eq!(listener.error(), HandshakeError::Frame(FrameError::Clock(off_ms)));
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
<<<<<<< HEAD
     6c0000008bfd1bcda868942baae401617ff95d747d21ab17edf13a8867e5e38403f42790000000000000000000000000\
     0100c02cc89901000001013200c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c11515151515151515151515151515151507a37c\
     bc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c2122232425262728292a2b2c2d2e2f30313233\
     3435363738393a3b3c3d3e3f400300000000000000",
    "\
     31010000448ddff271acbe60a6c98dd3685010cc5f9b18232a7ec924105d8b9d0672d327000000000000000000000000\
     0228c02cc899010000010000005714769d116bf76436ae74bc793d2c30ad1903c59ac5273805c7e2698b410c36858687\
     88898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a44a5fbe5bb56d36ea08e9af258cb9d762c44f08\
     5072ae130fd0b0df7a6e43fea8d33a4ff81a87faa379b2f481a56ca64b94281e6ecc918826e71b41032edd7e1d80d807\
     d3408596017767fd0588fc08b2d07d891d49cfd600107087f38ef2f85c4fd3730b9fcb6e29fcedcd35e7fb757faf7a5d\
     e698f187b03e9793ad86177ec38c9f1d23ab0a99e6014eaf6d5fea7e9d1a13896c36c78a937affdf536bab32c1c97038\
     4ab28fe9dbadb30f7ec26105d5f4484d07294b5ff9b77ea1479b717e757274aaf4d16982f36fe62ea9e4a3a22208fdb6\
     eba9d687e5e22bc832d7b8ba89e10251f4c80fe98ec0847d91b1",
    "\
     e5000000376c35b94e3c54729e8dd1441a52c5c226345f2f3942a3b7e364de9cc9214cbb000000000000000000000000\
     0300c02cc8990100000b9a50475573447ea7cfcf4161904afd9b0e407523bec918cc504f1f864c68e2c294e01d691c7b\
     79272ccc33bb470d5abe6f89fdf25655d07466401410ca24ce9d136e63775429e91fcc37c16b88c8c5ac0d3e9000d8ac\
     df196fc0119c3068a350aa879d9ea83c0772598a2c7a7c714662fe5b2ff2c763b2d5b823a66effbca4d326e4d2448636\
     2e22db3df6b3c5d2c50df56bea650fc77aa0e9e1632a7e3058ec0c938bbc57f30a929a914179a2df02fdac586991cdf4\
     e8dc97a95015a5a42e2860f9424004ce21805241d6d9044f547fc974e8d4fdbaf1451f6319eae7ea94c920c184dc",
    "\
     1c0000008b0943e18ec5472f26f65993e675be1dcea30416b516a708aed358c9324f9d04000000000000000000000000\
     0428c02cc8990100008f5b61b5ee69862b8fa40883799afc507638ad705f74e9eaedc48276",
=======
     6c000000a3abd51661b03768210a7db637de7ae9d715502e47045173dc711712255e2657000000000000000000000000\
     0100c02cc89901000002020200c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c11515151515151515151515151515151507a37c\
     bc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c2122232425262728292a2b2c2d2e2f30313233\
     3435363738393a3b3c3d3e3f400300000000000000",
    "\
     310100009d063e04ab4fcfb4724d676600edd51e32998ba24331d2a261d83adcb092a4fa000000000000000000000000\
     0228c02cc899010000020000005714769d116bf76436ae74bc793d2c30ad1903c59ac5273805c7e2698b410c36858687\
     88898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a46ffdd31de851f1b76534f86f3c2045d2c3a598\
     9932865bd921987be07946080f746896d694459562db3a7083db29bf59fe656835b38ff220acc392f6cfbfc07804bd81\
     f6cf36b48e1b6e0bf576d7df71cc674666c5a2c7abccdd6fb7f200111ed899877f589d5a4d3fb2e68643024095d09758\
     18757647274a6cd962078581b6b5e381c91cfa1c169e6ebdadf5c4581305bad694afc03a651bc10c1f68ec056cb8e84f\
     c89130d085bc6bde7f828944b7b89cdce0a3a89a5e7ac3ab3407bcdbbbe1e8577c6c9add487e365c240b6d7a62b82f1d\
     00cb496787b44d3bb48e9e08d04d644a29a1ae78a54b700f83bf",
    "\
     e5000000e858176361f9ce2aef26e8bfa628f99022b04b579a0b8d588eb241d94324fc07000000000000000000000000\
     0300c02cc899010000021a895640c1cdcc50ec6f1e6c5221565b5898ba8e784fc9e6623ae64860c608b105135a080ee7\
     b40fef2b4691aea525ccb857f1beae48a2e00a8b3e039a8ad8c249b77a2f7797385459c6c40f2f576be8c1bd92bbd460\
     c55e1b03f4d8d0f76e61ce96d1bdc164d5ae4415902342da4223a5989e4cc32732407e5e7a7e79c69147549c7f7c14f7\
     fcf779e2d4fa411ab84a1425c3990f8f5a7bf44d7d189d3b5450e4011234d9d0467a73577b623591be9b515666f8d120\
     0c4b557a3d000451598bc685327b7cb4276110629bee664f14acf2b7dfbff2ecc6f64298030189b7e57c94689037",
    "\
     1c00000003efef56b305abe025eef336a68e56d680434b826389fb842b35cbff9affaf3a000000000000000000000000\
     0428c02cc899010000c1d3ccd3577b084305a75840f7435bbcdfa0dcae727f2c6e37c67ee9",
>>>>>>> 61360e8 (Let the HMAC of a frame cover header and tag, as version 2 of both handshakes)
];
