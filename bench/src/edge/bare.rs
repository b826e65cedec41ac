//! The baseline: what the kernel alone takes for the same datagrams on the same sockets. No keys, no copies, no memory
//! touched but one buffer: `recvmmsg` and `sendmmsg` of 64 over headers that are made once.

use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use anyhow::Context as _;
use net::udp::{BATCH_DATAGRAMS, BatchSocket};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use protocol::limits::DATAGRAM_BYTES_MAX;

use crate::clocks::thread_cpu_ns;

/// The kernel's side of a shard.
pub(super) struct Bare {
    socket: Arc<BatchSocket>,
    headers: MultiHeaders<SockaddrStorage>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Bare {
    pub(super) fn new(socket: Arc<BatchSocket>) -> Self {
        Self {
            socket,
            headers: MultiHeaders::preallocate(BATCH_DATAGRAMS, None),
            incoming: vec![0; DATAGRAM_BYTES_MAX * BATCH_DATAGRAMS],
            outgoing: vec![7; DATAGRAM_BYTES_MAX],
        }
    }

    /// Receives all that waits: how many, and the CPU it took, nanoseconds.
    pub(super) fn receive(&mut self) -> anyhow::Result<(usize, u64)> {
        let (fd, mut received) = (self.socket.as_raw_fd(), 0);
        let before = thread_cpu_ns();
        loop {
            let mut slots = self.incoming.chunks_exact_mut(DATAGRAM_BYTES_MAX);
            let mut vectors: [[IoSliceMut<'_>; 1]; BATCH_DATAGRAMS] =
                std::array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
            let flags = MsgFlags::MSG_DONTWAIT;
            match recvmmsg(fd, &mut self.headers, vectors.iter_mut(), flags, None) {
                Ok(messages) => received += messages.count(),
                Err(Errno::EAGAIN) => break,
                Err(errno) => return Err(errno).context("recvmmsg"),
            }
        }
        Ok((received, thread_cpu_ns() - before))
    }

    /// Sends datagrams of these sizes; the CPU it took, nanoseconds.
    pub(super) fn send(&mut self, to: &[SocketAddr], sizes: &[usize]) -> anyhow::Result<u64> {
        let to: Vec<Option<SockaddrStorage>> = to.iter().map(|&to| Some(to.into())).collect();
        let fd = self.socket.as_raw_fd();
        let before = thread_cpu_ns();
        for (to, sizes) in to.chunks(BATCH_DATAGRAMS).zip(sizes.chunks(BATCH_DATAGRAMS)) {
            let vectors: [[IoSlice<'_>; 1]; BATCH_DATAGRAMS] = std::array::from_fn(|at| {
                let size = sizes.get(at).copied().unwrap_or(0);
                [IoSlice::new(self.outgoing.get(..size).unwrap_or_default())]
            });
            let none: [ControlMessage<'_>; 0] = [];
            let vectors = vectors.iter().take(to.len());
            sendmmsg(fd, &mut self.headers, vectors, to, none, MsgFlags::MSG_DONTWAIT).context("sendmmsg")?;
        }
        Ok(thread_cpu_ns() - before)
    }
}
