//! The stream decoder: the same frames come out however the bytes are cut.

use protocol::frame::{Close, FrameDecoder};
use protocol::limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX;

/// A stream from an unknown peer, and the payload of a close.
pub(crate) fn frame(data: &[u8]) {
    let whole = frames(data, data.len());
    assert_eq!(whole, frames(data, 1));
    let _ = Close::parse(data);
}

/// Frames read when bytes arrive `step` at a time, and whether the stream ended with an error.
fn frames(data: &[u8], step: usize) -> (usize, bool) {
    let mut decoder = FrameDecoder::new();
    let mut read = 0;
    for part in data.chunks(step.max(1)) {
        decoder.extend(part);
        loop {
            match decoder.next_raw(FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX, 0) {
                Ok(Some(_)) => read += 1,
                Ok(None) => break,
                Err(_) => return (read, true),
            }
        }
    }
    (read, false)
}
