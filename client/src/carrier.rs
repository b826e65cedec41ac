//! What carries a client's stream to its proxy.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use client_core::ConnectionError;
use net::clock::Monotonic;
use net::sealed_stream::{RawStream, StreamError};
use net::websocket::upgrade::{Request, UpgradeError};
use net::websocket::{End, SEALED, WebSocket};
use rand::RngExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Where proxies have their WebSocket.
const PATH: &str = "/mesh";

/// How a proxy is dialed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// Sealed frames from the first byte on.
    #[default]
    Tcp,
    /// The same over WebSocket, at these addresses. Others that a proxy names speak TCP, and are not dialed.
    WebSocket(Arc<[SocketAddr]>),
}

impl Carrier {
    /// A connection on which the handshake begins.
    pub(crate) async fn connect(
        &self,
        proxy: SocketAddr,
        clock: Monotonic,
    ) -> Result<RawStream, ConnectionError> {
        let speakers = match self {
            Self::Tcp => return RawStream::new(TcpStream::connect(proxy).await?, clock).map_err(ended),
            Self::WebSocket(speakers) => speakers,
        };
        if !speakers.contains(&proxy) {
            let what = "this address is not known to speak WebSocket";
            return Err(io::Error::new(ErrorKind::Unsupported, what).into());
        }
        let mut io = TcpStream::connect(proxy).await?;
        let request = Request::new(SEALED, rand::rng().random());
        io.write_all(&request.bytes(&proxy.to_string(), PATH)).await?;
        let mut answer = Vec::new();
        let end = loop {
            if io.read_buf(&mut answer).await? == 0 {
                return Err(ConnectionError::Eof);
            }
            if let Some(end) = request.answered(&answer).map_err(refused)? {
                break end;
            }
        };
        let websocket = WebSocket::new(End::Client(rand::rng().random()));
        let stream = RawStream::new(io, clock).map_err(ended)?;
        let came = answer.get(end..).unwrap_or_default();
        stream.dressed(websocket, came).map_err(ended)
    }
}

fn refused(error: UpgradeError) -> ConnectionError {
    io::Error::new(ErrorKind::ConnectionRefused, error).into()
}

/// A stream that ended, in the words of a session.
pub(crate) fn ended(error: StreamError) -> ConnectionError {
    match error {
        StreamError::Frame(error) => error.into(),
        StreamError::Eof | StreamError::WebSocket(_) => ConnectionError::Eof,
        StreamError::Io(error) => error.into(),
    }
}
