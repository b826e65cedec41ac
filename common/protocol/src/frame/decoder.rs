//! Cuts a byte stream into frames. Pulls: the owner of the socket reads into [`space`](FrameDecoder::space), then takes frames out.
//!
//! The length field is a stranger's claim. It is compared with the limit, and never allocates anything.

use bytes::BytesMut;

use super::error::FrameError;
use super::header::HEADER_BYTES;
use super::header::offset;
use super::opener::{Frame, FrameOpener};
use super::raw::RawFrame;
use crate::limits;

/// Room offered to one read, bytes.
const READ_BYTES: usize = 16 * 1024;
/// Room below which more is made, bytes: small enough that a burst of small frames is not moved for each read.
const READ_BYTES_MIN: usize = 4 * 1024;

/// The receive buffer of one stream.
///
/// Take frames until there are none before reading again; the buffer then never holds more than one frame and one read.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
    /// When the first byte of the frame at the front was seen.
    waiting_since_ms: Option<u64>,
}

impl FrameDecoder {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer with room for one read of up to 16 KiB; append what arrives.
    pub fn space(&mut self) -> &mut BytesMut {
        let spare = self.buffer.capacity().saturating_sub(self.buffer.len());
        if spare < READ_BYTES_MIN {
            self.buffer.reserve(READ_BYTES);
        }
        &mut self.buffer
    }

    /// Appends bytes that arrived elsewhere.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that wait for the rest of their frame.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Room the buffer takes, bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// When the frame at the front must be complete; `None` when none has begun.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        let since = self.waiting_since_ms?;
        Some(since.saturating_add(limits::FRAME_COMPLETE_MS_MAX))
    }

    /// The next whole frame, unverified; `None` until more bytes arrive.
    ///
    /// # Errors
    /// `Oversized` as soon as the length field has arrived, `Type` for an unknown type, `Incomplete` past the deadline.
    pub fn next_raw(&mut self, payload_bytes_max: u32, now_ms: u64) -> Result<Option<RawFrame>, FrameError> {
        match self.front_bytes(payload_bytes_max)? {
            Some(bytes) if bytes <= self.buffer.len() => {
                self.waiting_since_ms = None;
                RawFrame::parse(self.buffer.split_to(bytes)).map(Some)
            }
            _ => self.wait(now_ms).map(|()| None),
        }
    }

    /// The next whole frame, verified and decrypted in place; `None` until more bytes arrive. Consumes REKEY frames.
    ///
    /// # Errors
    /// Why the stream must be closed.
    pub fn next_frame(&mut self, opener: &mut FrameOpener, now_ms: u64) -> Result<Option<Frame>, FrameError> {
        while let Some(raw) = self.next_raw(opener.payload_bytes_max(), now_ms)? {
            if let Some(frame) = opener.open(raw)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn front_bytes(&self, payload_bytes_max: u32) -> Result<Option<usize>, FrameError> {
        let Some(length) = self.buffer.get(offset::PAYLOAD_LEN..) else {
            return Ok(None);
        };
        let Some(length) = length.first_chunk() else {
            return Ok(None);
        };
        let bytes = u32::from_le_bytes(*length);
        if bytes > payload_bytes_max {
            let limit = payload_bytes_max;
            return Err(FrameError::Oversized { bytes, limit });
        }
        Ok(Some(HEADER_BYTES.saturating_add(bytes as usize)))
    }

    fn wait(&mut self, now_ms: u64) -> Result<(), FrameError> {
        if self.buffer.is_empty() {
            self.waiting_since_ms = None;
            return Ok(());
        }
        let since = *self.waiting_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) >= limits::FRAME_COMPLETE_MS_MAX {
            return Err(FrameError::Incomplete);
        }
        Ok(())
    }
}
