//! Where what regions want goes. What has no link is dropped and counted, and whoever wanted it repeats it.

use net::link_core::Sealing;
use protocol::ids::{NodeNumber, RegionNumber};
use protocol::message::family::ServerToServer;
use store::StoreRequest;

use super::effect::{QuestionId, WorldEffect};
use super::links::Side;
use super::{Moment, Question, World};
use crate::region::{RegionEffect, RegionInput, StoreTicket};

impl<S: Sealing> World<S> {
    /// Does what regions want until they want nothing more: what one says another hears at once.
    pub(super) fn settle(&mut self, now: Moment) {
        loop {
            while let Some(number) = self.touched.pop_front() {
                let effects = self.slots.get_mut(number).map(|slot| slot.region.take_effects());
                for effect in effects.unwrap_or_default() {
                    self.carry_out(number, effect, now);
                }
            }
            let Some(message) = self.local.pop_front() else {
                return;
            };
            self.deliver(self.node, message, now);
        }
    }

    fn carry_out(&mut self, from: RegionNumber, effect: RegionEffect, now: Moment) {
        match effect {
            RegionEffect::ToProxy(lane, message) => match self.links.lane_mut(lane) {
                Some(core) => core.push(&message),
                None => self.count("proxy_not_linked"),
            },
            RegionEffect::ToServer(node, message) if node == self.node => {
                self.local.push_back(message);
            }
            RegionEffect::ToServer(node, message) => self.say_to_server(node, &message),
            RegionEffect::Store(ticket, request) => self.ask(from, ticket, request, now),
            RegionEffect::PlayerHere(user) => self.directory.here(user, from),
            RegionEffect::PlayerExpected(user) => self.directory.expected(user, from),
            RegionEffect::PlayerPassed(user) => self.directory.passed(user, from),
            RegionEffect::PlayerGone(user) => self.directory.gone(user, from),
            RegionEffect::ForwardJoin(region, lane, join, row) => {
                self.tell(region, RegionInput::ForwardedJoin(lane, join, row), now);
            }
            RegionEffect::Superseded => self.effects.push(WorldEffect::Superseded(from)),
            RegionEffect::Count(label) => self.count(label),
        }
    }

    fn say_to_server(&mut self, node: NodeNumber, message: &ServerToServer) {
        let mut is_linked = false;
        for side in sides(message) {
            if let Some(core) = self.links.server_mut(*side, node) {
                core.push(message);
                is_linked = true;
            }
        }
        if !is_linked {
            self.count("server_not_linked");
        }
    }

    fn ask(&mut self, region: RegionNumber, ticket: StoreTicket, request: StoreRequest, now: Moment) {
        let id = QuestionId(self.next_question);
        self.next_question += 1;
        let asked_us = now.mono_us;
        self.questions.insert(
            id,
            Question {
                region,
                ticket,
                asked_us,
            },
        );
        self.effects.push(WorldEffect::Ask(id, request));
    }
}

/// By which links a message between game servers goes: who dialed asks, who accepted serves; which regions are served is
/// told on both.
fn sides(message: &ServerToServer) -> &'static [Side] {
    match message {
        ServerToServer::Serving(_) => &[Side::Dialed, Side::Accepted],
        ServerToServer::Subscribe(_)
        | ServerToServer::Unsubscribe(_)
        | ServerToServer::Prepare(_)
        | ServerToServer::Commit(_)
        | ServerToServer::Effect(_)
        | ServerToServer::Refresh(_)
        | ServerToServer::Heartbeat(_)
        | ServerToServer::GetTopology(_)
        | ServerToServer::Topology(_) => &[Side::Dialed],
        ServerToServer::CellUpdates(_)
        | ServerToServer::Prepared(_)
        | ServerToServer::Refuse(_)
        | ServerToServer::Done(_) => &[Side::Accepted],
    }
}
