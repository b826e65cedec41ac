//! The baseline of everything that speaks by datagram: what the kernel alone takes for the same datagrams. No keys, no
//! copies, no memory touched but one buffer: `recvmmsg` and `sendmmsg` of 64 over headers that are made once.

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

/// What moving datagrams took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    pub(crate) datagrams: usize,
    /// CPU of this thread.
    pub(crate) cpu_ns: u64,
    /// System calls.
    pub(crate) calls: usize,
}

impl std::ops::AddAssign for Moved {
    fn add_assign(&mut self, more: Self) {
        self.datagrams += more.datagrams;
        self.cpu_ns += more.cpu_ns;
        self.calls += more.calls;
    }
}

/// A socket of which nothing is asked but moving datagrams in batches.
pub(crate) struct BareSocket {
    socket: Arc<BatchSocket>,
    /// Headers for sending point to the addresses of the last send, which are gone: receiving through the same ones would
    /// have the kernel write there.
    receiving: MultiHeaders<SockaddrStorage>,
    sending: MultiHeaders<SockaddrStorage>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl BareSocket {
    pub(crate) fn new(socket: Arc<BatchSocket>) -> Self {
        Self {
            socket,
            receiving: MultiHeaders::preallocate(BATCH_DATAGRAMS, None),
            sending: MultiHeaders::preallocate(BATCH_DATAGRAMS, None),
            incoming: vec![0; DATAGRAM_BYTES_MAX * BATCH_DATAGRAMS],
            outgoing: vec![7; DATAGRAM_BYTES_MAX],
        }
    }

    /// Receives all that waits.
    pub(crate) fn receive(&mut self) -> anyhow::Result<Moved> {
        let (fd, mut moved) = (self.socket.as_raw_fd(), Moved::default());
        let before = thread_cpu_ns();
        loop {
            let mut slots = self.incoming.chunks_exact_mut(DATAGRAM_BYTES_MAX);
            let mut vectors: [[IoSliceMut<'_>; 1]; BATCH_DATAGRAMS] =
                std::array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
            let flags = MsgFlags::MSG_DONTWAIT;
            moved.calls += 1;
            match recvmmsg(fd, &mut self.receiving, vectors.iter_mut(), flags, None) {
                Ok(messages) => moved.datagrams += messages.count(),
                Err(Errno::EAGAIN) => break,
                Err(errno) => return Err(errno).context("recvmmsg"),
            }
        }
        moved.cpu_ns = thread_cpu_ns() - before;
        Ok(moved)
    }

    /// Sends datagrams of these sizes.
    pub(crate) fn send(&mut self, to: &[SocketAddr], sizes: &[usize]) -> anyhow::Result<Moved> {
        let to: Vec<Option<SockaddrStorage>> = to.iter().map(|&to| Some(to.into())).collect();
        let (fd, mut moved) = (self.socket.as_raw_fd(), Moved::default());
        let before = thread_cpu_ns();
        for (to, sizes) in to.chunks(BATCH_DATAGRAMS).zip(sizes.chunks(BATCH_DATAGRAMS)) {
            let vectors: [[IoSlice<'_>; 1]; BATCH_DATAGRAMS] = std::array::from_fn(|at| {
                let size = sizes.get(at).copied().unwrap_or(0);
                [IoSlice::new(self.outgoing.get(..size).unwrap_or_default())]
            });
            let none: [ControlMessage<'_>; 0] = [];
            let vectors = vectors.iter().take(to.len());
            let sent = sendmmsg(fd, &mut self.sending, vectors, to, none, MsgFlags::MSG_DONTWAIT);
            moved.datagrams += sent.context("sendmmsg")?.count();
            moved.calls += 1;
        }
        moved.cpu_ns = thread_cpu_ns() - before;
        Ok(moved)
    }
}
