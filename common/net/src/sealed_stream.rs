//! A TCP stream of sealed frames: handshake first ([`RawStream`]), then a reader and a writer that share nothing but the
//! connection, or both in one for a loop without a run time ([`SweptStream`]). Node links and client connections run on it.

mod raw;
mod reader;
mod swept;
mod writer;

use std::io;

use protocol::frame::FrameError;

use crate::websocket::Over;

pub use raw::RawStream;
pub use reader::SealedReader;
pub use swept::{READ_BYTES, SweptStream};
pub use writer::SealedWriter;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Eof,
    /// The peer sent what it must not, or sent it too slowly.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The WebSocket around it is over.
    #[error("the WebSocket is over: {}", .0.label())]
    WebSocket(Over),
    /// The network, on either side of it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StreamError {
    /// A fixed name for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Frame(error) => error.label(),
            Self::WebSocket(over) => over.label(),
            Self::Io(_) => "io",
        }
    }
}
