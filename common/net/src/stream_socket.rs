//! A TCP stream for a thread that owns it: read when there is something, written when something is sealed, never waited
//! on inside a call.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::SockRef;

/// Bytes that the kernel holds and has not sent: beyond them it takes no more, so that what is late waits where it can
/// still be overtaken or left out, and not in the kernel.
const KERNEL_UNSENT_BYTES: u32 = 128 * 1024;

/// A non-blocking stream. Its errors are the labels under which links and sessions end.
#[derive(Debug)]
pub struct StreamSocket(TcpStream);

impl StreamSocket {
    /// Takes a connection over.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        // A kernel that does not know the option keeps what its send buffer holds.
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(KERNEL_UNSENT_BYTES);
        Ok(Self(stream))
    }

    /// Reads what is there, up to the length of `scratch`; 0 when there is nothing now.
    ///
    /// # Errors
    /// `eof` when the peer has closed, `io` when the connection is broken.
    pub fn read(&mut self, scratch: &mut [u8]) -> Result<usize, &'static str> {
        loop {
            match self.0.read(scratch) {
                Ok(0) => return Err("eof"),
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                Err(_) => return Err("io"),
            }
        }
    }

    /// Writes as much as the kernel takes now; the number of bytes.
    ///
    /// # Errors
    /// `io` when the connection is broken.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.0.write(rest) {
                Ok(taken) => written += taken,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err("io"),
            }
        }
        Ok(written)
    }

    /// No more will be written; what the kernel has still goes out.
    pub fn finish(&self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Where the peer is.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

impl AsFd for StreamSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
