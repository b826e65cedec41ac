//! A sealed stream for a loop without a run time: it reads what is there, writes what fits, and never waits.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};

use protocol::frame::{Frame, FrameDecoder, FrameOpener, FrameSealer, FrameType};

use super::StreamError;
use crate::clock;
use crate::stream_socket::StreamSocket;

/// Bytes that one call of [`SweptStream::receive`] takes in at most; a scratch buffer has this length.
pub const READ_BYTES: usize = 16 * 1024;
/// Bytes of memory that a stream keeps between bursts.
const KEEP_BYTES: usize = 64 * 1024;

/// Both directions of an established connection. `now_ms` is the monotonic clock that its keys were made by.
pub struct SweptStream {
    io: StreamSocket,
    decoder: FrameDecoder,
    opener: FrameOpener,
    sealer: FrameSealer,
    out: Vec<u8>,
    written: usize,
}

impl SweptStream {
    /// Goes on where a handshake ended; `decoder` may hold bytes that came with it.
    #[must_use]
    pub fn new(io: StreamSocket, decoder: FrameDecoder, opener: FrameOpener, sealer: FrameSealer) -> Self {
        Self {
            io,
            decoder,
            opener,
            sealer,
            out: Vec::new(),
            written: 0,
        }
    }

    /// One read through `scratch`, which any number of streams share: how many bytes, 0 when there is nothing now. Take
    /// the frames before the next one.
    ///
    /// # Errors
    /// Why the connection must be closed.
    pub fn receive(&mut self, scratch: &mut [u8; READ_BYTES]) -> Result<usize, StreamError> {
        let length = self.io.read(scratch).map_err(ended)?;
        self.decoder.extend(scratch.get(..length).unwrap_or_default());
        Ok(length)
    }

    /// The next frame among the bytes that are here. To be asked now and then though nothing came: a frame that does
    /// not become complete in time is an error.
    ///
    /// # Errors
    /// Why the connection must be closed.
    pub fn take_frame(&mut self, now_ms: u64) -> Result<Option<Frame>, StreamError> {
        Ok(self.decoder.next_frame(&mut self.opener, now_ms)?)
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
    pub fn stage_batch(&mut self, now_ms: u64, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), StreamError> {
        let wall_ms = clock::wall_ms();
        Ok(self
            .sealer
            .seal_with(FrameType::Batch, wall_ms, now_ms, &mut self.out, write)?)
    }

    /// Bytes staged and not yet taken by the kernel.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.out.len() - self.written + self.io.unsent_bytes()
    }

    /// Hands the kernel what it takes of what is staged; the rest stays for the next call.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn flush(&mut self) -> Result<(), StreamError> {
        let rest = self.out.get(self.written..).unwrap_or_default();
        if !rest.is_empty() || self.io.has_unsent() {
            self.written += self.io.write(rest).map_err(ended)?;
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.out.shrink_to(KEEP_BYTES);
            self.written = 0;
        }
        Ok(())
    }
}

impl AsFd for SweptStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

fn ended(label: &str) -> StreamError {
    match label {
        "eof" => StreamError::Eof,
        _ => StreamError::Io(ErrorKind::ConnectionReset.into()),
    }
}
