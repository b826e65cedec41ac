//! How the frames of one stream are protected: sealed on a network, clear in a simulation that has no strangers in it.

use bytes::{Buf as _, BytesMut};
use protocol::frame::{Frame, FrameDecoder, FrameError, FrameOpener, FrameSealer, FrameType};
use protocol::limits::FRAME_PAYLOAD_AGREED_BYTES_MAX;

use super::LinkTime;

/// Both directions of one stream.
pub trait Sealing {
    /// Longest payload of a frame that leaves, plain bytes.
    fn plain_bytes_max(&self) -> usize;

    /// Appends one frame to `out`, whose payload `write` appends.
    ///
    /// # Errors
    /// Ours: the payload is too long, or keys are used up.
    fn seal(
        &mut self,
        frame_type: FrameType,
        now: LinkTime,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FrameError>;

    /// Takes bytes that arrived.
    fn extend(&mut self, bytes: &[u8]);

    /// The next whole frame; `None` until more bytes arrive.
    ///
    /// # Errors
    /// Why the stream must be closed.
    fn next_frame(&mut self, now_ms: u64) -> Result<Option<Frame>, FrameError>;
}

/// The keys of an established link.
pub struct Sealed {
    decoder: FrameDecoder,
    opener: FrameOpener,
    sealer: FrameSealer,
}

impl Sealed {
    /// Goes on where a handshake ended; `decoder` may hold bytes that came with its last frame, and keeps that frame's
    /// deadline.
    #[must_use]
    pub fn new(decoder: FrameDecoder, opener: FrameOpener, sealer: FrameSealer) -> Self {
        Self {
            decoder,
            opener,
            sealer,
        }
    }
}

impl Sealing for Sealed {
    fn plain_bytes_max(&self) -> usize {
        self.sealer.plain_bytes_max()
    }

    fn seal(
        &mut self,
        frame_type: FrameType,
        now: LinkTime,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FrameError> {
        self.sealer
            .seal_with(frame_type, now.wall_ms, now.mono_us / 1000, out, write)
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.decoder.extend(bytes);
    }

    fn next_frame(&mut self, now_ms: u64) -> Result<Option<Frame>, FrameError> {
        self.decoder.next_frame(&mut self.opener, now_ms)
    }
}

/// Frames in the clear, `length u32 | type u8 | timestamp u64 | payload`: for simulations, never for a network.
#[derive(Debug, Default)]
pub struct Clear {
    buffer: BytesMut,
}

/// Bytes before the payload of a clear frame.
const CLEAR_HEAD_BYTES: usize = 13;

impl Sealing for Clear {
    fn plain_bytes_max(&self) -> usize {
        FRAME_PAYLOAD_AGREED_BYTES_MAX as usize
    }

    fn seal(
        &mut self,
        frame_type: FrameType,
        now: LinkTime,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FrameError> {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(frame_type.number());
        out.extend_from_slice(&now.wall_ms.to_le_bytes());
        write(out);
        let length = u32::try_from(out.len() - start - CLEAR_HEAD_BYTES).map_err(|_| FrameError::TooLong)?;
        if let Some(field) = out.get_mut(start..start + 4) {
            field.copy_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn next_frame(&mut self, _now_ms: u64) -> Result<Option<Frame>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<CLEAR_HEAD_BYTES>() else {
            return Ok(None);
        };
        let (length, kind, timestamp) = ([head[0], head[1], head[2], head[3]], head[4], &head[5..]);
        let length = u32::from_le_bytes(length) as usize;
        let timestamp_ms = u64::from_le_bytes(timestamp.try_into().map_err(|_| FrameError::Truncated)?);
        if self.buffer.len() < CLEAR_HEAD_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(CLEAR_HEAD_BYTES);
        Ok(Some(Frame {
            frame_type: FrameType::from_number(kind)?,
            timestamp_ms,
            payload: self.buffer.split_to(length).freeze(),
        }))
    }
}
