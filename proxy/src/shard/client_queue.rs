//! What waits to go to one client over its stream. Of snapshots the newest: one that has not left when the next is made never
//! does. At most 256 KiB or two seconds of it: then what the next tick says again is
//! dropped, and when that is not enough the client is too slow and is told so.

use std::collections::VecDeque;

use protocol::message::family::{BatchMessage, ProxyToClient};

/// How much a client's stream takes. Smaller than it is by default only where what happens at the limits is to happen often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRoom {
    /// Bytes that may wait.
    pub queue_bytes: usize,
    /// How long a message may wait, milliseconds.
    pub queue_ms: u64,
    /// Sealed bytes that the kernel has not taken: beyond them nothing more is sealed, so that what is soft can still be
    /// dropped.
    pub unsent_bytes: usize,
}

impl Default for StreamRoom {
    fn default() -> Self {
        Self {
            queue_bytes: 256 * 1024,
            queue_ms: 2_000,
            unsent_bytes: 16 * 1024,
        }
    }
}

/// Whether the client can do without a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// A newer one takes its place.
    Latest,
    /// The next one says it better.
    Soft,
    Reliable,
}

fn need(message: &ProxyToClient) -> Need {
    match message {
        ProxyToClient::Snapshot(_) => Need::Latest,
        ProxyToClient::Notice(_) | ProxyToClient::News(_) | ProxyToClient::Ping(_) => Need::Soft,
        _ => Need::Reliable,
    }
}

#[derive(Debug)]
struct Message {
    encoded: Vec<u8>,
    need: Need,
    since_ms: u64,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits.
    Waits,
    /// It waits, or is of no use any more; so many soft ones were dropped.
    Dropped(u64),
    /// It must arrive, and finds no room: the client is too slow. Nothing waits any more.
    TooSlow,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct ClientQueue {
    room: StreamRoom,
    messages: VecDeque<Message>,
    bytes: usize,
}

impl ClientQueue {
    pub(super) fn new(room: StreamRoom) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    /// Puts a message at the end.
    pub(super) fn push(&mut self, message: &ProxyToClient, now_ms: u64) -> Pushed {
        let (need, length) = (need(message), message.encoded_len());
        let mut dropped = match need {
            Need::Latest => self.drop_overtaken(now_ms),
            _ => 0,
        };
        if self.is_over(length, now_ms) {
            dropped += self.drop_soft();
            if need != Need::Reliable {
                return Pushed::Dropped(dropped + 1);
            }
            if self.is_over(length, now_ms) {
                *self = Self::new(self.room);
                return Pushed::TooSlow;
            }
        }
        let mut encoded = Vec::with_capacity(length);
        message.encode(&mut encoded);
        self.bytes += encoded.len();
        self.messages.push_back(Message {
            encoded,
            need,
            since_ms: now_ms,
        });
        match dropped {
            0 => Pushed::Waits,
            dropped => Pushed::Dropped(dropped),
        }
    }

    fn is_over(&self, more: usize, now_ms: u64) -> bool {
        let oldest = self.messages.front();
        self.bytes + more > self.room.queue_bytes
            || oldest.is_some_and(|message| now_ms.saturating_sub(message.since_ms) > self.room.queue_ms)
    }

    /// Snapshots that have waited since an earlier round: of one round all may leave together.
    fn drop_overtaken(&mut self, now_ms: u64) -> u64 {
        self.drop_all_but(|message| message.need != Need::Latest || message.since_ms >= now_ms)
    }

    fn drop_soft(&mut self) -> u64 {
        self.drop_all_but(|message| message.need == Need::Reliable)
    }

    fn drop_all_but(&mut self, stays: impl Fn(&Message) -> bool) -> u64 {
        let before = self.messages.len();
        self.messages.retain(stays);
        if before == self.messages.len() {
            return 0;
        }
        self.bytes = self.messages.iter().map(|message| message.encoded.len()).sum();
        (before - self.messages.len()) as u64
    }

