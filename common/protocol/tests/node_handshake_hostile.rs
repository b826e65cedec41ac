//! A node handshake with somebody in between who knows everything that is public, the hello key included.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

mod node_world;

use bytes::BytesMut;
use node_world::*;
use proptest::prelude::*;
use protocol::frame::{FrameError, FrameType, HEADER_BYTES, RawFrame};
use protocol::ids::*;
use protocol::limits;
use protocol::node_handshake::*;

/// Runs with one message changed. The initiator must never believe; the responder only where it saw nothing changed.
fn assert_never_both(scene: &Scene, message: usize, what: &str, change: impl Fn(&[u8]) -> Vec<u8>) {
    let (dialer, listener) = scene.run(|number, frame| match number == message {
        true => change(&frame),
        false => frame,
    });
    assert!(!dialer.is_established(), "M{message} {what}: {dialer:?}");
    assert!(
        message == 4 || !listener.is_established(),
        "M{message} {what}: {listener:?}"
    );
}

#[test]
fn nh_4_any_bit_flipped_on_the_way_leaves_no_link() {
    let scene = Scene::new();
    for (index, frame) in scene.record().iter().enumerate() {
        for at in 0..frame.len() {
            let what = format!("byte {at}");
            assert_never_both(&scene, index + 1, &what, |frame| {
                let mut frame = frame.to_vec();
                frame[at] ^= 1 << (at % 8);
                frame
            });
        }
    }
}

#[test]
fn nh_4_any_bit_flipped_under_a_new_hmac_leaves_no_link() {
    let scene = Scene::new();
    for (index, frame) in scene.record().iter().take(3).enumerate() {
        for at in 0..frame.len() - HEADER_BYTES {
            let what = format!("payload byte {at}");
            assert_never_both(&scene, index + 1, &what, |frame| {
                remade(frame, |payload, _| payload[at] ^= 1 << (at % 8))
            });
        }
    }
}

#[test]
fn nh_5_the_timestamps_of_m2_and_m3_cannot_be_changed() {
    for message in [2, 3] {
        assert_never_both(&Scene::new(), message, "timestamp", |frame| {
            remade(frame, |_, timestamp_ms| *timestamp_ms += 1)
        });
    }
}

#[test]
fn nh_4_any_message_cut_or_lengthened_leaves_no_link() {
    let scene = Scene::new();
    for (index, frame) in scene.record().iter().enumerate() {
        for end in 0..frame.len() {
            assert_never_both(&scene, index + 1, &format!("cut at {end}"), |frame| {
                frame[..end].to_vec()
            });
        }
    }
    for (index, frame) in scene.record().iter().take(3).enumerate() {
        for end in 0..frame.len() - HEADER_BYTES {
            let what = format!("payload cut at {end}");
            assert_never_both(&scene, index + 1, &what, |frame| {
                remade(frame, |payload, _| payload.truncate(end))
            });
        }
        for longer in [1, 4096 - (frame.len() - HEADER_BYTES)] {
            let what = format!("{longer} bytes longer");
            assert_never_both(&scene, index + 1, &what, |frame| {
                remade(frame, |payload, _| payload.resize(payload.len() + longer, 0))
            });
        }
    }
}

#[test]
fn nh_4_messages_sent_back_or_out_of_turn_leave_no_link() {
    let scene = Scene::new();
    let recorded = scene.record();
    for message in 1..=4 {
        for (other, frame) in recorded.iter().enumerate() {
            if other + 1 != message {
                let what = format!("replaced by M{}", other + 1);
                assert_never_both(&scene, message, &what, |_| frame.clone());
            }
        }
    }
}

#[test]
fn nh_4_messages_of_another_run_leave_no_link() {
    let mut earlier = Scene::new();
    earlier.seed = 77;
    let recorded = earlier.record();
    for message in 1..=4 {
        assert_never_both(&Scene::new(), message, "replayed", |_| {
            recorded[message - 1].clone()
        });
    }
}

#[test]
fn nh_4_a_whole_recorded_run_does_not_convince_a_responder() {
    let recorded = Scene::new().record();
    let mut later = Scene::new();
    later.seed = 50;
    let mut responder = Responder::new(&later.listener, later.terms, 0);
    assert!(matches!(
        later.respond(&mut responder, &recorded[0]),
        Ok(ResponderStep::Send(_))
    ));
    let error = later.respond(&mut responder, &recorded[2]).unwrap_err();
    assert_eq!(error, HandshakeError::NotAuthentic);
}

#[test]
fn nh_4_a_repeated_m1_or_m3_ends_the_handshake() {
    let scene = Scene::new();
    let recorded = scene.record();
    let mut responder = Responder::new(&scene.listener, scene.terms, 0);
    scene.respond(&mut responder, &recorded[0]).unwrap();
    let error = scene.respond(&mut responder, &recorded[0]).unwrap_err();
    assert_eq!(error, HandshakeError::Frame(FrameError::Type(1)));

    let mut responder = Responder::new(&scene.listener, scene.terms, 0);
    scene.respond(&mut responder, &recorded[0]).unwrap();
    scene.respond(&mut responder, &recorded[2]).unwrap();
    let error = scene.respond(&mut responder, &recorded[2]).unwrap_err();
    assert_eq!(error, HandshakeError::Over);
}

