//! A TCP connection as a door hands it on: in clear, or under TLS. What is spoken over it makes no difference between them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::stream_socket::StreamSocket;
use crate::tls::Tls;

/// A connection of a run time.
#[derive(Debug)]
pub enum Connection {
    /// As it is.
    Clear(TcpStream),
    /// Behind its handshake of TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl From<TcpStream> for Connection {
    fn from(tcp: TcpStream) -> Self {
        Self::Clear(tcp)
    }
}

impl From<TlsStream<TcpStream>> for Connection {
    fn from(tls: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(tls))
    }
}

impl Connection {
    /// What lies below, to ask it for addresses.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Clear(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// A thread without a run time takes it, with everything that TLS has read and not told yet.
    ///
    /// # Errors
    /// When it is gone.
    pub fn into_socket(self) -> io::Result<StreamSocket> {
        let (tcp, tls) = match self {
            Self::Clear(tcp) => return StreamSocket::new(tcp.into_std()?),
            Self::Tls(tls) => match *tls {
                TlsStream::Server(server) => {
                    let (tcp, session) = server.into_inner();
                    (tcp, rustls::Connection::Server(session))
                }
                TlsStream::Client(client) => {
                    let (tcp, session) = client.into_inner();
                    (tcp, rustls::Connection::Client(session))
                }
            },
        };
        Ok(StreamSocket::new(tcp.into_std()?)?.under(Tls::new(tls)))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(tcp) => Pin::new(tcp).poll_write_vectored(context, pieces),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(context, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
