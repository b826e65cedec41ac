//! Room for a few received datagrams and the moments at which the kernel got them, so that a socket may be read seldom
//! and what is measured by it is exact all the same.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, recvmmsg, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use protocol::limits::DATAGRAM_BYTES_MAX;

use super::BatchSocket;
use super::socket::is_of_sent;

/// One byte more than a datagram may have, so that a longer one shows.
const SLOT_BYTES: usize = DATAGRAM_BYTES_MAX + 1;

/// At most `N` received datagrams. Stays on the thread that made it.
#[derive(Debug)]
pub struct StampedBatch<const N: usize> {
    headers: MultiHeaders<()>,
    control: Vec<u8>,
    slots: Box<[u8]>,
    received: Vec<(Option<u64>, usize)>,
}

impl<const N: usize> Default for StampedBatch<N> {
    fn default() -> Self {
        Self {
            headers: MultiHeaders::preallocate(N, Some(cmsg_space!(TimeSpec))),
            control: cmsg_space!(TimeSpec),
            slots: vec![0; SLOT_BYTES * N].into_boxed_slice(),
            received: Vec::with_capacity(N),
        }
    }
}

impl<const N: usize> StampedBatch<N> {
    /// The datagrams of the last receive in order, each with the microsecond of wall time at which it arrived (`None` if
    /// the socket does not stamp). Longer ones than a datagram may be are left out.
    pub fn datagrams_mut(&mut self) -> impl Iterator<Item = (Option<u64>, &mut [u8])> {
        let slots = self.slots.chunks_exact_mut(SLOT_BYTES);
        let received = self.received.iter().zip(slots);
        received.filter_map(|(&(wall_us, length), slot)| {
            let datagram = slot.get_mut(..length).filter(|_| length <= DATAGRAM_BYTES_MAX)?;
            Some((wall_us, datagram))
        })
    }
}

impl BatchSocket {
    /// Has the kernel note when each datagram arrives, for [`recv_stamped`](Self::recv_stamped). It begins to do so a
    /// moment after the first socket of the machine asked; what comes before is stamped when it is read.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn stamp_arrivals(&self) -> io::Result<()> {
        Ok(setsockopt(self, sockopt::ReceiveTimestampns, &true)?)
    }

    /// Receives what is waiting, at most `N` datagrams, without sleeping: 0 when nothing is there, `N` when there may be
    /// more.
    ///
    /// # Errors
    /// As the operating system says; never for what a peer causes.
    pub fn recv_stamped<const N: usize>(&self, batch: &mut StampedBatch<N>) -> io::Result<usize> {
        batch.received.clear();
        let received = if N == 1 {
            self.recv_one(batch)
        } else {
            self.recv_many(batch)
        };
        match received {
            Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(batch.received.len()),
            Err(errno) if is_of_sent(errno) => Ok(batch.received.len()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The plain call: a batch of one costs a fifth more.
    fn recv_one<const N: usize>(&self, batch: &mut StampedBatch<N>) -> nix::Result<()> {
        let mut vector = [IoSliceMut::new(&mut batch.slots)];
        let control = Some(batch.control.as_mut_slice());
        let message = recvmsg::<()>(self.as_raw_fd(), &mut vector, control, MsgFlags::MSG_DONTWAIT)?;
        batch.received.push((stamp(&message), message.bytes));
        Ok(())
    }

    fn recv_many<const N: usize>(&self, batch: &mut StampedBatch<N>) -> nix::Result<()> {
        let mut slots = batch.slots.chunks_exact_mut(SLOT_BYTES);
        let mut vectors: [[IoSliceMut<'_>; 1]; N] =
            std::array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
        let (headers, vectors) = (&mut batch.headers, vectors.iter_mut());
        let messages = recvmmsg(self.as_raw_fd(), headers, vectors, MsgFlags::MSG_DONTWAIT, None)?;
        let messages = messages.map(|message| (stamp(&message), message.bytes));
        batch.received.extend(messages);
        Ok(())
    }
}

fn stamp(message: &RecvMsg<'_, '_, ()>) -> Option<u64> {
    message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => u64::try_from(Duration::from(at).as_micros()).ok(),
        _ => None,
    })
}
