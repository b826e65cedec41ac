//! Two link cores and a made-up clock: what one says the other hears, in order by class, whatever the network does to
//! the bytes; and how a link ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use bytes::Bytes;
use net::link_core::{
    Clear, DownReason, LinkCore, LinkLife, LinkRoom, LinkTime, Received, Sealed, Sealing, WAITING_BYTES_MAX,
};
use protocol::Code;
use protocol::frame::{FrameDecoder, FrameOpener, FrameSealer, FrameType, HEADER_BYTES, PeerClock};
use protocol::keys::{Direction, Prk, TAG_BYTES, TrafficSecret};
use protocol::limits::{
    FRAGMENT_BYTES_MAX, FRAME_PAYLOAD_AGREED_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX, MESSAGE_BYTES_MAX,
};
use protocol::message::family::{BatchMessage as _, Class, ServerToServer};
use protocol::message::fragment::Fragment;
use protocol::message::{effect, handover, node, subscription};
use protocol::node_handshake::LinkTerms;

type Core<S> = LinkCore<ServerToServer, ServerToServer, S>;

fn at(ms: u64) -> LinkTime {
    LinkTime {
        mono_us: ms * 1000,
        wall_ms: 1_700_000_000_000 + ms,
    }
}

fn core<S: Sealing>(sealing: S) -> Core<S> {
    let life = LinkLife {
        terms: LinkTerms::default(),
        peer_clock: PeerClock {
            wall_ms: 1_700_000_000_000,
            at_ms: 0,
        },
        until_wall_ms: 1_700_000_000_000 + 3_600_000,
    };
    LinkCore::new(sealing, life, at(0))
}

fn sealed(ours: Direction, theirs: Direction) -> Sealed {
    let secret = |direction| TrafficSecret::new(&Prk::extract(&[1; 32], b"links"), direction);
    let mut opener = FrameOpener::new(secret(theirs));
    opener.establish(FRAME_PAYLOAD_BYTES_MAX);
    let sealer = FrameSealer::new(secret(ours), FRAME_PAYLOAD_BYTES_MAX, 0);
    Sealed::new(FrameDecoder::new(), opener, sealer)
}

fn sealed_pair() -> (Core<Sealed>, Core<Sealed>) {
    use Direction::{InitiatorToResponder as There, ResponderToInitiator as Back};
    (core(sealed(There, Back)), core(sealed(Back, There)))
}

fn clear_pair() -> (Core<Clear>, Core<Clear>) {
    (core(Clear::default()), core(Clear::default()))
}

fn effect(made_us: u64, bytes: usize) -> ServerToServer {
    effect::Effect {
        made_us,
        body: vec![made_us as u8; bytes].into(),
        ..Default::default()
    }
    .into()
}

fn commit(region: u32) -> ServerToServer {
    handover::Commit {
        to_region: region,
        ..Default::default()
    }
    .into()
}

fn serving(region: u32) -> ServerToServer {
    subscription::Serving {
        region,
        ..Default::default()
    }
    .into()
}

fn cells(tick: u64, bytes: usize) -> ServerToServer {
    subscription::CellUpdates {
        tick,
        cells: vec![Bytes::from(vec![tick as u8; bytes])],
        ..Default::default()
    }
    .into()
}

/// Moves everything, in pieces of `step` bytes, until the sender has nothing more.
fn carry<S: Sealing>(
    from: &mut Core<S>,
    to: &mut Core<S>,
    step: usize,
    now: LinkTime,
) -> Vec<ServerToServer> {
    let mut heard = Vec::new();
    loop {
        from.flush(now);
        let piece = from.unsent().len().min(step);
        if piece == 0 {
            return heard;
        }
        to.receive(&from.unsent()[..piece]);
        from.wrote(piece);
        while let Some(received) = to.next(now).unwrap() {
            match received {
                Received::Message(message) => heard.push(message),
                Received::Heartbeat(_) => {}
            }
        }
    }
}

#[test]
fn messages_arrive_by_class_and_in_order_however_the_stream_is_cut() {
    for step in [1, 7, 1_000, usize::MAX] {
        let (mut here, mut there) = sealed_pair();
        let pushed = [
            cells(1, 40),
            effect(1, 40),
            commit(1),
            cells(2, 40),
            serving(1),
            effect(2, 40),
            commit(2),
        ];
        pushed.iter().for_each(|message| here.push(message));
        let order = [4, 2, 6, 1, 5, 0, 3].map(|index: usize| pushed[index].clone());
        assert_eq!(
            carry(&mut here, &mut there, step, at(1)),
            order,
            "pieces of {step}"
        );
        assert!(here.is_drained());
    }
}

