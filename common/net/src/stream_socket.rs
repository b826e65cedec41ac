//! A TCP stream for a thread that owns it: read when there is something, written when something is sealed, never waited
//! on inside a call. It may wear WebSocket, under TLS or in clear: whoever reads and writes notices nothing but an end of its
//! own kind.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use socket2::SockRef;

use crate::tls::Tls;
use crate::websocket::{Over, WebSocket};

/// Bytes that the kernel holds and has not sent: beyond them it takes no more, so that what is late waits where it can
/// still be overtaken or left out, and not in the kernel.
const KERNEL_UNSENT_BYTES: u32 = 128 * 1024;

/// A non-blocking stream. Its errors are the labels under which links and sessions end.
#[derive(Debug)]
pub struct StreamSocket {
    line: Line,
    websocket: Option<Box<WebSocket>>,
}

/// What bytes travel on.
#[derive(Debug)]
struct Line {
    tcp: TcpStream,
    tls: Option<Box<Tls>>,
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
        let line = Line { tcp, tls: None };
        let websocket = None;
        Ok(Self { line, websocket })
    }

    /// The same, under TLS as it stands.
    pub(crate) fn under(mut self, tls: Tls) -> Self {
        self.line.tls = Some(Box::new(tls));
        self
    }

    /// The same, in WebSocket as it stands.
    #[must_use]
    pub fn dressed(self, websocket: Option<Box<WebSocket>>) -> Self {
        Self { websocket, ..self }
    }

    /// Reads what is there, up to the length of `scratch`; 0 when there is nothing now.
    ///
    /// # Errors
    /// `eof` when the peer has closed, `io` when the connection is broken, `tls_broken` and `tls_flood` when the peer does not
    /// keep to TLS; of WebSocket those of [`Over::label`].
    pub fn read(&mut self, scratch: &mut [u8]) -> Result<usize, &'static str> {
        let Some(websocket) = &mut self.websocket else {
            return self.line.read(scratch);
        };
        if websocket.is_over() {
            return websocket.receive(&mut []).map_err(Over::label);
        }
        // What brought nothing is not followed by another read: others get their turn.
        let read = self.line.read(scratch)?;
        let arrived = scratch.get_mut(..read).unwrap_or_default();
        websocket.receive(arrived).map_err(Over::label)
    }

    /// Whether the next [`read`](Self::read) tells of something that no poller knows of.
    #[must_use]
    pub fn has_more(&self) -> bool {
        let is_over = |websocket: &WebSocket| websocket.is_over();
        self.websocket.as_deref().is_some_and(is_over) || self.line.tls.as_deref().is_some_and(Tls::has_more)
    }

    /// Writes as much as is taken now; the number of bytes. What was taken and the kernel has not goes first at the next call,
    /// which may be one without bytes.
    ///
    /// # Errors
    /// `io` when the connection is broken.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        if self.websocket.is_none() {
            return self.line.write(bytes);
        }
        let mut taken = 0;
        loop {
            self.push_out()?;
            let rest = bytes.get(taken..).unwrap_or_default();
            if rest.is_empty() || self.has_unsent() {
                return Ok(taken);
            }
            if let Some(websocket) = &mut self.websocket {
                taken += websocket.send(rest);
            }
        }
    }

    /// Whether something was taken that the kernel has not.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.unsent_bytes() > 0 || self.line.tls.as_deref().is_some_and(Tls::has_unsent)
    }

    /// How much of it waits for TLS or the kernel; what TLS has taken is not counted.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.websocket
            .as_ref()
            .map_or(0, |websocket| websocket.unsent().len())
    }

    /// Whether it says something of its own when it [finishes](Self::finish), which the peer is to hear.
    #[must_use]
    pub fn has_goodbye(&self) -> bool {
        self.websocket.is_some() || self.line.tls.is_some()
    }

    /// No more will be written; what the kernel has still goes out. Whether it has everything: otherwise to be asked again.
    ///
    /// # Errors
    /// `io` when the connection is broken.
    pub fn finish(&mut self) -> Result<bool, &'static str> {
        // Nothing but a complaint of TLS itself is of use then.
        if self.line.tls.as_deref().is_some_and(Tls::is_over) {
            self.line.write(&[])?;
            let _ = self.line.tcp.shutdown(Shutdown::Write);
            return Ok(true);
        }
        if let Some(websocket) = &mut self.websocket {
            websocket.close();
        }
        self.push_out()?;
        if self.unsent_bytes() == 0
            && let Some(tls) = &mut self.line.tls
        {
            tls.close();
            self.push_out()?;
        }
        let is_out = !self.has_unsent();
        if is_out {
            let _ = self.line.tcp.shutdown(Shutdown::Write);
        }
        Ok(is_out)
    }

    /// Takes what is there and looks at nothing of it, whatever it wears; how much, 0 when there is nothing now.
    ///
    /// # Errors
    /// `eof` when the peer has closed, `io` when the connection is broken.
    pub fn discard(&mut self, scratch: &mut [u8]) -> Result<usize, &'static str> {
        read(&self.line.tcp, scratch)
    }

    /// Where the peer is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.line.tcp.peer_addr()
    }

    fn push_out(&mut self) -> Result<(), &'static str> {
        let Some(websocket) = &mut self.websocket else {
            return self.line.write(&[]).map(drop);
        };
        let written = self.line.write(websocket.unsent())?;
        if written > 0 {
            websocket.wrote(written);
        }
        Ok(())
    }
}

impl Line {
    fn read(&mut self, scratch: &mut [u8]) -> Result<usize, &'static str> {
        match &mut self.tls {
            None => read(&self.tcp, scratch),
            Some(tls) => tls.read(&self.tcp, scratch),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        match &mut self.tls {
            None => write(&self.tcp, bytes),
            Some(tls) => tls.write(&self.tcp, bytes),
        }
    }
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
        self.line.tcp.as_fd()
    }
}

impl AsRawFd for StreamSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.line.tcp.as_raw_fd()
    }
}