#[test]
fn nh_4_the_welcome_sent_back_is_no_frame_of_the_initiator() {
    let mut welcome = Vec::new();
    let (_, listener) = Scene::new().run(|number, frame| {
        if number == 4 {
            welcome.clone_from(&frame);
        }
        frame
    });
    let raw = RawFrame::parse(BytesMut::from(&welcome[..])).unwrap();
    assert_eq!(listener.established().opener.open(raw), Err(FrameError::Hmac));
}

/// The error of a responder that gets this M1.
fn hello_error(payload: &[u8]) -> HandshakeError {
    let scene = Scene::new();
    let mut responder = Responder::new(&scene.listener, scene.terms, 0);
    let frame = sealed_hello(FrameType::NodeHello, payload, WALL_MS);
    scene.respond(&mut responder, &frame).unwrap_err()
}

fn hello_payload() -> Vec<u8> {
    Scene::new().record()[0][HEADER_BYTES..].to_vec()
}

#[test]
fn nh_6_small_order_keys_are_refused() {
    for first_byte in [0, 1] {
        let mut payload = hello_payload();
        payload[36..68].fill(0);
        payload[36] = first_byte;
        assert_eq!(hello_error(&payload), HandshakeError::WeakKey);
    }
    assert_never_both(&Scene::new(), 2, "zero key", |frame| {
        remade(frame, |payload, _| payload[4..36].fill(0))
    });
}

#[test]
fn nh_3_versions_outside_ours_and_unknown_flags_are_refused() {
    let changed = |at: usize, value: u8| {
        let mut payload = hello_payload();
        payload[at] = value;
        payload
    };
    assert_eq!(hello_error(&changed(1, VERSION + 1)), HandshakeError::Version);
    assert_eq!(hello_error(&changed(0, 0)), HandshakeError::Version);
    assert_eq!(hello_error(&changed(2, 0x02)), HandshakeError::Malformed);
    assert_eq!(hello_error(&changed(3, 1)), HandshakeError::Malformed);

    let scene = Scene::new();
    let mut responder = Responder::new(&scene.listener, scene.terms, 0);
    let newer = sealed_hello(FrameType::NodeHello, &changed(0, 200), WALL_MS);
    let Ok(ResponderStep::Send(m2)) = scene.respond(&mut responder, &newer) else {
        panic!("a newer initiator that still speaks our version is welcome");
    };
    assert_eq!(m2[HEADER_BYTES], VERSION);
}

#[test]
fn nh_2_another_cluster_or_another_node_is_refused() {
    let mut payload = hello_payload();
    payload[4] ^= 1;
    assert_eq!(hello_error(&payload), HandshakeError::WrongCluster);
    let mut payload = hello_payload();
    payload[20] ^= 1;
    assert_eq!(hello_error(&payload), HandshakeError::WrongNode);

    let mut misdialed = Scene::new();
    misdialed.dialed = NodeUuid([0x77; 16]);
    let (_, listener) = misdialed.run(honest);
    assert_eq!(listener.error(), HandshakeError::Frame(FrameError::Hmac));
}

#[test]
fn nh_2_a_node_does_not_talk_to_itself() {
    let mut scene = Scene::new();
    scene.dialer = scene.listener.clone();
    let (dialer, _) = scene.run(honest);
    assert_eq!(dialer.error(), HandshakeError::OwnIdentity);
}

#[test]
fn nh_12_nothing_longer_than_4_kib_is_awaited_in_a_handshake() {
    let scene = Scene::new();
    let mut frame = scene.record()[0].clone();
    frame[..4].copy_from_slice(&(limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX + 1).to_le_bytes());
    let mut decoder = protocol::frame::FrameDecoder::new();
    decoder.extend(&frame);
    let error = decoder.next_raw(limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX, 0);
    assert!(matches!(error, Err(FrameError::Oversized { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn noise_as_any_message_is_refused_and_never_panics(
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        message in 1_usize..4,
    ) {
        assert_never_both(&Scene::new(), message, "noise", |frame| {
            remade(frame, |payload, _| payload.clone_from(&noise))
        });
    }

    #[test]
    fn any_entropy_ends_in_equal_keys(seed in any::<u8>()) {
        let scene = Scene { seed, ..Scene::new() };
        let (dialer, listener) = scene.run(honest);
        let (mut dialer, mut listener) = (dialer.established(), listener.established());
        let mut out = Vec::new();
        dialer.sealer.seal(FrameType::Batch, b"x", WALL_MS, 50, &mut out).unwrap();
        let raw = RawFrame::parse(BytesMut::from(&out[..])).unwrap();
        prop_assert!(listener.opener.open(raw).is_ok());
    }
}

#[test]
fn nh_9_the_first_frame_of_an_initiator_is_no_welcome() {
    let (dialer, listener) = Scene::new().run(honest);
    let (mut dialer, mut listener) = (dialer.established(), listener.established());
    let mut out = Vec::new();
    dialer
        .sealer
        .seal(FrameType::NodeWelcome, b"", WALL_MS, 50, &mut out)
        .unwrap();
    let raw = RawFrame::parse(BytesMut::from(&out[..])).unwrap();
    assert_eq!(listener.opener.open(raw), Err(FrameError::Type(4)));
}
