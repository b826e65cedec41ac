//! A shard's UDP socket: received 64 at a time, sent 64 at a time; and the queues of its browsers, which are taken and left a
//! round's worth at a time.

use std::net::SocketAddr;
use std::sync::Arc;

use net::udp::{BATCH_DATAGRAMS, BatchSocket, RecvBatch, SendBatch, SendReport};

use super::browser_queues::{BrowserQueues, Sent};
use crate::edge::{BrowserId, DatagramSink};

/// Full receives of one round: after that the others get their turn.
const RECEIVES_MAX: usize = 16;

/// The sending half, as the session core sees it.
pub(super) struct Datagrams {
    socket: BatchSocket,
    send: SendBatch,
    report: SendReport,
    browsers: Arc<BrowserQueues>,
    to_browsers: Vec<Sent>,
}

/// How many receives a round still has.
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(RECEIVES_MAX)
    }
}

impl Datagrams {
    pub(super) fn new(socket: BatchSocket, browsers: Arc<BrowserQueues>) -> Self {
        Self {
            socket,
            send: SendBatch::default(),
            report: SendReport::default(),
            browsers,
            to_browsers: Vec::new(),
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

    /// What browsers have sent, by their thread.
    pub(super) fn of_browsers(&self, into: &mut Vec<Sent>) {
        self.browsers.take(into);
    }

    /// Whether there is any.
    pub(super) fn browsers_have_sent(&self) -> bool {
        self.browsers.has_some()
    }

    /// Whether that wakes the shard's thread.
    pub(super) fn browsers_wake(&self, wakes: bool) {
        self.browsers.wake_for_each(wakes);
    }

    /// Hands everything to the kernel, and to the browsers' thread what is for them; what became of all since the last time.
    pub(super) fn flush(&mut self) -> SendReport {
        self.browsers.leave(&mut self.to_browsers);
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

    fn send_to_browser(&mut self, to: BrowserId, datagram: &[u8]) {
        self.to_browsers.push((to, datagram.to_vec()));
    }
}
