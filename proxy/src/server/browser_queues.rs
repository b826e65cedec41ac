//! Datagrams between a shard's thread and the one that speaks QUIC. Each direction has a queue, bounded in bytes: where the
//! other side is too slow, the oldest datagrams are dropped, for newer ones say more. Nobody waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, counter};
use net::udp::Waker;
use tokio::sync::Notify;

use crate::edge::BrowserId;

/// Bytes that wait for a shard.
const TO_SHARD_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that a shard has left for browsers: what a thousand of them are sent in a tick, three times.
const TO_BROWSERS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What one datagram counts beside its own bytes.
const OVERHEAD_BYTES: usize = 64;

/// A datagram with the session that it is from or for.
pub(super) type Sent = (BrowserId, Vec<u8>);

/// One direction.
struct Queue {
    waiting: VecDeque<Sent>,
    bytes: usize,
    bytes_max: usize,
    dropped: Counter,
}

impl Queue {
    fn new(bytes_max: usize, dropped: Counter) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            bytes_max,
            dropped,
        }
    }

    fn push(&mut self, sent: Sent) {
        self.bytes += sent.1.len() + OVERHEAD_BYTES;
        self.waiting.push_back(sent);
        while self.bytes > self.bytes_max
            && let Some((_, oldest)) = self.waiting.pop_front()
        {
            self.bytes -= oldest.len() + OVERHEAD_BYTES;
            self.dropped.increment(1);
        }
    }

    fn take(&mut self, into: &mut Vec<Sent>) {
        self.bytes = 0;
        into.extend(self.waiting.drain(..));
    }
}

/// Both directions of one shard.
pub(super) struct BrowserQueues {
    to_shard: Mutex<Queue>,
    to_browsers: Mutex<Queue>,
    /// Whether the shard's thread is to be woken: one that reads its clients on a cadence comes by itself.
    wakes: AtomicBool,
    shard: Waker,
    relay: Arc<Notify>,
}

impl BrowserQueues {
    /// `shard` wakes the shard's thread, `relay` the other one.
    pub(super) fn new(shard: Waker, relay: Arc<Notify>) -> Self {
        let dropped =
            |direction| counter!("regionmesh_proxy_webtransport_dropped_total", "direction" => direction);
        Self {
            to_shard: Mutex::new(Queue::new(TO_SHARD_BYTES_MAX, dropped("in"))),
            to_browsers: Mutex::new(Queue::new(TO_BROWSERS_BYTES_MAX, dropped("out"))),
            wakes: AtomicBool::new(true),
            shard,
            relay,
        }
    }

    /// A browser's datagram, for the shard.
    pub(super) fn bring(&self, sent: Sent) {
        with(&self.to_shard, |queue| queue.push(sent));
        if self.wakes.load(Ordering::Relaxed) {
            self.shard.wake();
        }
    }

    /// Whether the shard's thread is to be woken for each.
    pub(super) fn wake_for_each(&self, wakes: bool) {
        self.wakes.store(wakes, Ordering::Relaxed);
    }

    /// Whether browsers have sent something.
    pub(super) fn has_some(&self) -> bool {
        with(&self.to_shard, |queue| !queue.waiting.is_empty())
    }

    /// What browsers have sent, in order.
    pub(super) fn take(&self, into: &mut Vec<Sent>) {
        with(&self.to_shard, |queue| queue.take(into));
    }

    /// What a round of the shard has for browsers.
    pub(super) fn leave(&self, round: &mut Vec<Sent>) {
        if round.is_empty() {
            return;
        }
        with(&self.to_browsers, |queue| {
            round.drain(..).for_each(|sent| queue.push(sent));
        });
        self.relay.notify_one();
    }

    /// All that shards have left.
    pub(super) fn fetch(&self, into: &mut Vec<Sent>) {
        with(&self.to_browsers, |queue| queue.take(into));
    }
}

fn with<T>(queue: &Mutex<Queue>, act: impl FnOnce(&mut Queue) -> T) -> T {
    act(&mut queue.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues() -> BrowserQueues {
        BrowserQueues::new(Waker::new().unwrap(), Arc::default())
    }

    #[test]
    fn what_is_brought_is_taken_in_order_and_once() {
        let queues = queues();
        for number in 0..3 {
            queues.bring((BrowserId(number), vec![number as u8]));
        }
        let mut taken = Vec::new();
        queues.take(&mut taken);
        let ids: Vec<u64> = taken.iter().map(|(browser, _)| browser.0).collect();
        assert_eq!(ids, [0, 1, 2]);
        taken.clear();
        queues.take(&mut taken);
        queues.fetch(&mut taken);
        assert_eq!(taken, []);
    }

    #[test]
    fn a_side_that_takes_nothing_costs_so_many_bytes_and_keeps_the_newest() {
        let queues = queues();
        let mut round = Vec::new();
        for number in 0..20_000 {
            queues.bring((BrowserId(number), vec![0; 1_200]));
            round.push((BrowserId(number), vec![0; 1_200]));
            queues.leave(&mut round);
        }
        for (queue, bytes_max) in [
            (&queues.to_shard, TO_SHARD_BYTES_MAX),
            (&queues.to_browsers, TO_BROWSERS_BYTES_MAX),
        ] {
            let mut kept = Vec::new();
            let bytes = with(queue, |queue| queue.bytes);
            with(queue, |queue| queue.take(&mut kept));
            let fit = bytes_max / (1_200 + OVERHEAD_BYTES);
            assert_eq!((kept.len(), bytes), (fit, fit * (1_200 + OVERHEAD_BYTES)));
            assert_eq!(kept.last().map(|(browser, _)| browser.0), Some(19_999));
            assert_eq!(with(queue, |queue| queue.bytes), 0);
        }
    }
}
