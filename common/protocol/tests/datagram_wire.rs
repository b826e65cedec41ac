//! Datagrams from one side to the other: golden bytes, every change on the way, replays, key phases (DG).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test says so")]

use proptest::prelude::*;
use protocol::datagram::{
    ConnectionId, DATAGRAM_OVERHEAD_BYTES, DatagramError, DatagramKind, DatagramOpener, DatagramSealError,
    DatagramSealer,
};
use protocol::keys::{DatagramSecret, Direction, Prk};
use protocol::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_PREVIOUS_PHASE_MS, DATAGRAM_REKEY_MS, DATAGRAM_WINDOW};

const CID: ConnectionId = ConnectionId(*b"\x01\x02\x03\x04\x05\x06\x07\x08");
const UP: Direction = Direction::InitiatorToResponder;

fn secret(direction: Direction) -> DatagramSecret {
    DatagramSecret::new(&Prk::extract(&[1; 32], b"golden"), direction)
}

fn sealer() -> DatagramSealer {
    DatagramSealer::new(secret(UP), CID, 0)
}

fn opener() -> DatagramOpener {
    DatagramOpener::new(secret(UP), CID, 0)
}

fn seal(sealer: &mut DatagramSealer, plain: &[u8], now_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    sealer
        .seal_onto(DatagramKind::Data, plain, &mut out, now_ms)
        .unwrap();
    out
}

fn open(opener: &mut DatagramOpener, datagram: &[u8], now_ms: u64) -> Result<Vec<u8>, DatagramError> {
    let mut datagram = datagram.to_vec();
    opener
        .open(&mut datagram, now_ms)
        .map(|opened| opened.plain.to_vec())
}

#[test]
fn dg_1_a_datagram_has_these_bytes() {
    let mut out = Vec::new();
    sealer()
        .seal_onto(DatagramKind::Response, b"12345678", &mut out, 0)
        .unwrap();
    let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!(
            "06",
            "0102030405060708",
            "0100000000000000",
            "8094d6567eebcf30",
            "a5d00f202c7437ddfd8bffa91856c895"
        )
    );
}

#[test]
fn dg_1_the_keys_follow_the_schedule() {
    use protocol::keys::{SealingKey, expand};
    let secret = Prk::extract(&[1; 32], b"golden").expand::<32>("udp c2s");
    let secret = expand::<32>(&secret, "ku");
    let key = SealingKey::new(&expand(&secret, "key"), expand(&secret, "iv"));
    let datagram = seal(&mut sealer(), b"text", DATAGRAM_REKEY_MS);
    let (head, sealed) = datagram.split_at(17);
    assert_eq!(head[0], 1, "data in phase 1");
    assert_eq!(
        key.open_vec([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], head, sealed)
            .unwrap(),
        b"text"
    );
}

#[test]
fn dg_2_several_datagrams_are_sealed_in_one_buffer_and_opened_in_place() {
    let (mut sealer, mut opener, mut buffer) = (sealer(), opener(), Vec::new());
    let texts: [&[u8]; 3] = [b"", b"one", &[7; 900]];
    let mut starts = Vec::new();
    for text in texts {
        let start = DatagramSealer::begin(&mut buffer);
        buffer.extend_from_slice(text);
        sealer.seal(DatagramKind::Data, &mut buffer, start, 0).unwrap();
        starts.push(start..buffer.len());
    }
    for (number, (range, text)) in starts.into_iter().zip(texts).enumerate() {
        assert_eq!(range.len(), text.len() + DATAGRAM_OVERHEAD_BYTES);
        let opened = opener.open(&mut buffer[range], 0).unwrap();
        assert_eq!(
            (opened.plain, opened.number, opened.is_newest),
            (text, number as u64 + 1, true)
        );
    }
}

#[test]
fn dg_3_a_datagram_is_at_most_1200_bytes_both_ways() {
    let (mut sealer, mut buffer) = (sealer(), b"kept".to_vec());
    let longest = [0; DatagramSealer::PLAIN_BYTES_MAX];
    assert_eq!(seal(&mut sealer, &longest, 0).len(), DATAGRAM_BYTES_MAX);
    let refused = sealer.seal_onto(
        DatagramKind::Data,
        &[0; DatagramSealer::PLAIN_BYTES_MAX + 1],
        &mut buffer,
        0,
    );
    assert_eq!(refused, Err(DatagramSealError::TooLong(1168)));
    assert_eq!(buffer, b"kept");
    assert_eq!(
        sealer.seal(DatagramKind::Data, &mut buffer, 9, 0),
        Err(DatagramSealError::NotBegun)
    );
    assert_eq!(
        open(&mut opener(), &[0; DATAGRAM_BYTES_MAX + 1], 0),
        Err(DatagramError::TooLong)
    );
    assert_eq!(
        open(&mut opener(), &[0; DATAGRAM_OVERHEAD_BYTES - 1], 0),
        Err(DatagramError::TooShort)
    );
}

