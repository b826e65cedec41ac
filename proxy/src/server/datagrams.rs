//! A shard's UDP socket: received 64 at a time, sent 64 at a time.

use std::net::SocketAddr;

use net::udp::{BATCH_DATAGRAMS, BatchSocket, RecvBatch, SendBatch, SendReport};

use crate::edge::DatagramSink;

/// Full receives of one round: after that the others get their turn.
const RECEIVES_MAX: usize = 16;

/// The sending half, as the session core sees it.
pub(super) struct Datagrams {
    socket: BatchSocket,
    send: SendBatch,
    report: SendReport,
}

/// How many receives a round still has.
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(RECEIVES_MAX)
    }
}

impl Datagrams {
    pub(super) fn new(socket: BatchSocket) -> Self {
        Self {
            socket,
            send: SendBatch::default(),
            report: SendReport::default(),
        }
    }

    pub(super) fn socket(&self) -> &BatchSocket {
        &self.socket
    }

    /// Receives up to 64 datagrams, while there are any and the budget lasts; how many.
    pub(super) fn receive(&self, into: &mut RecvBatch, budget: &mut Budget) -> Option<usize> {
        budget.0 = budget.0.checked_sub(1)?;
        let count = match self.socket.recv_batch(into) {
            Ok(count) => count,
            Err(error) => {
                tracing::error!(%error, "a shard cannot receive");
                0
            }
        };
        if count < BATCH_DATAGRAMS {
            budget.0 = 0;
        }
        (count > 0).then_some(count)
    }

    /// Hands everything to the kernel; what became of all since the last time.
    pub(super) fn flush(&mut self) -> SendReport {
        self.report += self.send.flush(&self.socket);
        std::mem::take(&mut self.report)
    }
}

impl DatagramSink for Datagrams {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.send.push(to, datagram);
        // So that they are still in the cache.
        if self.send.len() >= BATCH_DATAGRAMS {
            self.report += self.send.flush(&self.socket);
        }
    }
}
