//! A connection before its keys are known: whole frames in, bytes out, and a deadline set by its caller.

use std::io;

use protocol::frame::{FrameDecoder, FrameOpener, FrameSealer, RawFrame};
use protocol::limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{SealedReader, SealedWriter, StreamError, SweptStream};
use crate::clock::Monotonic;

/// A connection in its handshake.
#[derive(Debug)]
pub struct RawStream {
    io: TcpStream,
    decoder: FrameDecoder,
    clock: Monotonic,
}

impl RawStream {
    /// Takes a fresh connection; small frames leave at once.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn new(io: TcpStream, clock: Monotonic) -> Result<Self, StreamError> {
        io.set_nodelay(true)?;
        Ok(Self {
            io,
            decoder: FrameDecoder::new(),
            clock,
        })
    }

    /// The connection, to ask it for addresses.
    #[must_use]
    pub fn io(&self) -> &TcpStream {
        &self.io
    }

    /// The next whole frame, unverified and no longer than a handshake's. Waits for ever: the caller sets a deadline.
    ///
    /// # Errors
    /// Why the connection must be closed, silently.
    pub async fn next_raw(&mut self) -> Result<RawFrame, StreamError> {
        loop {
            let now_ms = self.clock.now_ms();
            let raw = self.decoder.next_raw(FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX, now_ms)?;
            if let Some(raw) = raw {
                return Ok(raw);
            }
            if self.io.read_buf(self.decoder.space()).await? == 0 {
                return Err(StreamError::Eof);
            }
        }
    }

    /// Sends bytes of the handshake.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        Ok(self.io.write_all(bytes).await?)
    }

    /// The handshake is over, and a thread without a run time takes the connection: non-blocking, with the bytes that came
    /// behind the last frame.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn into_parts(self) -> io::Result<(std::net::TcpStream, FrameDecoder)> {
        Ok((self.io.into_std()?, self.decoder))
    }

    /// The handshake is over. Bytes that came behind its last frame are kept.
    #[must_use]
    pub fn into_sealed(
        self,
        opener: FrameOpener,
        sealer: FrameSealer,
    ) -> (SealedReader<OwnedReadHalf>, SealedWriter<OwnedWriteHalf>) {
        let (read, write) = self.io.into_split();
        (
            SealedReader::new(read, self.decoder, opener, self.clock),
            SealedWriter::new(write, sealer, self.clock),
        )
    }

    /// As [`into_parts`](Self::into_parts), put together for frames under these keys.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn into_swept(self, opener: FrameOpener, sealer: FrameSealer) -> io::Result<SweptStream> {
        let (io, decoder) = self.into_parts()?;
        SweptStream::new(io, decoder, opener, sealer)
    }
}