#[test]
fn dg_4_any_changed_bit_and_any_cut_is_refused_and_changes_nothing() {
    let datagram = seal(&mut sealer(), b"walk north", 0);
    let mut opener = opener();
    for at in 0..datagram.len() {
        assert!(open(&mut opener, &datagram[..at], 0).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut flipped = datagram.clone();
            flipped[at] ^= 1 << bit;
            assert!(open(&mut opener, &flipped, 0).is_err(), "bit {bit} of byte {at}");
        }
    }
    assert_eq!(open(&mut opener, &datagram, 0).unwrap(), b"walk north");
}

#[test]
fn dg_5_directions_and_connections_do_not_open_each_others() {
    let datagram = seal(&mut sealer(), b"x", 0);
    let mut down = DatagramOpener::new(secret(Direction::ResponderToInitiator), CID, 0);
    assert_eq!(open(&mut down, &datagram, 0), Err(DatagramError::NotAuthentic));
    let mut other = DatagramOpener::new(secret(UP), ConnectionId([9; 8]), 0);
    assert_eq!(
        open(&mut other, &datagram, 0),
        Err(DatagramError::UnknownConnection)
    );
}

#[test]
fn dg_6_a_forged_number_does_not_move_the_window() {
    let (mut sealer, mut opener) = (sealer(), opener());
    let honest = seal(&mut sealer, b"x", 0);
    let mut forged = honest.clone();
    forged[9..17].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(open(&mut opener, &forged, 0), Err(DatagramError::NotAuthentic));
    assert!(open(&mut opener, &honest, 0).is_ok());
    assert_eq!(open(&mut opener, &honest, 0), Err(DatagramError::Replayed));
}

#[test]
fn dg_6_late_datagrams_are_good_inside_the_window_once() {
    let (mut sealer, mut opener) = (sealer(), opener());
    let sent: Vec<_> = (0..DATAGRAM_WINDOW + 1)
        .map(|_| seal(&mut sealer, b"x", 0))
        .collect();
    assert!(open(&mut opener, sent.last().unwrap(), 0).is_ok());
    assert_eq!(open(&mut opener, &sent[0], 0), Err(DatagramError::Replayed));
    let mut late = sent[1].clone();
    assert!(!opener.open(&mut late, 0).unwrap().is_newest);
    assert_eq!(open(&mut opener, &sent[1], 0), Err(DatagramError::Replayed));
}

#[test]
fn dg_7_numbers_go_on_over_a_new_key_and_the_old_key_ends_after_three_seconds() {
    let (mut sealer, mut opener) = (sealer(), opener());
    let early: Vec<_> = (0..3)
        .map(|_| seal(&mut sealer, b"old", DATAGRAM_REKEY_MS - 1))
        .collect();
    let changed = seal(&mut sealer, b"new", DATAGRAM_REKEY_MS);
    assert_eq!(changed[9], 4);
    assert_eq!((early[0][0] & 1, changed[0] & 1), (0, 1));
    assert!(open(&mut opener, &early[0], DATAGRAM_REKEY_MS).is_ok());
    assert_eq!(open(&mut opener, &changed, DATAGRAM_REKEY_MS).unwrap(), b"new");
    let until = DATAGRAM_REKEY_MS + DATAGRAM_PREVIOUS_PHASE_MS;
    assert_eq!(open(&mut opener, &early[1], until).unwrap(), b"old");
    assert_eq!(open(&mut opener, &early[2], until + 1), Err(DatagramError::Phase));
}

#[test]
fn dg_8_a_receiver_that_heard_nothing_for_hours_finds_the_key_but_no_phase_comes_early() {
    let (mut sealer, mut opener) = (sealer(), opener());
    let mut now_ms = 0;
    let mut last = Vec::new();
    for _ in 0..30 {
        now_ms += DATAGRAM_REKEY_MS;
        last = seal(&mut sealer, b"still here", now_ms);
    }
    assert_eq!(
        open(&mut opener, &last, DATAGRAM_REKEY_MS),
        Err(DatagramError::Phase)
    );
    assert_eq!(open(&mut opener, &last, now_ms).unwrap(), b"still here");
    let next = seal(&mut sealer, b"and on", now_ms + DATAGRAM_REKEY_MS);
    assert_eq!(
        open(&mut opener, &next, now_ms + DATAGRAM_REKEY_MS).unwrap(),
        b"and on"
    );
}

#[test]
fn dg_8_hundreds_of_phases_in_a_row_work() {
    let (mut sealer, mut opener) = (sealer(), opener());
    for step in 0..700 {
        let now_ms = step * DATAGRAM_REKEY_MS / 3;
        let datagram = seal(&mut sealer, b"x", now_ms);
        assert!(open(&mut opener, &datagram, now_ms + 40).is_ok(), "step {step}");
    }
}

proptest! {
    #[test]
    fn dg_4_bytes_of_nobody_never_open(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut bytes = bytes;
        if let Some(place) = bytes.get_mut(1..9) {
            place.copy_from_slice(&CID.0);
        }
        prop_assert!(open(&mut opener(), &bytes, u64::MAX).is_err());
    }
}
