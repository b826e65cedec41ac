//! What waits to go to one client over TCP. At most 256 KiB or two seconds of it: then what the next tick says again is
//! dropped, and when that is not enough the client is too slow and is told so.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use protocol::Code;
use protocol::ids::RegionNumber;
use protocol::message::family::{BatchMessage, ProxyToClient};
use tokio::sync::Notify;

/// Bytes that may wait.
const QUEUE_BYTES_MAX: usize = 256 * 1024;
/// How long a message may wait, milliseconds.
const QUEUE_MS_MAX: u64 = 2_000;

/// Whether the client can do without a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// The next one says it better.
    Soft,
    Reliable,
}

fn need(message: &ProxyToClient) -> Need {
    match message {
        ProxyToClient::Snapshot(_) | ProxyToClient::Notice(_) | ProxyToClient::Ping(_) => Need::Soft,
        _ => Need::Reliable,
    }
}

#[derive(Debug)]
struct Message {
    encoded: Vec<u8>,
    need: Need,
    since_ms: u64,
}

/// The queue itself, pure.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    bytes: usize,
    closing: Option<Code>,
}

impl Waiting {
    fn push(&mut self, message: &ProxyToClient, now_ms: u64) {
        if self.closing.is_some() {
            return;
        }
        let mut encoded = Vec::with_capacity(message.encoded_len());
        message.encode(&mut encoded);
        let need = need(message);
        if self.is_over(encoded.len(), now_ms) {
            self.drop_soft();
            if need == Need::Soft {
                metrics::counter!("regionmesh_proxy_client_dropped_total").increment(1);
                return;
            }
            if self.is_over(encoded.len(), now_ms) {
                self.close(Code::SlowConsumer);
                return;
            }
        }
        self.bytes += encoded.len();
        self.messages.push_back(Message {
            encoded,
            need,
            since_ms: now_ms,
        });
    }

    fn is_over(&self, more: usize, now_ms: u64) -> bool {
        let oldest = self.messages.front();
        self.bytes + more > QUEUE_BYTES_MAX
            || oldest.is_some_and(|message| now_ms.saturating_sub(message.since_ms) > QUEUE_MS_MAX)
    }

    fn drop_soft(&mut self) {
        let before = self.messages.len();
        self.messages.retain(|message| message.need == Need::Reliable);
        self.bytes = self.messages.iter().map(|message| message.encoded.len()).sum();
        let dropped = (before - self.messages.len()) as u64;
        metrics::counter!("regionmesh_proxy_client_dropped_total").increment(dropped);
    }

    fn close(&mut self, code: Code) {
        if self.closing.is_none() {
            self.closing = Some(code);
            if code == Code::SlowConsumer {
                self.messages.clear();
                self.bytes = 0;
            }
        }
    }

    /// Whole messages up to `bytes_max`, in order.
    fn take(&mut self, bytes_max: usize, out: &mut Vec<u8>) {
        while let Some(message) = self.messages.front() {
            if !out.is_empty() && out.len() + message.encoded.len() > bytes_max {
                return;
            }
            self.bytes -= message.encoded.len().min(self.bytes);
            out.extend_from_slice(&message.encoded);
            self.messages.pop_front();
        }
    }
}

/// What the writer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait.
    Nothing,
    /// Send what was taken.
    Send,
    /// Everything is sent: say goodbye.
    Close(Code),
}

/// The queue as shard and peer share it.
#[derive(Debug, Default)]
pub(super) struct ClientQueue {
    waiting: Mutex<Waiting>,
    wake: Notify,
    ending: Notify,
    region: AtomicU32,
}

impl ClientQueue {
    /// Queues a message; never waits.
    pub(super) fn push(&self, message: &ProxyToClient, now_ms: u64) {
        if let ProxyToClient::Playing(playing) = message {
            self.region.store(playing.region, Ordering::Relaxed);
        }
        self.with(|waiting| waiting.push(message, now_ms));
        self.wake.notify_one();
    }

