//! How much each subscriber of a server takes in a tick: everything, but over a link that is throttled for a while.

use std::collections::BTreeMap;

use gameserver::region::{Room, Subscriber};
use protocol::ids::NodeNumber;

use super::state::Cluster;
use crate::links::LinkNumber;
use crate::world::PROXIES;

/// Rooms of a throttled link, bytes: nothing; a few own states; a few deltas; most of what a tick says.
const THROTTLED_BYTES: [usize; 4] = [0, 200, 600, 2_000];

/// The rooms of one server in one tick.
pub(super) struct Rooms(BTreeMap<Subscriber, usize>);

impl Room for Rooms {
    fn room_bytes(&mut self, subscriber: Subscriber) -> usize {
        self.0.get(&subscriber).copied().unwrap_or(usize::MAX)
    }
}

impl Cluster {
    pub(super) fn rooms(&mut self, node: NodeNumber) -> Rooms {
        let now_us = self.now_us();
        let mut rooms = BTreeMap::new();
        for number in 0..self.links.len() {
            let link = &self.links[number];
            if link.listener != node || link.throttled_until_us <= now_us {
                continue;
            }
            let subscriber = if PROXIES.contains(&link.dialer) {
                Subscriber::Lane(self.lane_at(LinkNumber(number)).at)
            } else {
                Subscriber::Server(link.dialer)
            };
            let bytes = THROTTLED_BYTES[self.dice.index(THROTTLED_BYTES.len())];
            rooms.insert(subscriber, bytes);
        }
        Rooms(rooms)
    }
}
