//! One UDP socket that is never waited on inside a call: it is asked, or slept on together with a waker.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use super::Waker;

/// Socket buffer sizes, bytes. What the kernel grants may be less than what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferBytes {
    /// Receive buffer.
    pub receive: usize,
    /// Send buffer.
    pub send: usize,
}

impl BufferBytes {
    /// For a socket that thousands of players share: 8 MiB each way.
    pub const SHARED: Self = Self {
        receive: 8 << 20,
        send: 8 << 20,
    };
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitOutcome {
    /// Datagrams are waiting.
    pub readable: bool,
    /// Another thread called [`Waker::wake`].
    pub woken: bool,
}

/// A non-blocking UDP socket for one thread.
#[derive(Debug)]
pub struct BatchSocket {
    socket: UdpSocket,
    granted: BufferBytes,
}

impl From<BatchSocket> for UdpSocket {
    /// For somebody who waits on it in another way.
    fn from(socket: BatchSocket) -> Self {
        socket.socket
    }
}

impl BatchSocket {
    /// Binds with buffers for many players.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Self::bind_plain(address)?;
        socket.with_buffers(BufferBytes::SHARED)
    }

    /// Binds with the system's default buffers: for one player's socket among thousands.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn bind_plain(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        let granted = granted(&socket)?;
        Ok(Self {
            socket: socket.into(),
            granted,
        })
    }

    /// Asks for larger buffers and reads back what was granted.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn with_buffers(mut self, wanted: BufferBytes) -> io::Result<Self> {
        let socket = Socket::from(self.socket);
        // The forced form passes the system's maximum but needs a capability; the plain one is cut off silently.
        if setsockopt(&socket, sockopt::RcvBufForce, &wanted.receive).is_err() {
            socket.set_recv_buffer_size(wanted.receive)?;
        }
        if setsockopt(&socket, sockopt::SndBufForce, &wanted.send).is_err() {
            socket.set_send_buffer_size(wanted.send)?;
        }
        self.granted = granted(&socket)?;
        if self.granted.receive < wanted.receive || self.granted.send < wanted.send {
            let (wanted, granted) = (wanted, self.granted);
            tracing::warn!(
                ?wanted,
                ?granted,
                "socket buffers are smaller than asked for: raise net.core.rmem_max and wmem_max"
            );
        }
        self.socket = socket.into();
        Ok(self)
    }

    /// The buffers that the kernel granted.
    #[must_use]
    pub fn buffers(&self) -> BufferBytes {
        self.granted
    }

    /// The address it is bound to, with the port that the system chose.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Fixes the peer: only its datagrams are received, and [`send`](Self::send) goes there.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.socket.connect(peer)
    }

    /// Sends one datagram on a connected socket. `false`: it was dropped (buffers full, nobody listening).
    ///
    /// # Errors
    /// As the operating system says; never for what a peer causes.
    pub fn send(&self, datagram: &[u8]) -> io::Result<bool> {
        match self.socket.send(datagram) {
            Ok(_) => Ok(true),
            Err(error) if is_drop(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sleeps until datagrams wait, the waker is used, or the time is over (`None`: no limit).
    ///
    /// # Errors
    /// As the operating system says.
    pub fn wait(&self, waker: &Waker, timeout: Option<Duration>) -> io::Result<WaitOutcome> {
        let mut polled = [
            PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(waker.as_fd(), PollFlags::POLLIN),
        ];
        match ppoll(&mut polled, timeout.map(TimeSpec::from_duration), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let [socket, event] = polled.map(|fd| fd.any().unwrap_or(false));
        if event {
            waker.clear();
        }
        Ok(WaitOutcome {
            readable: socket,
            woken: event,
        })
    }
}

impl AsFd for BatchSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for BatchSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Linux doubles what is asked for, to count its own bookkeeping; half is what was granted.
fn granted(socket: &Socket) -> io::Result<BufferBytes> {
    Ok(BufferBytes {
        receive: socket.recv_buffer_size()? / 2,
        send: socket.send_buffer_size()? / 2,
    })
}

/// Whether a read tells of an earlier datagram of ours that did not get through, as routers and firewalls say: that one is lost, and
/// the queue stays good.
pub(super) fn is_of_sent(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ECONNREFUSED
            | Errno::ENETUNREACH
            | Errno::EHOSTUNREACH
            | Errno::EHOSTDOWN
            | Errno::ENONET
            | Errno::EACCES
            | Errno::EPROTO
            | Errno::ENOPROTOOPT
            | Errno::EMSGSIZE
    )
}

fn is_drop(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(Errno::EAGAIN | Errno::ENOBUFS | Errno::ECONNREFUSED | Errno::ENETUNREACH | Errno::EHOSTUNREACH)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_router_or_a_firewall_says_of_what_was_sent_is_no_error_of_the_socket() {
        // Linux gives a connected socket these for ICMP codes 2, 3, 9, 10 and 13, and for those of IPv6.
        for errno in [
            Errno::ENOPROTOOPT,
            Errno::ECONNREFUSED,
            Errno::ENETUNREACH,
            Errno::EHOSTUNREACH,
            Errno::EACCES,
        ] {
            assert!(is_of_sent(errno), "{errno}");
        }
        assert!(!is_of_sent(Errno::EBADF) && !is_of_sent(Errno::ENOMEM));
    }
}
