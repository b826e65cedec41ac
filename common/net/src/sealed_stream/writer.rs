//! The sending half: what is staged is sealed where it lies and leaves in one write. REKEY frames go by themselves.

use protocol::frame::{Close, FrameSealer, FrameType};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::StreamError;
use crate::clock::{self, Monotonic};

/// Bytes of memory that a writer keeps between bursts.
const KEEP_BYTES: usize = 64 * 1024;

/// Writes sealed frames to one direction of a connection.
pub struct SealedWriter<W> {
    io: W,
    sealer: FrameSealer,
    out: Vec<u8>,
    written: usize,
    clock: Monotonic,
}

impl<W: AsyncWrite + Unpin> SealedWriter<W> {
    /// Goes on where a handshake ended.
    #[must_use]
    pub fn new(io: W, sealer: FrameSealer, clock: Monotonic) -> Self {
        Self {
            io,
            sealer,
            out: Vec::new(),
            written: 0,
            clock,
        }
    }

    /// Longest payload of one frame, plain bytes.
    #[must_use]
    pub fn plain_bytes_max(&self) -> usize {
        self.sealer.plain_bytes_max()
    }

    /// Seals one BATCH frame out of the messages that `write` appends, to leave with the next [`flush`](Self::flush).
    ///
    /// # Errors
    /// When `write` appends more than [`plain_bytes_max`](Self::plain_bytes_max).
    pub fn stage_batch(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), StreamError> {
        self.stage(FrameType::Batch, write)
    }

    /// Seals a frame of another type that may stand here.
    ///
    /// # Errors
    /// As the sealer says.
    pub fn stage(
        &mut self,
        frame_type: FrameType,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), StreamError> {
        let (wall_ms, now_ms) = (clock::wall_ms(), self.clock.now_ms());
        Ok(self
            .sealer
            .seal_with(frame_type, wall_ms, now_ms, &mut self.out, write)?)
    }

    /// Bytes staged and not yet taken by the kernel.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.out.len() - self.written
    }

    /// Writes what is staged. Dropping the future loses nothing; calling again goes on. The number of bytes written.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn flush(&mut self) -> Result<usize, StreamError> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.io.write(rest).await? {
                0 => return Err(StreamError::Eof),
                written => self.written += written,
            }
        }
        let bytes = self.written;
        self.out.clear();
        self.out.shrink_to(KEEP_BYTES);
        self.written = 0;
        Ok(bytes)
    }

    /// Says goodbye, after what is staged, and ends this direction.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn close(&mut self, close: &Close) -> Result<(), StreamError> {
        let payload = close.encode();
        self.stage(FrameType::Close, |out| out.extend_from_slice(&payload))?;
        self.flush().await?;
        Ok(self.io.shutdown().await?)
    }
}
