//! Frames as somebody in between would have them: changed, cut, repeated, swapped, left out, sent back.

#![allow(clippy::unwrap_used, reason = "tests may")]

use bytes::BytesMut;
use proptest::prelude::*;
use protocol::frame::{
    Frame, FrameDecoder, FrameError, FrameOpener, FrameSealer, FrameType, HEADER_BYTES, HandshakeKey, Header,
    RawFrame, RekeyLimits,
};
use protocol::ids::NodeUuid;
use protocol::keys::{Direction, Prk, TrafficSecret};
use protocol::limits;

const MAX_FRAME: u32 = 8 * 1024;
const WALL_MS: u64 = 1_700_000_000_000;

fn secret(direction: Direction) -> TrafficSecret {
    TrafficSecret::new(&Prk::extract(&[1; 32], b"frames"), direction)
}

fn sealer() -> FrameSealer {
    FrameSealer::new(secret(Direction::InitiatorToResponder), MAX_FRAME, 0)
}

fn opener() -> FrameOpener {
    let mut opener = FrameOpener::new(secret(Direction::InitiatorToResponder));
    opener.establish(MAX_FRAME);
    opener
}

/// `count` frames, each with its number as payload.
fn frames(sealer: &mut FrameSealer, count: u32) -> Vec<Vec<u8>> {
    let sealed = (0..count).map(|number| {
        let mut out = Vec::new();
        let payload = number.to_le_bytes();
        sealer
            .seal(FrameType::Batch, &payload, WALL_MS, 0, &mut out)
            .unwrap();
        out
    });
    sealed.collect()
}

fn raw(bytes: &[u8]) -> RawFrame {
    RawFrame::parse(BytesMut::from(bytes)).unwrap()
}

/// Everything that opens before the stream ends or breaks, and how it broke.
fn receive(stream: &[u8]) -> (Vec<Frame>, Option<FrameError>) {
    let (mut decoder, mut opener, mut opened) = (FrameDecoder::new(), opener(), Vec::new());
    decoder.extend(stream);
    loop {
        match decoder.next_frame(&mut opener, 0) {
            Ok(Some(frame)) => opened.push(frame),
            Ok(None) => return (opened, None),
            Err(error) => return (opened, Some(error)),
        }
    }
}

#[test]
fn fr_4_a_frame_with_any_byte_flipped_never_opens() {
    let good = frames(&mut sealer(), 1).concat();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            let (opened, error) = receive(&bad);
            assert!(opened.is_empty(), "byte {at} bit {bit}");
            let waits_for_more = at < 4 && error.is_none();
            assert!(error.is_some() || waits_for_more, "byte {at} bit {bit}");
        }
    }
    assert_eq!(receive(&good).0.len(), 1);
}

#[test]
fn fr_4_a_cut_frame_never_opens() {
    let good = frames(&mut sealer(), 1).concat();
    for end in 0..good.len() {
        assert_eq!(receive(&good[..end]), (vec![], None), "{end}");
        assert!(RawFrame::parse(BytesMut::from(&good[..end])).is_err());
    }
    let mut no_room_for_a_tag = good[..HEADER_BYTES + 15].to_vec();
    no_room_for_a_tag[0] = 15;
    assert_eq!(receive(&no_room_for_a_tag).1, Some(FrameError::Truncated));
}

#[test]
fn fr_6_a_replayed_frame_ends_the_stream() {
    let sealed = frames(&mut sealer(), 3);
    let stream = [&sealed[0][..], &sealed[1], &sealed[1], &sealed[2]].concat();
    let (opened, error) = receive(&stream);
    assert_eq!((opened.len(), error), (2, Some(FrameError::Replayed)));
}

#[test]
fn fr_6_a_frame_replayed_after_600_others_ends_the_stream() {
    let mut sealed = frames(&mut sealer(), 601);
    sealed.push(sealed[0].clone());
    let (opened, error) = receive(&sealed.concat());
    assert_eq!((opened.len(), error), (601, Some(FrameError::Replayed)));
}

#[test]
fn fr_6_swapped_frames_end_the_stream() {
    let mut sealed = frames(&mut sealer(), 4);
    sealed.swap(1, 2);
    let (opened, error) = receive(&sealed.concat());
    assert_eq!((opened.len(), error), (1, Some(FrameError::Reordered)));
}

#[test]
fn fr_6_a_missing_frame_ends_the_stream_whichever_it_is() {
    for missing in 0..4 {
        let mut sealed = frames(&mut sealer(), 5);
        sealed.remove(missing);
        let (opened, error) = receive(&sealed.concat());
        assert_eq!((opened.len(), error), (missing, Some(FrameError::Reordered)));
    }
}

