//! Where what regions want goes. What has no link is dropped and counted, and whoever wanted it repeats it.

use net::link_core::Sealing;
use protocol::ids::{NodeNumber, RegionNumber};
use protocol::message::family::ServerToServer;
use store::StoreRequest;

use super::effect::{QuestionId, WorkId, WorldEffect};
use super::links::Side;
use super::{Moment, Question, World};
use crate::region::{RegionEffect, RegionInput, StoreTicket};

/// So often regions of one process may answer each other's answers before anything else happens. They have said all after
/// two or three; whatever goes on is a circle, and would hold up all regions for ever.
const ANSWERS_MAX: usize = 16;

/// From one region of this process to another.
pub(super) enum Local {
    Message(ServerToServer),
    Input(RegionNumber, RegionInput),
}

impl<S: Sealing> World<S> {
    /// Does what regions want until they want nothing more: what one says another hears at once. A circle is cut and
    /// counted: what is lost with it is repeated, as what a link loses.
    pub(super) fn settle(&mut self, now: Moment) {
        self.carry_out_all(now);
        for _ in 0..=ANSWERS_MAX {
            for local in std::mem::take(&mut self.local) {
                match local {
                    Local::Message(message) => {
                        self.deliver(self.node, message, now);
                    }
                    Local::Input(region, input) => self.tell(region, input, now),
                }
                self.carry_out_all(now);
            }
        }
        if !self.local.is_empty() {
            self.local.clear();
            self.count("regions_in_circle");
        }
    }

    fn carry_out_all(&mut self, now: Moment) {
        while let Some(number) = self.touched.pop_front() {
            let effects = self.slots.get_mut(number).map(|slot| slot.region.take_effects());
            for effect in effects.unwrap_or_default() {
                self.carry_out(number, effect, now);
            }
        }
    }

    fn carry_out(&mut self, from: RegionNumber, effect: RegionEffect, now: Moment) {
        match effect {
            RegionEffect::ToProxy(lane, message) => match self.links.lane_mut(lane) {
                Some(core) => core.push(&message),
                None => self.count("proxy_not_linked"),
            },
            RegionEffect::ToServer(node, message) if node == self.node => {
                self.local.push(Local::Message(message));
            }
            RegionEffect::ToServer(node, message) => self.say_to_server(node, &message),
            RegionEffect::Link(node) => self.effects.push(WorldEffect::Link(node)),
            RegionEffect::Store(ticket, request) => self.ask(from, ticket, request, now),
            RegionEffect::PlayerHere(user) => self.directory.here(user, from),
            RegionEffect::PlayerExpected(user) => self.directory.expected(user, from),
            RegionEffect::PlayerPassed(user) => self.directory.passed(user, from),
            RegionEffect::PlayerGone(user) => self.directory.gone(user, from),
            RegionEffect::ForwardJoin(region, lane, join, row) => {
                let input = RegionInput::ForwardedJoin(lane, join, row);
                self.local.push(Local::Input(region, input));
            }
            RegionEffect::Superseded => {
                let epoch = self.slots.get_mut(from).map(|slot| slot.region.epoch());
                let news = epoch.map(|epoch| WorldEffect::Superseded(from, epoch));
                self.effects.extend(news);
            }
            RegionEffect::RulesPanicked { said, stands_still } => {
                let news = WorldEffect::RulesPanicked(from, said, stands_still);
                self.effects.push(news);
            }
            RegionEffect::Work(ask, request) => {
                let region_epoch = self.slots.get_mut(from).map(|slot| slot.region.epoch());
                let work = region_epoch.map(|region_epoch| WorkId {
                    region: from,
                    region_epoch,
                    ask,
                });
                self.effects
                    .extend(work.map(|work| WorldEffect::Work(work, request)));
            }
            RegionEffect::Observed(news) => self.effects.push(WorldEffect::Observed(from, news)),
            RegionEffect::Unreadable(text) => self.effects.push(WorldEffect::Unreadable(from, text)),
            RegionEffect::Count(label) => self.count(label),
        }
    }

    fn say_to_server(&mut self, node: NodeNumber, message: &ServerToServer) {
        let mut is_linked = false;
        for side in sides(message) {
            if let Some(core) = self.links.server_mut(*side, node) {
                core.push(message);
                is_linked = true;
                // It is said once: whichever link there is takes it.
                if matches!(message, ServerToServer::Roam(_) | ServerToServer::Arrivals(_)) {
                    break;
                }
            }
        }
        // Between servers that are no neighbours one of the two may never dial: what a handover says goes by the link there is.
        if !is_linked && is_of_handover(message) {
            let other = [Side::Dialed, Side::Accepted].into_iter();
            let other = other.filter(|side| !sides(message).contains(side));
            for side in other {
                if let Some(core) = self.links.server_mut(side, node) {
                    core.push(message);
                    is_linked = true;
                }
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

fn is_of_handover(message: &ServerToServer) -> bool {
    matches!(
        message,
        ServerToServer::Prepare(_)
            | ServerToServer::Prepared(_)
            | ServerToServer::Refuse(_)
            | ServerToServer::Commit(_)
            | ServerToServer::Done(_)
    )
}

/// By which links a message between game servers goes: who dialed asks, who accepted serves; which regions are served is
/// told on both.
fn sides(message: &ServerToServer) -> &'static [Side] {
    match message {
        ServerToServer::Serving(_) | ServerToServer::Roam(_) | ServerToServer::Arrivals(_) => {
            &[Side::Dialed, Side::Accepted]
        }
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
