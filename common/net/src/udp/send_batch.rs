//! Datagrams collected in one arena and handed to the kernel 64 at a time. A datagram that cannot go now is dropped and
//! counted: the next one carries newer state.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};

use super::{BATCH_DATAGRAMS, BatchSocket};

/// What became of flushed datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Taken by the kernel.
    pub sent: u64,
    /// Dropped because the socket's buffer was full.
    pub dropped_full: u64,
    /// Dropped because the kernel refused the address or the datagram.
    pub dropped_refused: u64,
}

impl std::ops::AddAssign for SendReport {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.dropped_full += other.dropped_full;
        self.dropped_refused += other.dropped_refused;
    }
}

/// Datagrams to send. Stays on the thread that made it.
#[derive(Debug)]
pub struct SendBatch {
    headers: MultiHeaders<SockaddrStorage>,
    arena: Vec<u8>,
    ends: Vec<usize>,
    receivers: Vec<Option<SockaddrStorage>>,
}

impl Default for SendBatch {
    fn default() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH_DATAGRAMS, None),
            arena: Vec::new(),
            ends: Vec::new(),
            receivers: Vec::new(),
        }
    }
}

impl SendBatch {
    /// Adds a datagram.
    pub fn push(&mut self, receiver: SocketAddr, datagram: &[u8]) {
        self.push_with(receiver, |arena| arena.extend_from_slice(datagram));
    }

    /// Adds the datagram that `write` appends to the arena; nothing when it appends nothing. It must not shorten it.
    pub fn push_with(&mut self, receiver: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        write(&mut self.arena);
        if self.arena.len() > start {
            self.ends.push(self.arena.len());
            self.receivers.push(Some(SockaddrStorage::from(receiver)));
        }
    }

    /// Datagrams waiting for a flush.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing waits for a flush.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Hands everything to the kernel without sleeping, and empties the batch.
    pub fn flush(&mut self, socket: &BatchSocket) -> SendReport {
        let mut report = SendReport::default();
        let mut next = 0;
        let mut retried = false;
        while next < self.ends.len() {
            match self.send_from(next, socket) {
                Ok(sent) => {
                    next += sent.max(1);
                    report.sent += sent as u64;
                    retried = false;
                }
                Err(Errno::EINTR) => {}
                // The error belongs to an earlier datagram and is cleared by being told.
                Err(Errno::ECONNREFUSED) if !retried => retried = true,
                Err(Errno::EAGAIN | Errno::ENOBUFS) => {
                    report.dropped_full += (self.ends.len() - next) as u64;
                    break;
                }
                Err(_) => {
                    next += 1;
                    report.dropped_refused += 1;
                    retried = false;
                }
            }
        }
        self.arena.clear();
        self.ends.clear();
        self.receivers.clear();
        report
    }

    fn send_from(&mut self, first: usize, socket: &BatchSocket) -> nix::Result<usize> {
        let ends = self.ends.get(first..).unwrap_or_default();
        let mut start = first
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied()
            .unwrap_or(0);
        let mut rest = ends.iter();
        let vectors: [[IoSlice<'_>; 1]; BATCH_DATAGRAMS] = std::array::from_fn(|_| {
            let end = rest.next().copied().unwrap_or(start);
            let datagram = self.arena.get(start..end).unwrap_or_default();
            start = end;
            [IoSlice::new(datagram)]
        });
        let receivers = self.receivers.get(first..).unwrap_or_default();
        let count = receivers.len().min(BATCH_DATAGRAMS);
        let none: [ControlMessage<'_>; 0] = [];
        let flags = MsgFlags::MSG_DONTWAIT;
        let fd = socket.as_raw_fd();
        sendmmsg(
            fd,
            &mut self.headers,
            vectors.iter().take(count),
            receivers,
            none,
            flags,
        )
        .map(Iterator::count)
    }
}