#[test]
fn fr_7_frames_of_another_key_phase_end_the_stream() {
    let rekey = RekeyLimits {
        frames: 3,
        ..RekeyLimits::default()
    };
    let sealed = frames(&mut sealer().with_rekey(rekey), 5);
    assert_eq!(receive(&sealed.concat()).0.len(), 5);
    // The third holds REKEY and the first frame of phase 1: without the REKEY the new phase is refused,
    let batch = sealed[0].len();
    let split = sealed[2].len() - batch;
    let without_rekey = [&sealed[0][..], &sealed[1], &sealed[2][split..]].concat();
    assert_eq!(receive(&without_rekey).1, Some(FrameError::Phase));
    // and after the REKEY so is everything of the old one, a second REKEY included.
    let old_frame = [&sealed[0][..], &sealed[1], &sealed[2][..split], &sealed[1]].concat();
    assert_eq!(receive(&old_frame).1, Some(FrameError::Phase));
    let rekey_twice = [
        &sealed[0][..],
        &sealed[1],
        &sealed[2][..split],
        &sealed[2][..split],
    ]
    .concat();
    assert_eq!(receive(&rekey_twice).1, Some(FrameError::Phase));
}

/// A peer that has the keys and breaks the rules: seals whatever header it is told to.
fn seal_as_told(frame_type: FrameType, counter: u64, plain: &[u8]) -> RawFrame {
    let (key, mac) = secret(Direction::InitiatorToResponder).keys();
    let mut header = Header {
        payload_len: plain.len() as u32 + 16,
        hmac: [0; 32],
        key_phase: 0,
        counter,
        frame_type,
        timestamp_ms: WALL_MS,
    };
    let mut payload = Vec::new();
    key.seal_onto(header.nonce(), &header.covered(), plain, &mut payload)
        .unwrap();
    let tag = &payload[plain.len()..];
    header.hmac = mac.mac(&[&header.covered(), tag]);
    RawFrame {
        header,
        payload: BytesMut::from(&payload[..]),
    }
}

#[test]
fn fr_7_a_rekey_must_be_empty_and_must_end_a_phase_that_was_used() {
    assert_eq!(
        opener().open(seal_as_told(FrameType::Rekey, 0, b"")),
        Err(FrameError::Phase)
    );
    let mut used = opener();
    used.open(seal_as_told(FrameType::Batch, 0, b"x")).unwrap();
    assert_eq!(
        used.open(seal_as_told(FrameType::Rekey, 1, b"x")),
        Err(FrameError::Phase)
    );
    let mut used = opener();
    used.open(seal_as_told(FrameType::Batch, 0, b"x")).unwrap();
    assert_eq!(used.open(seal_as_told(FrameType::Rekey, 1, b"")), Ok(None));
}

#[test]
fn fr_9_a_frame_sent_back_to_its_sender_does_not_open() {
    let sealed = frames(&mut sealer(), 1).concat();
    let mut other_way = FrameOpener::new(secret(Direction::ResponderToInitiator));
    assert_eq!(other_way.open(raw(&sealed)), Err(FrameError::Hmac));
}

#[test]
fn fr_10_types_out_of_place_are_refused_even_from_a_peer_with_the_keys() {
    for kind in FrameType::ALL {
        let refused = Err(FrameError::Type(kind.number()));
        let mut before = FrameOpener::new(secret(Direction::InitiatorToResponder));
        let first = before.open(seal_as_told(kind, 0, b"x"));
        match kind {
            FrameType::NodeWelcome => assert!(first.is_ok()),
            _ => assert_eq!(first, refused),
        }
        let established = opener().open(seal_as_told(kind, 0, b"x"));
        match kind {
            FrameType::Batch | FrameType::Close => assert!(established.is_ok()),
            FrameType::Rekey => assert_eq!(established, Err(FrameError::Phase)),
            _ => assert_eq!(established, refused),
        }
    }
}

#[test]
fn fr_2_lengths_are_limited_by_state_before_anything_else() {
    let established = MAX_FRAME + 1;
    let handshake = limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX + 1;
    let before = FrameOpener::new(secret(Direction::InitiatorToResponder));
    for (mut opener, bytes) in [(opener(), established), (before, handshake)] {
        let limit = bytes - 1;
        let mut decoder = FrameDecoder::new();
        decoder.extend(&limit.to_le_bytes());
        assert_eq!(decoder.next_frame(&mut opener, 0), Ok(None));
        let mut decoder = FrameDecoder::new();
        decoder.extend(&bytes.to_le_bytes()[..3]);
        assert_eq!(decoder.next_frame(&mut opener, 0), Ok(None));
        decoder.extend(&bytes.to_le_bytes()[3..]);
        assert_eq!(
            decoder.next_frame(&mut opener, 0),
            Err(FrameError::Oversized { bytes, limit })
        );
    }
}

#[test]
fn fr_3_a_claimed_length_allocates_nothing() {
    let mut decoder = FrameDecoder::new();
    decoder
        .space()
        .extend_from_slice(&(limits::FRAME_PAYLOAD_BYTES_MAX).to_le_bytes());
    assert_eq!(decoder.next_raw(limits::FRAME_PAYLOAD_BYTES_MAX, 0), Ok(None));
    assert!(decoder.space().capacity() <= 32 * 1024, "{}", decoder.capacity());
}