#[test]
fn a_sweep_leaves_as_one_frame() {
    let (mut here, _) = sealed_pair();
    (0..200).for_each(|n| here.push(&effect(n, 40)));
    here.flush(at(1));
    assert_eq!((here.counts().frames[1], here.counts().messages[1]), (1, 200));
}

#[test]
fn a_long_message_travels_in_pieces_between_which_the_urgent_passes() {
    let (mut here, mut there) = clear_pair();
    let long = cells(7, 9 * FRAGMENT_BYTES_MAX);
    here.push(&long);
    here.flush(at(1));
    // The kernel takes what is sealed; meanwhile something urgent turns up.
    assert!(here.unsent().len() < long.encoded_len());
    here.push(&commit(3));
    assert_eq!(carry(&mut here, &mut there, 10_000, at(1)), [commit(3), long]);
}

#[test]
fn the_longest_message_goes_and_a_longer_one_ends_the_link() {
    let (mut here, mut there) = clear_pair();
    let mut longest = cells(1, MESSAGE_BYTES_MAX - 100);
    let mut bytes = MESSAGE_BYTES_MAX - 100;
    while longest.encoded_len() < MESSAGE_BYTES_MAX {
        bytes += MESSAGE_BYTES_MAX - longest.encoded_len();
        longest = cells(1, bytes);
    }
    here.push(&longest);
    assert_eq!(carry(&mut here, &mut there, usize::MAX, at(1)), [longest]);
    here.push(&cells(1, bytes + 1));
    assert_eq!(here.ended(), Some(DownReason::Closed(Code::Generic)));
}

#[test]
fn fragments_that_break_the_rules_end_the_link() {
    let frame = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        Clear::default()
            .seal(FrameType::Batch, at(1), &mut out, write)
            .unwrap();
        out
    };
    let piece = |class: u8, last: u8, bytes: &[u8]| {
        let mut out = vec![0x2f, bytes.len() as u8 + 2, class, last];
        out.extend_from_slice(bytes);
        out
    };
    let mut whole = Vec::new();
    commit(1).encode(&mut whole);
    let twice = [whole.clone(), whole.clone()].concat();
    let (head, tail) = whole.split_at(2);
    let endless = frame(&|out| {
        let message = vec![0; MESSAGE_BYTES_MAX + 1];
        Fragment::cut(Class::Tick, &message, FRAGMENT_BYTES_MAX, |_, put| put(out));
    });
    let broken = [
        frame(&|out| out.extend(piece(3, 1, &whole))),
        frame(&|out| out.extend(piece(1, 1, &twice))),
        frame(&|out| out.extend(piece(1, 1, &piece(1, 1, &whole)))),
        frame(&|out| out.extend(piece(9, 1, &whole))),
        frame(&|out| {
            out.extend(piece(1, 0, head));
            out.extend(&whole);
        }),
        endless,
    ];
    for (index, bytes) in broken.iter().enumerate() {
        let mut core = core(Clear::default());
        core.receive(bytes);
        let end = std::iter::from_fn(|| core.next(at(1)).transpose()).find_map(Result::err);
        // A fragment within a fragment is no family of anybody's.
        let label = if index == 2 {
            "family_denied"
        } else {
            "malformed_message"
        };
        assert_eq!(end, Some(DownReason::Broken(label)), "case {index}");
    }
    let mut core = core(Clear::default());
    core.receive(&frame(&|out| {
        out.extend(piece(1, 0, head));
        serving(2).encode(out);
        out.extend(piece(1, 1, tail));
    }));
    assert_eq!(
        core.next(at(1)),
        Ok(Some(Received::Message(serving(2)))),
        "another class may pass"
    );
    assert_eq!(core.next(at(1)), Ok(Some(Received::Message(commit(1)))));
}

#[test]
fn who_does_not_read_is_too_slow_and_only_once() {
    let (mut here, _) = clear_pair();
    let message = effect(1, 8 * 1024);
    for _ in 0..=WAITING_BYTES_MAX / message.encoded_len() {
        here.push(&message);
        here.flush(at(1));
    }
    assert!(
        here.waiting_bytes() <= WAITING_BYTES_MAX + 256 * 1024,
        "and memory stays bounded"
    );
    for _ in 0..WAITING_BYTES_MAX / message.encoded_len() {
        here.push(&message);
    }
    assert_eq!(here.tick(at(2)), Err(DownReason::Closed(Code::SlowConsumer)));
    here.broke("eof");
    assert_eq!(here.tick(at(3)), Err(DownReason::Closed(Code::SlowConsumer)));
}

