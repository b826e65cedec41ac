//! How much of a tick each subscriber is told, by what the links say.

use net::link_core::Sealing;
use protocol::ids::{NodeNumber, ProxyLane, RegionNumber};

use super::credits::Credits;
use super::links::Links;
use crate::region::{Room, Subscriber};

/// A subscriber is told of a tick when all that was said to it before this period has left, within its credit; regions
/// of the own process always are.
pub(super) struct LinkRoom<'a, S> {
    pub(super) own: NodeNumber,
    pub(super) links: &'a Links<S>,
    pub(super) credits: &'a mut Credits,
    pub(super) region: RegionNumber,
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
        self.links.lane_spare_bytes(lane).min(self.credits.bytes)
    }
}
