//! How much each subscriber takes in a tick: its credit, less what still waits in the queue of its link. The regions of a
//! process share that, and take turns being first.

use std::sync::Arc;

use arc_swap::Guard;
use net::link::LinkSender;

use super::link_table::{Links, Side};
use super::switchboard::Switchboard;
use crate::region::{CREDIT_BYTES, Room, Subscriber};

/// Whether a region may use the whole credit in this tick. The others leave half of it, so that whoever is first finds
/// room however much they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    First,
    Later,
}

impl Turn {
    /// The turn of the region with number `ordinal` of `regions` in this tick: each is first once in so many ticks.
    pub(super) fn of(ordinal: usize, regions: usize, tick: u64) -> Self {
        let first = tick.checked_rem(regions as u64);
        if first.is_none_or(|first| first == ordinal as u64) {
            Self::First
        } else {
            Self::Later
        }
    }

    fn credit_bytes(self) -> usize {
        match self {
            Self::First => CREDIT_BYTES,
            Self::Later => CREDIT_BYTES / 2,
        }
    }
}

/// The rooms of one region in one tick.
pub(super) struct LinkRoom<'a> {
    board: &'a Switchboard,
    links: Guard<Arc<Links>>,
    turn: Turn,
}

impl<'a> LinkRoom<'a> {
    pub(super) fn new(board: &'a Switchboard, turn: Turn) -> Self {
        Self {
            board,
            links: board.links.load(),
            turn,
        }
    }
}

impl Room for LinkRoom<'_> {
    fn room_bytes(&mut self, subscriber: Subscriber) -> usize {
        let queued = match subscriber {
            Subscriber::Lane(lane) => self.links.proxies.get(&lane).map(LinkSender::queued_bytes),
            // What regions of one process say to each other waits in their inboxes.
            Subscriber::Server(node) if node == self.board.node => Some(0),
            // Who dialed asked for the cells.
            Subscriber::Server(node) => {
                let link = self.links.servers.get(&(Side::Accepted, node));
                link.map(LinkSender::queued_bytes)
            }
        };
        queued.map_or(0, |bytes| self.turn.credit_bytes().saturating_sub(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_is_first_in_its_turn() {
        for tick in 0..9 {
            let first: Vec<_> = (0..3)
                .filter(|ordinal| Turn::of(*ordinal, 3, tick) == Turn::First)
                .collect();
            assert_eq!(first, [tick as usize % 3]);
        }
        assert_eq!(Turn::of(0, 1, 7), Turn::First);
    }
}