#[test]
fn both_ends_count_the_same_bytes() {
    let (mut here, mut there) = sealed_pair();
    here.push(&commit(1));
    here.push(&cells(1, 4_000));
    // In pieces, as a stream brings them.
    assert_eq!(carry(&mut here, &mut there, 100, at(1)).len(), 2);
    let (out, plain) = (here.counts().bytes[1], here.said_bytes());
    assert_eq!(there.counts().bytes[0], out);
    assert_eq!(out, plain + (HEADER_BYTES + TAG_BYTES) as u64, "one frame");
}

#[test]
fn one_message_that_can_wait_may_be_longer_than_what_is_spare_but_not_than_the_room() {
    let (here, _) = clear_pair();
    let mut here = here.with_room(LinkRoom {
        waiting_bytes: 2_000,
        ..LinkRoom::default()
    });
    assert!(here.takes_one(2_000) && !here.takes_one(2_001));
    let half = effect(1, 700);
    here.push(&half);
    let waiting = half.encoded_len();
    assert_eq!(here.spare_bytes(), 1_000 - waiting);
    assert!(here.takes_one(2_000 - waiting) && !here.takes_one(2_001 - waiting));
    here.push(&half);
    assert_eq!(here.spare_bytes(), 0);
    assert!(!here.takes_one(1), "the other half is for what cannot wait");
    assert_eq!(here.ended(), None);
}

#[test]
fn silence_is_death_but_not_a_gap_in_ones_own_loop() {
    let (mut here, mut there) = sealed_pair();
    let heartbeat = here.tick(at(0)).unwrap().unwrap();
    here.push(&heartbeat.into());
    here.flush(at(0));
    // The loop stands still for nine seconds; what arrived meanwhile is read before anybody is judged.
    there.receive(here.unsent());
    assert!(matches!(there.next(at(9_000)), Ok(Some(Received::Heartbeat(_)))));
    assert_eq!(there.next(at(9_000)), Ok(None));
    assert!(there.tick(at(9_000)).is_ok());
    assert!(there.tick(at(10_999)).is_ok());
    assert_eq!(there.tick(at(11_000)), Err(DownReason::Dead));
    assert_eq!(there.into_last_words(at(11_000)), [], "nobody hears it");
}

#[test]
fn whatever_is_heard_shows_that_the_peer_lives() {
    let (mut here, mut there) = sealed_pair();
    here.push(&commit(1));
    assert_eq!(carry(&mut here, &mut there, usize::MAX, at(1_500)), [commit(1)]);
    assert!(there.tick(at(3_499)).is_ok());
    assert_eq!(there.tick(at(3_500)), Err(DownReason::Dead));
}

#[test]
fn what_is_less_urgent_waits_though_a_frame_has_room_for_it() {
    let (mut here, mut there) = clear_pair();
    // Four of them fill a frame, but for a little.
    let urgent: Vec<_> = (0..6).map(|n| effect(n, 14 * 1024)).collect();
    let last = cells(1, 40);
    here.push(&last);
    urgent.iter().for_each(|message| here.push(message));
    let heard = carry(&mut here, &mut there, usize::MAX, at(1));
    assert_eq!(heard, [urgent, vec![last]].concat());
}

#[test]
fn a_publisher_sees_what_it_has_said_and_when_all_of_it_has_left() {
    let (mut here, mut there) = sealed_pair();
    let (message, mut encoded) = (cells(1, 40), Vec::new());
    message.encode(&mut encoded);
    here.push(&message);
    here.push_encoded(Class::Tick, &encoded);
    assert_eq!(here.said_bytes(), 2 * encoded.len() as u64);
    assert!(!here.is_drained());
    here.flush(at(1));
    assert!(!here.is_drained(), "the kernel has not taken it");
    assert_eq!(carry(&mut here, &mut there, usize::MAX, at(1)).len(), 2);
    assert!(here.is_drained());
    assert_eq!(here.said_bytes(), 2 * encoded.len() as u64);
}

#[test]
fn after_the_end_nothing_is_taken() {
    let (mut here, _) = sealed_pair();
    here.close(Code::Generic, at(1));
    let mut encoded = Vec::new();
    commit(1).encode(&mut encoded);
    here.push(&commit(1));
    here.push_encoded(Class::Handover, &encoded);
    here.flush(at(1));
    assert_eq!((here.waiting_bytes(), here.said_bytes()), (0, 0));
}