#[test]
fn fr_11_a_frame_must_be_complete_ten_seconds_after_it_began() {
    let sealed = frames(&mut sealer(), 2);
    let (mut decoder, mut opener) = (FrameDecoder::new(), opener());
    assert_eq!(decoder.next_frame(&mut opener, 1_000), Ok(None));
    assert_eq!(decoder.deadline_ms(), None);
    decoder.extend(&[&sealed[0][..], &sealed[1][..1]].concat());
    assert!(decoder.next_frame(&mut opener, 2_000).unwrap().is_some());
    assert_eq!(decoder.next_frame(&mut opener, 2_000), Ok(None));
    assert_eq!(decoder.deadline_ms(), Some(12_000));
    decoder.extend(&sealed[1][1..2]);
    assert_eq!(decoder.next_frame(&mut opener, 11_999), Ok(None));
    decoder.extend(&sealed[1][2..3]);
    assert_eq!(
        decoder.next_frame(&mut opener, 12_000),
        Err(FrameError::Incomplete)
    );
}

#[test]
fn fr_14_after_an_error_nothing_opens_any_more() {
    let sealed = frames(&mut sealer(), 2);
    let mut opener = opener();
    assert_eq!(opener.open(raw(&sealed[1])), Err(FrameError::Reordered));
    assert_eq!(opener.open(raw(&sealed[0])), Err(FrameError::Reordered));
}

fn hello_key() -> HandshakeKey {
    HandshakeKey::node(&[5; 32], NodeUuid([6; 16]))
}

fn hello(wall_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    hello_key()
        .seal(FrameType::NodeHello, b"hello", wall_ms, &mut out)
        .unwrap();
    out
}

#[test]
fn fr_13_a_handshake_frame_with_any_byte_flipped_never_opens() {
    let good = hello(WALL_MS);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x01;
        let opened = RawFrame::parse(BytesMut::from(&bad[..]))
            .and_then(|raw| hello_key().open(raw, FrameType::NodeHello, WALL_MS));
        assert!(opened.is_err(), "byte {at}");
    }
}

#[test]
fn fr_13_handshake_clocks_may_differ_by_two_minutes_and_no_more() {
    let open = |ours| hello_key().open(raw(&hello(WALL_MS)), FrameType::NodeHello, ours);
    for off in [0, limits::HANDSHAKE_CLOCK_SKEW_MS_MAX] {
        assert_eq!(open(WALL_MS + off).unwrap().payload, &b"hello"[..]);
        assert!(open(WALL_MS - off).is_ok());
    }
    assert_eq!(open(WALL_MS + 120_001), Err(FrameError::Clock(120_001)));
    assert_eq!(open(WALL_MS - 120_001), Err(FrameError::Clock(120_001)));
}

#[test]
fn fr_13_handshake_frames_are_for_handshakes_for_one_responder_and_at_most_4_kib() {
    let stranger = HandshakeKey::node(&[5; 32], NodeUuid([7; 16]));
    let hello = hello(WALL_MS);
    assert_eq!(
        stranger.open(raw(&hello), FrameType::NodeHello, WALL_MS),
        Err(FrameError::Hmac)
    );
    assert_eq!(
        hello_key().open(raw(&hello), FrameType::NodeProof, WALL_MS),
        Err(FrameError::Type(1))
    );
    let others = [
        FrameType::NodeWelcome,
        FrameType::Batch,
        FrameType::Close,
        FrameType::Rekey,
    ];
    for kind in others {
        let sealed = hello_key().seal(kind, b"", WALL_MS, &mut Vec::new());
        assert_eq!(sealed, Err(FrameError::Type(kind.number())));
    }
    let most = vec![0; limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX as usize];
    let mut out = Vec::new();
    hello_key()
        .seal(FrameType::NodeHello, &most, WALL_MS, &mut out)
        .unwrap();
    assert!(hello_key().open(raw(&out), FrameType::NodeHello, WALL_MS).is_ok());
    let more = [most, vec![0]].concat();
    assert_eq!(
        hello_key().seal(FrameType::NodeHello, &more, WALL_MS, &mut out),
        Err(FrameError::TooLong)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_never_opens_and_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..400), small in 0_u8..120) {
        let mut short = noise;
        if let Some(head) = short.first_chunk_mut::<4>() {
            *head = u32::from(small).to_le_bytes();
        }
        prop_assert!(receive(&short).0.is_empty());
    }

    #[test]
    fn any_payloads_in_any_pieces_arrive_as_they_were(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..20),
        step in 1_usize..900,
        frames in 2_u64..7,
    ) {
        let mut sealer = sealer().with_rekey(RekeyLimits { frames, ..RekeyLimits::default() });
        let mut stream = Vec::new();
        for payload in &payloads {
            sealer.seal(FrameType::Batch, payload, WALL_MS, 0, &mut stream).unwrap();
        }
        let (mut decoder, mut opener, mut opened) = (FrameDecoder::new(), opener(), Vec::new());
        for piece in stream.chunks(step) {
            decoder.space().extend_from_slice(piece);
            while let Some(frame) = decoder.next_frame(&mut opener, 0).unwrap() {
                opened.push(frame.payload.to_vec());
            }
        }
        prop_assert_eq!(opened, payloads);
    }
}
