//! A connection before its keys are known: whole frames in, bytes out, and a deadline set by its caller.

use std::io;

use protocol::frame::{FrameDecoder, FrameOpener, FrameSealer, RawFrame};
use protocol::limits::FRAME_PAYLOAD_HANDSHAKE_BYTES_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{SealedReader, SealedWriter, StreamError, SweptStream};
use crate::clock::Monotonic;
use crate::connection::Connection;
use crate::stream_socket::StreamSocket;
use crate::websocket::{Over, WebSocket};

/// Bytes of one read of a WebSocket: a message of a handshake, and some.
const READ_BYTES: usize = 1024;
/// Reads of a handshake's WebSocket that may bring nothing of it: a header may come in two, and somebody may ping.
const EMPTY_READS_MAX: usize = 8;

/// A connection in its handshake.
#[derive(Debug)]
pub struct RawStream {
    io: Connection,
    websocket: Option<Box<WebSocket>>,
    empty_reads: usize,
    decoder: FrameDecoder,
    clock: Monotonic,
}

impl RawStream {
    /// Takes a fresh connection; small frames leave at once.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn new(io: impl Into<Connection>, clock: Monotonic) -> Result<Self, StreamError> {
        let io = io.into();
        io.tcp().set_nodelay(true)?;
        Ok(Self {
            io,
            websocket: None,
            empty_reads: 0,
            decoder: FrameDecoder::new(),
            clock,
        })
    }

    /// The same, in WebSocket, of which these bytes came with the upgrade.
    ///
    /// # Errors
    /// When they end it at once.
    pub fn dressed(mut self, websocket: WebSocket, came: &[u8]) -> Result<Self, StreamError> {
        self.websocket = Some(Box::new(websocket));
        self.take(&mut came.to_vec())?;
        Ok(self)
    }

    /// The connection, to ask it for addresses.
    #[must_use]
    pub fn io(&self) -> &TcpStream {
        self.io.tcp()
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
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), StreamError> {
        if self.websocket.is_none() {
            return match self.io.read_buf(self.decoder.space()).await? {
                0 => Err(StreamError::Eof),
                _ => Ok(()),
            };
        }
        let mut scratch = [0; READ_BYTES];
        match self.io.read(&mut scratch).await? {
            0 => Err(StreamError::Eof),
            read => {
                self.take(scratch.get_mut(..read).unwrap_or_default())?;
                self.push_out().await
            }
        }
    }

    /// Takes bytes that came in WebSocket.
    fn take(&mut self, arrived: &mut [u8]) -> Result<(), StreamError> {
        let Some(websocket) = &mut self.websocket else {
            return Ok(());
        };
        let came = websocket.receive(arrived).map_err(|over| match over {
            Over::Closed => StreamError::Eof,
            over => StreamError::WebSocket(over),
        })?;
        if came == 0 && !arrived.is_empty() {
            self.empty_reads += 1;
        }
        if self.empty_reads > EMPTY_READS_MAX {
            return Err(StreamError::WebSocket(Over::Flood));
        }
        self.decoder.extend(arrived.get(..came).unwrap_or_default());
        Ok(())
    }

    async fn push_out(&mut self) -> Result<(), StreamError> {
        if let Some(websocket) = &mut self.websocket
            && !websocket.unsent().is_empty()
        {
            self.io.write_all(websocket.unsent()).await?;
            websocket.wrote(websocket.unsent().len());
            // TLS may have taken what the kernel has not.
            self.io.flush().await?;
        }
        Ok(())
    }

    /// Sends bytes of the handshake.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        match &mut self.websocket {
            None => {
                self.io.write_all(bytes).await?;
                Ok(self.io.flush().await?)
            }
            Some(websocket) => {
                // Longer than any message of a handshake.
                websocket.send(bytes);
                self.push_out().await
            }
        }
    }

    /// Nothing more is said, and the connection is over: a WebSocket hears why.
    pub async fn finish(&mut self) {
        if let Some(websocket) = &mut self.websocket {
            websocket.close();
            let _ = self.push_out().await;
            let _ = self.io.shutdown().await;
        }
    }

    /// The handshake is over, and a thread without a run time takes the connection: non-blocking, with the bytes that came
    /// behind the last frame.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn into_parts(self) -> io::Result<(StreamSocket, FrameDecoder)> {
        let socket = self.io.into_socket()?;
        Ok((socket.dressed(self.websocket), self.decoder))
    }

    /// The handshake of a bare connection is over. Bytes that came behind its last frame are kept.
    ///
    /// # Errors
    /// `Unsupported` for one under TLS, whose directions cannot go apart.
    pub fn into_sealed(
        self,
        opener: FrameOpener,
        sealer: FrameSealer,
    ) -> io::Result<(SealedReader<OwnedReadHalf>, SealedWriter<OwnedWriteHalf>)> {
        let Connection::Clear(tcp) = self.io else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let (read, write) = tcp.into_split();
        Ok((
            SealedReader::new(read, self.decoder, opener, self.clock),
            SealedWriter::new(write, sealer, self.clock),
        ))
    }

    /// As [`into_parts`](Self::into_parts), put together for frames under these keys.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn into_swept(self, opener: FrameOpener, sealer: FrameSealer) -> io::Result<SweptStream> {
        let (io, decoder) = self.into_parts()?;
        Ok(SweptStream::new(io, decoder, opener, sealer))
    }
}
