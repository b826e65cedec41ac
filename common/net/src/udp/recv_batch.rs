//! Room for 64 received datagrams, used over and over: nothing is allocated per packet.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use protocol::limits::DATAGRAM_BYTES_MAX;

use super::socket::is_of_sent;
use super::{BATCH_DATAGRAMS, BatchSocket};

/// One byte more than a datagram may have, so that a longer one shows.
const SLOT_BYTES: usize = DATAGRAM_BYTES_MAX + 1;

/// Received datagrams. Stays on the thread that made it.
#[derive(Debug)]
pub struct RecvBatch {
    headers: MultiHeaders<SockaddrStorage>,
    slots: Box<[u8]>,
    received: Vec<(Option<SocketAddr>, usize)>,
    oversized: u64,
}

impl Default for RecvBatch {
    fn default() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH_DATAGRAMS, None),
            slots: vec![0; SLOT_BYTES * BATCH_DATAGRAMS].into_boxed_slice(),
            received: Vec::with_capacity(BATCH_DATAGRAMS),
            oversized: 0,
        }
    }
}

impl RecvBatch {
    /// The datagrams of the last receive with their senders, in order, to be opened in place. Longer ones than a
    /// datagram may be are left out and counted.
    pub fn datagrams_mut(&mut self) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        let slots = self.slots.chunks_exact_mut(SLOT_BYTES);
        self.received
            .iter()
            .zip(slots)
            .filter_map(|(&(sender, length), slot)| {
                let datagram = slot.get_mut(..length).filter(|_| length <= DATAGRAM_BYTES_MAX)?;
                Some((sender?, datagram))
            })
    }

    /// Datagrams left out so far because they were too long.
    #[must_use]
    pub fn oversized(&self) -> u64 {
        self.oversized
    }
}

impl BatchSocket {
    /// Receives what is waiting, at most 64 datagrams, without sleeping: 0 when nothing is there.
    ///
    /// # Errors
    /// As the operating system says; never for what a peer causes.
    pub fn recv_batch(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        batch.received.clear();
        let mut slots = batch.slots.chunks_exact_mut(SLOT_BYTES);
        let mut vectors: [[IoSliceMut<'_>; 1]; BATCH_DATAGRAMS] =
            std::array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let results = recvmmsg(
            self.as_raw_fd(),
            &mut batch.headers,
            vectors.iter_mut(),
            flags,
            None,
        );
        match results {
            Ok(messages) => {
                let of = |message: nix::sys::socket::RecvMsg<'_, '_, SockaddrStorage>| {
                    (message.address.as_ref().and_then(to_std), message.bytes)
                };
                batch.received.extend(messages.map(of));
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) if is_of_sent(errno) => {}
            Err(errno) => return Err(errno.into()),
        }
        let oversized = batch
            .received
            .iter()
            .filter(|(_, length)| *length > DATAGRAM_BYTES_MAX);
        batch.oversized += oversized.count() as u64;
        Ok(batch.received.len())
    }
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}
