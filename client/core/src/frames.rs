//! Messages in frames, both ways, on an established stream.

use protocol::frame::{Close, Frame, FrameError, FrameType, HEADER_BYTES};
use protocol::keys::TAG_BYTES;
use protocol::message::family::{BatchMessage as _, BatchReader, ClientToProxy, ProxyToClient};

use crate::error::ConnectionError;

/// The messages in the fewest frames of at most `room` bytes, in order.
pub fn batches(messages: &[ClientToProxy], room: usize) -> impl Iterator<Item = &[ClientToProxy]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = rest.iter().take_while(|message| {
            bytes += message.encoded_len();
            bytes <= room
        });
        let (batch, later) = rest.split_at(fits.count().max(1));
        rest = later;
        Some(batch)
    })
}

/// Bytes of a frame on the wire.
pub(crate) fn frame_bytes(frame: &Frame) -> u64 {
    (HEADER_BYTES + frame.payload.len() + TAG_BYTES) as u64
}

/// The messages of a frame.
pub(crate) fn messages(frame: &Frame) -> Result<Vec<ProxyToClient>, ConnectionError> {
    match frame.frame_type {
        FrameType::Batch => {
            let mut reader = BatchReader::new(frame.payload.clone());
            let mut messages = Vec::new();
            while let Some(message) = reader.next_message()? {
                messages.push(message);
            }
            Ok(messages)
        }
        FrameType::Close => Err(ConnectionError::Closed(Close::parse(&frame.payload)?)),
        other => Err(FrameError::Type(other.number()).into()),
    }
}
