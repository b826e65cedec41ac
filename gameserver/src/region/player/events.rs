//! The events of one player: what its client is still to hear, in order, and what it has not acknowledged.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::ids::{EventNumber, OwnerEpoch};
use protocol::limits::{EVENTS_PENDING_BYTES_MAX, EVENTS_PENDING_MAX};
use protocol::message::checked::CheckedEvent;
use protocol::message::handover::PendingEvent;

use super::held::Held;

#[derive(Clone, Debug)]
struct Outgoing {
    number: u64,
    body: Bytes,
    durable: bool,
}

/// Events whose numbers a crash may have taken along: more than anybody is told between two saves of its row.
const FORGOTTEN_MAX: u64 = 1 << 20;
/// Owner epochs that have numbers of their own: as many as leave [`NUMBER_MAX`](protocol::limits::NUMBER_MAX) out of reach.
const EPOCHS_APART: u64 = 1 << 40;

/// Events to the client, kept until they are acknowledged. Durable ones go out once the store has them, and survive with
/// the row; soft ones are this owner's alone, and when there is no room the oldest of them give way.
#[derive(Clone, Debug, Default)]
pub(in crate::region) struct Events {
    last: u64,
    sent: u64,
    bytes: usize,
    waiting: VecDeque<Outgoing>,
    held: Held,
}

impl Events {
    /// Whether there is no room for another durable event.
    pub(in crate::region) fn is_full(&self) -> bool {
        let durable = self.waiting.iter().filter(|event| event.durable);
        let (count, bytes) = durable.fold((0, 0), |(count, bytes), event| {
            (count + 1, bytes + event.body.len())
        });
        count >= EVENTS_PENDING_MAX || bytes >= EVENTS_PENDING_BYTES_MAX
    }

    /// Whether there are events that no commit under way covers.
    pub(in crate::region) fn awaits_commit(&self) -> bool {
        self.held.awaits_commit()
    }

    /// The last number that was given to an event.
    pub(in crate::region) fn last(&self) -> u64 {
        self.last
    }

    /// The row is older than the last words of whoever had the player before: their numbers are not used again, or the
    /// client would take a new event for one that it has. The row may be as old as that at the next crash too, so the distance
    /// grows with the epoch, which nobody has had before.
    pub(in crate::region) fn skip_forgotten(&mut self, epoch: OwnerEpoch) {
        let of_epoch = epoch.0 % EPOCHS_APART * FORGOTTEN_MAX;
        self.last = self.last.saturating_add(FORGOTTEN_MAX).max(of_epoch);
    }

    /// Whether the event was taken. A durable one is sent once what is captured after now is in the store.
    pub(in crate::region) fn push(&mut self, body: Bytes, durable: bool) -> bool {
        while self.waiting.len() >= EVENTS_PENDING_MAX || self.bytes + body.len() > EVENTS_PENDING_BYTES_MAX {
            let Some(soft) = self.waiting.iter().position(|event| !event.durable) else {
                return false;
            };
            self.bytes -= self.waiting.remove(soft).map_or(0, |event| event.body.len());
        }
        self.last += 1;
        self.bytes += body.len();
        if durable {
            self.held.hold(self.last);
        }
        self.waiting.push_back(Outgoing {
            number: self.last,
            body,
            durable,
        });
        true
    }

    /// Calls `send` with each event that may go out and has not yet, in order, until it takes none; whether it has taken all.
    pub(in crate::region) fn send(&mut self, mut send: impl FnMut(u64, &Bytes) -> bool) -> bool {
        let limit = self.held.limit(self.last);
        for event in &self.waiting {
            if event.number > self.sent && event.number <= limit {
                if !send(event.number, &event.body) {
                    return false;
                }
                self.sent = event.number;
            }
        }
        self.sent = self.sent.max(limit);
        true
    }

    pub(super) fn begin_commit(&mut self) {
        self.held.begin();
    }

    pub(super) fn finish_commit(&mut self) {
        self.held.release();
    }

    /// The client has them up to here.
    pub(in crate::region) fn acknowledge(&mut self, number: u64) {
        self.last = self.last.max(number);
        self.sent = self.sent.max(number);
        self.forget(|event| event.number <= number);
    }

    /// Sends again what is not acknowledged.
    pub(in crate::region) fn repeat(&mut self) {
        self.sent = 0;
    }

    fn forget(&mut self, gone: impl Fn(&Outgoing) -> bool) {
        self.waiting.retain(|event| !gone(event));
        self.bytes = self.waiting.iter().map(|event| event.body.len()).sum();
    }

    pub(super) fn durable(&self) -> Vec<PendingEvent> {
        let durable = self.waiting.iter().filter(|event| event.durable);
        durable
            .map(|event| PendingEvent {
                number: event.number,
                body: event.body.clone(),
            })
            .collect()
    }

    pub(super) fn restore(last: EventNumber, events: Vec<CheckedEvent>) -> Self {
        let waiting = events.into_iter().map(|event| Outgoing {
            number: event.number.0,
            body: event.body,
            durable: true,
        });
        let mut restored = Self {
            last: last.0,
            waiting: waiting.collect(),
            ..Self::default()
        };
        restored.bytes = restored.waiting.iter().map(|event| event.body.len()).sum();
        restored
    }
}

#[cfg(test)]
mod tests;
