//! The two ends against each other, cut anywhere, and an end against what no honest peer sends.

use super::*;

/// Frames as bytes, by a writer that knows nothing of ours.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(masked | length as u8),
        length @ 126..65_536 => {
            bytes.push(masked | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(masked | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.iter().flatten());
    let mask = mask.unwrap_or_default();
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

const MASK: Option<[u8; 4]> = Some([0x37, 0xFA, 0x21, 0x3D]);

/// What an end makes of bytes that come in pieces of this size.
fn heard(socket: &mut WebSocket, bytes: &[u8], piece: usize) -> (Vec<u8>, Option<Over>) {
    let mut all = Vec::new();
    for piece in bytes.chunks(piece) {
        let mut piece = piece.to_vec();
        match socket.receive(&mut piece) {
            Ok(came) => all.extend(&piece[..came]),
            Err(over) => return (all, Some(over)),
        }
    }
    let over = socket.receive(&mut []).err();
    (all, over)
}

fn taken(socket: &mut WebSocket) -> Vec<u8> {
    let bytes = socket.unsent().to_vec();
    socket.wrote(bytes.len());
    bytes
}

// The example of RFC 6455, 5.7, as a binary message.
#[test]
fn the_bytes_are_those_of_the_standard() {
    let masked = [0x82, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58];
    let mut server = WebSocket::new(End::Server);
    assert_eq!(heard(&mut server, &masked, 100), (b"Hello".to_vec(), None));
    server.send(b"Hello");
    assert_eq!(taken(&mut server), [0x82, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]);
}

// WS-1
#[test]
fn ws_1_the_stream_is_what_was_sent_however_it_is_cut() {
    let stream: Vec<u8> = (0..300_000_u64).map(|n| (n * n / 8) as u8).collect();
    for (mut from, mut to) in [
        (WebSocket::new(End::Client(7)), WebSocket::new(End::Server)),
        (WebSocket::new(End::Server), WebSocket::new(End::Client(7))),
    ] {
        for piece in [1, 7, 1_000, 70_000] {
            let mut rest = stream.as_slice();
            for length in [1, 125, 126, 127, 65_535, 65_536, 65_537].into_iter().cycle() {
                let sent = from.send(&rest[..length.min(rest.len())]);
                rest = &rest[sent..];
                if rest.is_empty() {
                    break;
                }
            }
            let (came, over) = heard(&mut to, &taken(&mut from), piece);
            assert!(came == stream && over.is_none(), "pieces of {piece}: {over:?}");
        }
    }
}

// WS-2
#[test]
fn ws_2_a_ping_is_answered_between_pieces_of_a_message_and_a_flood_of_them_is_not() {
    let mut server = WebSocket::new(End::Server);
    let mut bytes = frame(0x02, MASK, b"one");
    bytes.extend(frame(0x89, MASK, b"old"));
    bytes.extend(frame(0x89, MASK, b"new"));
    bytes.extend(frame(0x8A, MASK, b"nobody asked"));
    bytes.extend(frame(0x80, MASK, b"two"));
    assert_eq!(heard(&mut server, &bytes, 1_000), (b"onetwo".to_vec(), None));
    assert_eq!(taken(&mut server), frame(0x8A, None, b"new"));
    let flood = frame(0x89, MASK, &[1; 125]);
    for _ in 0..10_000 {
        heard(&mut server, &flood, 200);
    }
    assert!(server.unsent().len() < PONGS_BEHIND_BYTES_MAX + 200);
}

// WS-2
#[test]
fn ws_2_frames_that_bring_nothing_are_counted_and_too_many_in_one_read_end_it() {
    for nothing in [
        frame(0x89, MASK, b"ping"),
        frame(0x8A, MASK, b""),
        frame(0x82, MASK, b""),
    ] {
        let some = nothing.repeat(EMPTY_FRAMES_MAX);
        let mut server = WebSocket::new(End::Server);
        for _ in 0..100 {
            assert_eq!(
                server.receive(&mut some.clone()),
                Ok(0),
                "as many as there may be"
            );
        }
        let mut more = nothing.repeat(10_000);
        more.extend(frame(0x82, MASK, b"and more"));
        assert_eq!(server.receive(&mut more), Err(Over::Flood));
        let waits = server.unsent().len();
        server.wrote(waits);
        server.close();
        assert_eq!(taken(&mut server), frame(0x88, None, &1008_u16.to_be_bytes()));
    }
}

// WS-3
#[test]
fn ws_3_who_breaks_the_framing_is_told_how() {
    let long = vec![0; MESSAGE_BYTES_MAX + 1];
    let mut in_two = frame(0x02, MASK, &long[..MESSAGE_BYTES_MAX]);
    in_two.extend(frame(0x80, MASK, b"x"));
    let mut twice = frame(0x02, MASK, b"x");
    twice.extend(frame(0x82, MASK, b"x"));
    let mut endless = vec![0x82, 0xFF];
    endless.extend([0xFF; 8]);
    endless.extend([0; 4]);
    for (what, bytes, over, code) in [
        ("not masked", frame(0x82, None, b"x"), Over::Protocol, 1002),
        ("a reserved bit", frame(0xC2, MASK, b"x"), Over::Protocol, 1002),
        ("an unknown opcode", frame(0x83, MASK, b"x"), Over::Protocol, 1002),
        ("a long ping", frame(0x89, MASK, &[0; 126]), Over::Protocol, 1002),
        ("half a ping", frame(0x09, MASK, b"x"), Over::Protocol, 1002),
        ("no beginning", frame(0x80, MASK, b"x"), Over::Protocol, 1002),
        ("two beginnings", twice, Over::Protocol, 1002),
        ("text", frame(0x81, MASK, b"x"), Over::Text, 1003),
        ("too long", frame(0x82, MASK, &long), Over::TooLong, 1009),
        ("too long in two", in_two, Over::TooLong, 1009),
        ("a length nobody has", endless, Over::TooLong, 1009),
    ] {
        for piece in [1, 100_000] {
            let mut server = WebSocket::new(End::Server);
            assert_eq!(heard(&mut server, &bytes, piece).1, Some(over), "{what}");
            server.close();
            server.close();
            assert_eq!(
                taken(&mut server),
                frame(0x88, None, &u16::to_be_bytes(code)),
                "{what}"
            );
        }
    }
    let mut client = WebSocket::new(End::Client(1));
    assert_eq!(
        heard(&mut client, &frame(0x82, MASK, b"x"), 9).1,
        Some(Over::Protocol)
    );
}

// WS-4
#[test]
fn ws_4_what_came_before_a_close_is_heard_and_nothing_behind_it() {
    let mut server = WebSocket::new(End::Server);
    let mut bytes = frame(0x82, MASK, b"goodbye");
    bytes.extend(frame(0x88, MASK, &1001_u16.to_be_bytes()));
    bytes.extend(frame(0x82, MASK, b"and more"));
    let mut piece = bytes.clone();
    assert_eq!(server.receive(&mut piece), Ok(7));
    assert!(server.is_over() && piece.starts_with(b"goodbye"));
    assert_eq!(server.receive(&mut bytes), Err(Over::Closed));
    server.close();
    assert_eq!(taken(&mut server), frame(0x88, None, &1000_u16.to_be_bytes()));
    server.send(b"too late");
    assert!(server.unsent().is_empty());
}

#[test]
fn memory_stays_small_after_a_burst_and_masks_differ() {
    let mut client = WebSocket::new(End::Client(1));
    for _ in 0..16 {
        client.send(&[0; 60_000]);
    }
    let burst = client.unsent().len();
    client.wrote(burst);
    assert!(client.out.capacity() <= KEEP_BYTES);
    let mut masked = || {
        client.send(&[0; 4]);
        taken(&mut client)[2..6].to_vec()
    };
    assert_ne!(masked(), masked());
}