    /// Sends what waits, then says goodbye. The first code counts.
    pub(super) fn close(&self, code: Code) {
        self.with(|waiting| waiting.close(code));
        self.ending.notify_one();
        self.wake.notify_one();
    }

    /// The region of the player's owner, once it plays.
    pub(super) fn region(&self) -> Option<RegionNumber> {
        Some(RegionNumber(self.region.load(Ordering::Relaxed))).filter(|region| region.0 > 0)
    }

    /// Takes messages for one frame of at most `bytes_max` into the empty `out`.
    pub(super) fn take(&self, bytes_max: usize, out: &mut Vec<u8>) -> Next {
        self.with(|waiting| {
            waiting.take(bytes_max, out);
            match (out.is_empty(), waiting.closing) {
                (false, _) => Next::Send,
                (true, Some(code)) => Next::Close(code),
                (true, None) => Next::Nothing,
            }
        })
    }

    /// Why the connection is ending, if it is.
    pub(super) fn closing(&self) -> Option<Code> {
        self.with(|waiting| waiting.closing)
    }

    /// Resolves when there may be something to take.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Resolves when the connection shall end.
    pub(super) async fn ending(&self) {
        while self.closing().is_none() {
            self.ending.notified().await;
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::client;

    fn event(number: u64, bytes: usize) -> ProxyToClient {
        client::Event {
            number,
            body: vec![0; bytes].into(),
        }
        .into()
    }

    fn snapshot(bytes: usize) -> ProxyToClient {
        client::Snapshot {
            own: vec![0; bytes].into(),
            ..Default::default()
        }
        .into()
    }

    #[test]
    fn soft_updates_give_way_to_events_and_events_are_never_dropped_silently() {
        let mut waiting = Waiting::default();
        waiting.push(&event(1, 1000), 0);
        for _ in 0..300 {
            waiting.push(&snapshot(1000), 0);
        }
        assert!(waiting.bytes <= QUEUE_BYTES_MAX);
        for number in 2..250 {
            waiting.push(&event(number, 1000), 0);
        }
        assert_eq!(waiting.closing, None);
        assert_eq!(
            waiting
                .messages
                .iter()
                .filter(|m| m.need == Need::Reliable)
                .count(),
            249
        );
        for number in 250..280 {
            waiting.push(&event(number, 1000), 0);
        }
        assert_eq!(waiting.closing, Some(Code::SlowConsumer));
    }

    #[test]
    fn two_seconds_are_too_long_however_little_waits() {
        let mut waiting = Waiting::default();
        waiting.push(&snapshot(10), 0);
        waiting.push(&snapshot(10), 2_001);
        assert_eq!(
            waiting.messages.len(),
            0,
            "the old one is dropped, and the new one with it"
        );
        waiting.push(&event(1, 10), 3_000);
        waiting.push(&event(2, 10), 5_000);
        assert_eq!(waiting.closing, None);
        waiting.push(&event(3, 10), 5_001);
        assert_eq!(waiting.closing, Some(Code::SlowConsumer));
    }

    #[test]
    fn frames_hold_whole_messages_in_order_and_the_goodbye_comes_last() {
        let queue = ClientQueue::default();
        for number in 1..=3 {
            queue.push(&event(number, 100), 0);
        }
        queue.close(Code::Kicked);
        let mut out = Vec::new();
        assert_eq!(queue.take(250, &mut out), Next::Send);
        assert_eq!(out.len(), event(1, 100).encoded_len() * 2);
        out.clear();
        assert_eq!(queue.take(250, &mut out), Next::Send);
        out.clear();
        assert_eq!(queue.take(250, &mut out), Next::Close(Code::Kicked));
        queue.push(&event(4, 1), 0);
        assert_eq!(queue.take(250, &mut out), Next::Close(Code::Kicked));
    }
}
