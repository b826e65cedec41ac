//! The receiving half: authentic frames in order, each complete within its deadline. REKEY frames never show.

use std::time::Duration;

use protocol::frame::{Frame, FrameDecoder, FrameOpener};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::StreamError;
use crate::clock::Monotonic;

/// Reads sealed frames from one direction of a connection.
pub struct SealedReader<R> {
    io: R,
    decoder: FrameDecoder,
    opener: FrameOpener,
    clock: Monotonic,
}

impl<R: AsyncRead + Unpin> SealedReader<R> {
    /// Goes on where a handshake ended; `decoder` may hold bytes that came with it.
    #[must_use]
    pub fn new(io: R, decoder: FrameDecoder, opener: FrameOpener, clock: Monotonic) -> Self {
        Self {
            io,
            decoder,
            opener,
            clock,
        }
    }

    /// Payloads may now be as long as the handshake agreed, bytes of ciphertext and tag.
    pub fn establish(&mut self, payload_bytes_max: u32) {
        self.opener.establish(payload_bytes_max);
    }

    /// The next frame. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the connection must be closed.
    pub async fn next_frame(&mut self) -> Result<Frame, StreamError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            self.read().await?;
        }
    }

    /// The next frame among the bytes that are here already.
    ///
    /// # Errors
    /// Why the connection must be closed.
    pub fn take_frame(&mut self) -> Result<Option<Frame>, StreamError> {
        let now_ms = self.clock.now_ms();
        Ok(self.decoder.next_frame(&mut self.opener, now_ms)?)
    }

    async fn read(&mut self) -> Result<(), StreamError> {
        let deadline_ms = self.decoder.deadline_ms();
        let read = self.io.read_buf(self.decoder.space());
        let read = match deadline_ms {
            None => read.await?,
            Some(deadline_ms) => {
                let left = Duration::from_millis(deadline_ms.saturating_sub(self.clock.now_ms()));
                match tokio::time::timeout(left, read).await {
                    Ok(read) => read?,
                    // The decoder knows which frame is late and says so.
                    Err(_) => return Ok(()),
                }
            }
        };
        if read == 0 { Err(StreamError::Eof) } else { Ok(()) }
    }
}
