//! Frames as an honest pair exchanges them: golden bytes, rekeys, and what one costs.
//!
//! The golden bytes were checked against an independent implementation of AES-GCM, HKDF and HMAC.

#![allow(clippy::unwrap_used, reason = "tests may")]

use bytes::BytesMut;
use protocol::frame::{
    Frame, FrameDecoder, FrameError, FrameOpener, FrameSealer, FrameType, HEADER_BYTES, HandshakeKey,
    RawFrame, RekeyLimits,
};
use protocol::ids::{ClusterId, NodeUuid};
use protocol::keys::{Direction, Prk, TrafficSecret};
use protocol::limits;

const WALL_MS: u64 = 1_700_000_000_000;
const MAX_FRAME: u32 = limits::FRAME_PAYLOAD_BYTES_MAX;

fn secret() -> TrafficSecret {
    let prk = Prk::extract(&[1; 32], b"frames");
    TrafficSecret::new(&prk, Direction::InitiatorToResponder)
}

fn pair(rekey: RekeyLimits) -> (FrameSealer, FrameOpener) {
    let mut opener = FrameOpener::new(secret());
    opener.establish(MAX_FRAME);
    (FrameSealer::new(secret(), MAX_FRAME, 0).with_rekey(rekey), opener)
}

fn seal(sealer: &mut FrameSealer, payload: &[u8], now_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    sealer
        .seal(FrameType::Batch, payload, WALL_MS + now_ms, now_ms, &mut out)
        .unwrap();
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn types(stream: &[u8]) -> Vec<FrameType> {
    let mut decoder = FrameDecoder::new();
    decoder.extend(stream);
    std::iter::from_fn(|| decoder.next_raw(MAX_FRAME, 0).unwrap())
        .map(|raw| raw.header.frame_type)
        .collect()
}

#[test]
fn fr_5_golden_traffic_frame() {
    let (mut sealer, mut opener) = pair(RekeyLimits::default());
    seal(&mut sealer, b"first", 0);
    let bytes = seal(&mut sealer, b"hello, mesh", 5);
    assert_eq!(hex(&bytes), GOLDEN_TRAFFIC);
    let raw = RawFrame::parse(BytesMut::from(&bytes[..])).unwrap();
    assert_eq!(opener.open(raw), Err(FrameError::Reordered));
}

#[test]
fn fr_13_golden_handshake_frames() {
    let mut out = Vec::new();
    let node = HandshakeKey::node(&[0xa0; 32], NodeUuid([0x11; 16]));
    node.seal(FrameType::NodeHello, b"M1", WALL_MS, &mut out).unwrap();
    assert_eq!(hex(&out), GOLDEN_NODE_HELLO);
    out.clear();
    let client = HandshakeKey::client(&[0xa0; 32], ClusterId([0x22; 16]));
    client
        .seal(FrameType::ClientHello, b"C1", WALL_MS, &mut out)
        .unwrap();
    assert_eq!(hex(&out), GOLDEN_CLIENT_HELLO);
}

#[test]
fn frames_arrive_in_order_however_the_stream_is_cut() {
    let payloads: Vec<Vec<u8>> = (0..40).map(|n| vec![n as u8; n * 13]).collect();
    for step in [1, 7, 56, 57, 58, 1000, 100_000] {
        let (mut sealer, mut opener) = pair(RekeyLimits {
            frames: 5,
            ..RekeyLimits::default()
        });
        let stream: Vec<u8> = payloads
            .iter()
            .flat_map(|payload| seal(&mut sealer, payload, 9))
            .collect();
        let mut decoder = FrameDecoder::new();
        let mut opened = Vec::new();
        for piece in stream.chunks(step) {
            decoder.space().extend_from_slice(piece);
            while let Some(frame) = decoder.next_frame(&mut opener, 0).unwrap() {
                opened.push(frame);
            }
        }
        let expected = payloads.iter().map(|payload| Frame {
            frame_type: FrameType::Batch,
            timestamp_ms: WALL_MS + 9,
            payload: payload.clone().into(),
        });
        assert_eq!(opened, expected.collect::<Vec<_>>(), "pieces of {step}");
        assert_eq!((decoder.buffered(), decoder.deadline_ms()), (0, None));
    }
}

#[test]
fn fr_8_a_key_is_replaced_after_its_frames_its_bytes_and_its_age() {
    use FrameType::{Batch, Rekey};
    let frames = RekeyLimits {
        frames: 4,
        ..RekeyLimits::default()
    };
    let (mut sealer, _) = pair(frames);
    let stream: Vec<u8> = (0..5).flat_map(|_| seal(&mut sealer, b"x", 0)).collect();
    assert_eq!(types(&stream), [Batch, Batch, Batch, Rekey, Batch, Batch]);

    let bytes = RekeyLimits {
        bytes: u64::from(MAX_FRAME) + 1_000,
        ..RekeyLimits::default()
    };
    let (mut sealer, _) = pair(bytes);
    let stream: Vec<u8> = (0..3).flat_map(|_| seal(&mut sealer, &[0; 600], 0)).collect();
    assert_eq!(types(&stream), [Batch, Batch, Rekey, Batch]);

    let (mut sealer, mut opener) = pair(RekeyLimits::default());
    let hour = limits::REKEY_AGE_MS;
    let stream: Vec<u8> = [0, hour - 1, hour, hour + 1, 2 * hour, 2 * hour]
        .into_iter()
        .flat_map(|now_ms| seal(&mut sealer, b"x", now_ms))
        .collect();
    assert_eq!(
        types(&stream),
        [Batch, Batch, Rekey, Batch, Batch, Rekey, Batch, Batch]
    );
    let mut decoder = FrameDecoder::new();
    decoder.extend(&stream);
    let opened = std::iter::from_fn(|| decoder.next_frame(&mut opener, 0).unwrap());
    assert_eq!(opened.count(), 6);
}

#[test]
fn fr_7_a_key_that_protected_nothing_is_not_replaced_however_old() {
    let (mut sealer, mut opener) = pair(RekeyLimits::default());
    let late = seal(&mut sealer, b"late", 2 * limits::REKEY_AGE_MS);
    assert_eq!(types(&late), [FrameType::Batch]);
    let mut decoder = FrameDecoder::new();
    decoder.extend(&late);
    assert_eq!(
        decoder.next_frame(&mut opener, 0).unwrap().unwrap().payload,
        &b"late"[..]
    );
}

#[test]
fn fr_2_the_longest_payload_travels_and_one_byte_more_is_not_sealed() {
    let (mut sealer, mut opener) = pair(RekeyLimits::default());
    let longest = vec![3; sealer.plain_bytes_max()];
    let bytes = seal(&mut sealer, &longest, 0);
    assert_eq!(bytes.len(), HEADER_BYTES + MAX_FRAME as usize);
    let raw = RawFrame::parse(BytesMut::from(&bytes[..])).unwrap();
    assert_eq!(opener.open(raw).unwrap().unwrap().payload, longest);

    let mut out = vec![9];
    let too_long = [longest, vec![0]].concat();
    let error = sealer.seal(FrameType::Batch, &too_long, 0, 0, &mut out);
    assert_eq!((error, &out[..]), (Err(FrameError::TooLong), &[9][..]));
    let error = sealer.seal_with(FrameType::Batch, 0, 0, &mut out, |out| out.extend(&too_long));
    assert_eq!((error, &out[..]), (Err(FrameError::TooLong), &[9][..]));
    let next = seal(&mut sealer, b"still in step", 0);
    assert!(
        opener
            .open(RawFrame::parse(BytesMut::from(&next[..])).unwrap())
            .is_ok()
    );
}

#[test]
fn fr_10_only_a_welcome_comes_before_batches_and_nothing_of_a_handshake_after() {
    let mut out = Vec::new();
    for kind in FrameType::ALL {
        let (mut sealer, _) = pair(RekeyLimits::default());
        let sealed = sealer.seal(kind, b"", 0, 0, &mut Vec::new());
        let allowed = matches!(kind, FrameType::NodeWelcome | FrameType::Batch | FrameType::Close);
        assert_eq!(sealed.is_ok(), allowed, "{kind:?}");
    }
    let (mut sealer, _) = pair(RekeyLimits::default());
    sealer
        .seal(FrameType::NodeWelcome, b"M4", 0, 0, &mut out)
        .unwrap();
    sealer.seal(FrameType::Close, b"bye", 0, 0, &mut out).unwrap();
    assert_eq!(
        sealer.seal(FrameType::NodeWelcome, b"M4", 0, 0, &mut out),
        Err(FrameError::Type(4))
    );
    let mut decoder = FrameDecoder::new();
    decoder.extend(&out);
    let mut next = |opener: &mut FrameOpener| decoder.next_frame(opener, 0).unwrap().unwrap();
    let mut opener = FrameOpener::new(secret());
    assert_eq!(next(&mut opener).frame_type, FrameType::NodeWelcome);
    opener.establish(MAX_FRAME);
    assert_eq!(next(&mut opener).frame_type, FrameType::Close);
}

#[test]
fn what_sealing_and_opening_a_kibibyte_costs() {
    let (mut sealer, mut opener) = pair(RekeyLimits::default());
    let mut decoder = FrameDecoder::new();
    let (rounds, payload) = (2_000_u32, [7; 1024]);
    let mut out = Vec::new();
    let started = std::time::Instant::now();
    for _ in 0..rounds {
        out.clear();
        sealer
            .seal(FrameType::Batch, &payload, WALL_MS, 0, &mut out)
            .unwrap();
        decoder.space().extend_from_slice(&out);
        let frame = decoder.next_frame(&mut opener, 0).unwrap().unwrap();
        assert_eq!(frame.payload.len(), payload.len());
    }
    println!("seal and open 1 KiB: {:?} a frame", started.elapsed() / rounds);
}

const GOLDEN_TRAFFIC: &str = "\
    1b000000814ec58a23ad52780484ab2a85eaa46e337f72af80e974c4c67097f83d757e7c000000000100000000000000\
    200568e5cf8b01000036dbe87cbc22e75b08243dbf6d671c2346002a5976631da6209bdc";
const GOLDEN_NODE_HELLO: &str = "\
    02000000337ed7ed04d6c6205f72e70bd4d8afc78d530a3c126101b623a5222149f0c3a0000000000000000000000000\
    010068e5cf8b0100004d31";
const GOLDEN_CLIENT_HELLO: &str = "\
    02000000d3658513e1511dfbd09b94a739e8489a0e4cc5f0b1a298da5b5aa40deb49088e000000000000000000000000\
    050068e5cf8b0100004331";