#[test]
fn heartbeats_measure_the_round_trip_and_the_clocks() {
    let (mut here, mut there) = clear_pair();
    let first = here.tick(at(10)).unwrap().unwrap();
    here.push(&first.into());
    carry(&mut here, &mut there, usize::MAX, at(30));
    let echo = there.tick(at(60)).unwrap().unwrap();
    there.push(&echo.into());
    let ahead = LinkTime {
        wall_ms: at(80).wall_ms + 5_000,
        ..at(80)
    };
    there.flush(ahead);
    here.receive(there.unsent());
    here.next(at(100)).unwrap();
    // Sent at 10, answered at 60 after being held since 30, back at 100.
    assert_eq!(here.round_trip_us(), Some(60_000));
    assert_eq!(here.drift_ms(), 5_000 - 20);
    assert_eq!(here.due_us(at(100)), 510_000);
}

#[test]
fn a_peer_left_in_peace_gets_all_that_waits_and_then_the_goodbye() {
    let (mut here, mut there) = sealed_pair();
    (0..5).for_each(|n| here.push(&cells(n, 60_000)));
    here.close(Code::Draining, at(1));
    here.push(&commit(1));
    there.receive(&here.into_last_words(at(1)));
    for n in 0..5 {
        assert_eq!(there.next(at(2)), Ok(Some(Received::Message(cells(n, 60_000)))));
    }
    assert_eq!(there.next(at(2)), Err(DownReason::ClosedByPeer(Code::Draining)));
    assert_eq!(there.tick(at(2)), Err(DownReason::ClosedByPeer(Code::Draining)));
}

#[test]
fn the_last_words_go_on_where_the_kernel_stopped() {
    let (mut here, mut there) = sealed_pair();
    here.push(&effect(1, 40));
    here.flush(at(1));
    there.receive(&here.unsent()[..50]);
    here.wrote(50);
    here.close(Code::SlowConsumer, at(1));
    there.receive(&here.into_last_words(at(1)));
    assert_eq!(there.next(at(2)), Ok(Some(Received::Message(effect(1, 40)))));
    assert_eq!(
        there.next(at(2)),
        Err(DownReason::ClosedByPeer(Code::SlowConsumer))
    );
}

#[test]
fn a_frame_longer_than_agreed_ends_the_link() {
    let plain_bytes = FRAME_PAYLOAD_BYTES_MAX as usize - TAG_BYTES;
    let nearly = cells(1, plain_bytes - 100);
    let message = cells(1, 2 * plain_bytes - 100 - nearly.encoded_len());
    assert_eq!(message.encoded_len(), plain_bytes);
    let expected = [
        Ok(Some(Received::Message(message.clone()))),
        Err(DownReason::Broken("oversized")),
    ];
    for (more, heard) in expected.into_iter().enumerate() {
        // Whoever seals does not keep to what was agreed.
        let prk = Prk::extract(&[1; 32], b"links");
        let secret = TrafficSecret::new(&prk, Direction::InitiatorToResponder);
        let mut sealer = FrameSealer::new(secret, FRAME_PAYLOAD_AGREED_BYTES_MAX, 0);
        let mut bytes = Vec::new();
        let write = |out: &mut Vec<u8>| {
            message.encode(out);
            out.extend(vec![0; more]);
        };
        sealer
            .seal_with(FrameType::Batch, at(1).wall_ms, 1, &mut bytes, write)
            .unwrap();
        let (_, mut there) = sealed_pair();
        there.receive(&bytes);
        assert_eq!(there.next(at(1)), heard);
    }
}

#[test]
fn a_certificate_that_ends_ends_the_link() {
    let (mut here, _) = clear_pair();
    let later = |ms: u64| LinkTime {
        wall_ms: 1_700_000_000_000 + ms,
        ..at(1)
    };
    assert!(here.tick(later(3_599_999)).is_ok());
    assert_eq!(
        here.tick(later(3_600_000)),
        Err(DownReason::Closed(Code::CertExpired))
    );
}

#[test]
fn a_changed_byte_ends_the_link_and_the_peer_is_told() {
    let (mut here, mut there) = sealed_pair();
    here.push(&node::Heartbeat::default().into());
    here.flush(at(1));
    let mut bytes = here.unsent().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    there.receive(&bytes);
    assert_eq!(there.next(at(1)), Err(DownReason::Broken("hmac")));
    here.receive(&there.into_last_words(at(1)));
    assert_eq!(here.next(at(1)), Err(DownReason::ClosedByPeer(Code::Protocol)));
}
