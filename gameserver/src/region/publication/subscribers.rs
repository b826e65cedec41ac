//! All who want something of a region, each with what it has and may still be told in this tick. Pure: the region wires
//! it to its cells, its players and what goes out.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::ids::ProxyLane;

use super::batches::Batches;
use super::overflow::Overflow;
use super::room::Room;
use super::subscriber::Subscriber;
use super::subscription::{Subscription, Turn};
use crate::region::cells::Cells;
use crate::region::entity::Entities;
use crate::region::event_lanes::EventLanes;

/// What is said of a tick, and to whom.
#[derive(Debug)]
pub(super) enum Said {
    /// One message of encoded cells.
    Cells(Subscriber, Vec<Bytes>),
    /// That was all of this tick. Players are shown whole ticks; a neighbour needs no end.
    End(ProxyLane),
}

/// All subscribers of a region.
#[derive(Debug, Default)]
pub(in crate::region) struct Publication {
    cells: usize,
    subscribers: BTreeMap<Subscriber, Subscription>,
    said: Batches,
    overflow: Overflow,
    /// What lanes take of events.
    pub(in crate::region) events: EventLanes,
}

impl Publication {
    /// Of a region with so many cells.
    pub(in crate::region) fn new(cells: usize) -> Self {
        Self {
            cells,
            ..Self::default()
        }
    }

    pub(super) fn subscribe(&mut self, by: Subscriber, cell: u32) {
        let cells = self.cells;
        let subscription = self.subscribers.entry(by);
        // Room comes with the next tick.
        subscription
            .or_insert_with(|| Subscription::new(cells, 0))
            .subscribe(cell);
    }

    pub(super) fn unsubscribe(&mut self, by: Subscriber, cell: u32) {
        if let Some(subscription) = self.subscribers.get_mut(&by) {
            subscription.unsubscribe(cell);
        }
    }

    /// Its link is gone, and with it all that it wanted.
    pub(in crate::region) fn gone(&mut self, subscriber: Subscriber) {
        self.subscribers.remove(&subscriber);
        if let Subscriber::Lane(lane) = subscriber {
            self.events.gone(lane);
        }
    }

    pub(in crate::region) fn subscriptions(&self) -> usize {
        self.subscribers.values().map(Subscription::wanted).sum()
    }

    /// Whether a proxy sees anything of the region.
    pub(in crate::region) fn is_watched_by_proxies(&self) -> bool {
        let mut subscribers = self.subscribers.iter();
        subscribers.any(|(who, what)| matches!(who, Subscriber::Lane(_)) && what.wanted() > 0)
    }

    /// Cells that wait for a tick with room, of all subscribers.
    pub(in crate::region) fn waiting(&self) -> usize {
        self.subscribers.values().map(Subscription::waiting).sum()
    }

    /// How often each rule for those who cannot take everything came into play.
    pub(in crate::region) fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// A tick is about to be told; the turns in which players get their own states.
    pub(super) fn open(&mut self, room: &mut dyn Room) -> &'static [Turn] {
        let mut later = false;
        for (subscriber, subscription) in &mut self.subscribers {
            subscription.open(room.room_bytes(*subscriber));
            later |= subscription.starts_later();
        }
        if later {
            &[Turn::FromStart, Turn::BeforeStart]
        } else {
            &[Turn::FromStart]
        }
    }

    /// Where a player's own state goes.
    pub(super) fn of_player(&mut self, lane: Subscriber, room: &mut dyn Room) -> &mut Subscription {
        let cells = self.cells;
        let subscription = self.subscribers.entry(lane);
        subscription.or_insert_with(|| Subscription::new(cells, room.room_bytes(lane)))
    }

    pub(super) fn end_own_states(&mut self) {
        self.subscribers
            .values_mut()
            .for_each(Subscription::end_own_states);
    }

    /// Tells each subscriber of the cells, as far as its room goes, and that the tick is over.
    pub(super) fn publish(
        &mut self,
        tick: u64,
        cells: &mut Cells,
        entities: &Entities,
        mut say: impl FnMut(Said),
    ) {
        for (&to, subscription) in &mut self.subscribers {
            if subscription.listens() {
                subscription.publish(tick, cells, entities, &mut self.said);
                self.said.take(|cells| say(Said::Cells(to, cells)));
                self.overflow += subscription.take_overflow();
                if let Subscriber::Lane(lane) = to {
                    say(Said::End(lane));
                }
            }
        }
    }
}