    /// Appends whole messages to `out`, in order, up to `bytes_max` of them (one at least).
    pub(super) fn take(&mut self, bytes_max: usize, out: &mut Vec<u8>) {
        let start = out.len();
        while let Some(message) = self.messages.pop_front_if(|message| {
            out.len() == start || out.len() - start + message.encoded.len() <= bytes_max
        }) {
            self.bytes -= message.encoded.len().min(self.bytes);
            out.extend_from_slice(&message.encoded);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
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
        let mut queue = ClientQueue::default();
        assert_eq!(queue.push(&event(1, 1000), 0), Pushed::Waits);
        let dropped: u64 = (0..300)
            .map(|_| match queue.push(&snapshot(1000), 0) {
                Pushed::Dropped(count) => count,
                _ => 0,
            })
            .sum();
        assert!(queue.bytes <= StreamRoom::default().queue_bytes);
        let soft = queue.messages.len() as u64 - 1;
        assert_eq!(dropped + soft, 300, "what is dropped is told");
        for number in 2..250 {
            assert_ne!(queue.push(&event(number, 1000), 0), Pushed::TooSlow);
        }
        assert_eq!(queue.messages.len(), 249);
        let slow = (250..280).find(|number| queue.push(&event(*number, 1000), 0) == Pushed::TooSlow);
        assert!(slow.is_some() && queue.is_empty());
    }

    #[test]
    fn only_what_is_said_again_is_ever_dropped() {
        let reliable: [ProxyToClient; 5] = [
            client::World::default().into(),
            client::Playing::default().into(),
            client::CommandAck::default().into(),
            client::Event::default().into(),
            client::TicketRenewal::default().into(),
        ];
        for message in &reliable {
            assert_eq!(need(message), Need::Reliable, "{message:?}");
        }
        assert_eq!(need(&snapshot(1)), Need::Latest);
        assert_eq!(need(&client::Ping::default().into()), Need::Soft);
    }

    #[test]
    fn a_snapshot_that_has_not_left_gives_way_to_the_next_and_nothing_else_does() {
        let mut queue = ClientQueue::default();
        queue.push(&event(1, 10), 0);
        queue.push(&snapshot(10), 0);
        assert_eq!(queue.push(&snapshot(20), 0), Pushed::Waits, "of the same round");
        queue.push(&client::Ping::default().into(), 1);
        assert_eq!(queue.push(&snapshot(30), 50), Pushed::Dropped(2));
        assert_eq!(queue.push(&snapshot(40), 100), Pushed::Dropped(1));
        let mut out = Vec::new();
        queue.take(usize::MAX, &mut out);
        let wanted = [event(1, 10), client::Ping::default().into(), snapshot(40)];
        let mut expected = Vec::new();
        wanted.iter().for_each(|message| message.encode(&mut expected));
        assert!(out == expected && queue.bytes == 0);
    }

    #[test]
    fn two_seconds_are_too_long_however_little_waits() {
        let mut queue = ClientQueue::default();
        queue.push(&snapshot(10), 0);
        let both = queue.push(&snapshot(10), 2_001);
        assert_eq!(both, Pushed::Dropped(1), "the new one takes its place");
        let mut queue = ClientQueue::default();
        queue.push(&client::Ping::default().into(), 0);
        let both = queue.push(&client::Ping::default().into(), 2_001);
        assert_eq!(both, Pushed::Dropped(2), "the old one, and the new one with it");
        queue.push(&event(1, 10), 3_000);
        assert_eq!(queue.push(&event(2, 10), 5_000), Pushed::Waits);
        assert_eq!(queue.push(&event(3, 10), 5_001), Pushed::TooSlow);
    }

    #[test]
    fn frames_hold_whole_messages_in_order() {
        let mut queue = ClientQueue::default();
        for number in 1..=3 {
            queue.push(&event(number, 100), 0);
        }
        let (mut out, one) = (Vec::new(), event(1, 100).encoded_len());
        queue.take(250, &mut out);
        assert_eq!(out.len(), 2 * one);
        out.clear();
        queue.take(10, &mut out);
        assert_eq!(out.len(), one, "one goes, however long it is");
        assert!(queue.is_empty());
    }
}
