//! A TCP stream for a thread that owns it: read when there is something, written when something is sealed, never waited
//! on inside a call. It may wear WebSocket: whoever reads and writes notices nothing but an end of its own kind.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::SockRef;

use crate::websocket::{Over, WebSocket};

/// Bytes that the kernel holds and has not sent: beyond them it takes no more, so that what is late waits where it can
/// still be overtaken or left out, and not in the kernel.
const KERNEL_UNSENT_BYTES: u32 = 128 * 1024;

/// A non-blocking stream. Its errors are the labels under which links and sessions end.
#[derive(Debug)]
pub struct StreamSocket {
    tcp: TcpStream,
    websocket: Option<Box<WebSocket>>,
}

impl StreamSocket {
    /// Takes a connection over.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn new(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        tcp.set_nodelay(true)?;
        // A kernel that does not know the option keeps what its send buffer holds.
        let _ = SockRef::from(&tcp).set_tcp_notsent_lowat(KERNEL_UNSENT_BYTES);
        Ok(Self { tcp, websocket: None })
    }

    /// The same, in WebSocket as it stands.
    #[must_use]
    pub fn dressed(self, websocket: Option<Box<WebSocket>>) -> Self {
        Self { websocket, ..self }
    }

    /// Reads what is there, up to the length of `scratch`; 0 when there is nothing now.
    ///
    /// # Errors
    /// `eof` when the peer has closed, `io` when the connection is broken; of WebSocket those of [`Over::label`].
    pub fn read(&mut self, scratch: &mut [u8]) -> Result<usize, &'static str> {
        let Some(websocket) = &mut self.websocket else {
            return read(&self.tcp, scratch);
        };
        if websocket.is_over() {
            return websocket.receive(&mut []).map_err(Over::label);
        }
        // What brought nothing is not followed by another read: others get their turn.
        let read = read(&self.tcp, scratch)?;
        let arrived = scratch.get_mut(..read).unwrap_or_default();
        websocket.receive(arrived).map_err(Over::label)
    }

    /// Whether the next [`read`](Self::read) tells of an end that no poller knows of.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.websocket
            .as_ref()
            .is_some_and(|websocket| websocket.is_over())
    }

    /// Writes as much as is taken now; the number of bytes. What a WebSocket has taken and the kernel has not goes first
    /// at the next call, which may be one without bytes.
    ///
    /// # Errors
    /// `io` when the connection is broken.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let Some(websocket) = &mut self.websocket else {
            return write(&self.tcp, bytes);
        };
        let mut taken = 0;
        loop {
            push_out(&self.tcp, websocket)?;
            let rest = bytes.get(taken..).unwrap_or_default();
            if rest.is_empty() || !websocket.unsent().is_empty() {
                return Ok(taken);
            }
            taken += websocket.send(rest);
        }
    }

    /// Whether something was taken that the kernel has not.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.unsent_bytes() > 0
    }

    /// How much that is.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.websocket
            .as_ref()
            .map_or(0, |websocket| websocket.unsent().len())
    }

    /// No more will be written; what the kernel has still goes out. Whether it has everything: otherwise to be asked again.
    ///
    /// # Errors
    /// `io` when the connection is broken.
    pub fn finish(&mut self) -> Result<bool, &'static str> {
        if let Some(websocket) = &mut self.websocket {
            websocket.close();
            push_out(&self.tcp, websocket)?;
        }
        let is_out = !self.has_unsent();
        if is_out {
            let _ = self.tcp.shutdown(Shutdown::Write);
        }
        Ok(is_out)
    }

    /// Where the peer is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

fn push_out(tcp: &TcpStream, websocket: &mut WebSocket) -> Result<(), &'static str> {
    let unsent = websocket.unsent();
    if !unsent.is_empty() {
        let written = write(tcp, unsent)?;
        websocket.wrote(written);
    }
    Ok(())
}

fn read(mut tcp: &TcpStream, scratch: &mut [u8]) -> Result<usize, &'static str> {
    loop {
        match tcp.read(scratch) {
            Ok(0) => return Err("eof"),
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(_) => return Err("io"),
        }
    }
}

fn write(mut tcp: &TcpStream, bytes: &[u8]) -> Result<usize, &'static str> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match tcp.write(rest) {
            Ok(taken) => written += taken,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return Err("io"),
        }
    }
    Ok(written)
}

impl AsFd for StreamSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}
