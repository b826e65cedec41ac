//! How much of a tick each subscriber is told, by what the links say.

use net::link_core::{Sealing, WAITING_BYTES_MAX};
use protocol::ids::{NodeNumber, ProxyLane, RegionNumber};
use topology::limits::REGIONS_MAX;

use super::credits::Credits;
use super::links::Links;
use crate::region::{EVENT_ROOM_BYTES_MAX, Room, Subscriber};

/// Even where as many regions as there are share a link, the longest event fits into what each may say.
const _: () = assert!(WAITING_BYTES_MAX / 2 / REGIONS_MAX >= EVENT_ROOM_BYTES_MAX);

/// A subscriber is told of a tick when all that was said to it before this period has left, within its credit; regions
/// of the own process always are.
pub(super) struct LinkRoom<'a, S> {
    pub(super) own: NodeNumber,
    pub(super) links: &'a Links<S>,
    pub(super) credits: &'a mut Credits,
    pub(super) region: RegionNumber,
    /// How many regions the process has.
    pub(super) regions: usize,
    pub(super) period: u64,
}

impl<S: Sealing> Room for LinkRoom<'_, S> {
    fn room_bytes(&mut self, subscriber: Subscriber) -> usize {
        if subscriber == Subscriber::Server(self.own) {
            return usize::MAX;
        }
        match self.links.said(subscriber) {
            Some(said) => self.credits.left(subscriber, self.region, self.period, said),
            None => 0,
        }
    }

    fn event_bytes(&mut self, lane: ProxyLane) -> usize {
        let Some(core) = self.links.lane(lane).filter(|_| self.credits.bytes > 0) else {
            return 0;
        };
        // All regions may say what they are given before any of them is asked again.
        let share = (core.spare_bytes() / self.regions.max(1)).min(self.credits.bytes);
        // An event is not cut: one goes, however little there is for each.
        if share < EVENT_ROOM_BYTES_MAX && core.takes_one(EVENT_ROOM_BYTES_MAX) {
            return EVENT_ROOM_BYTES_MAX;
        }
        share
    }
}
