//! What game servers say: per-user messages, cells, who serves what. Nothing is believed but from the trusted owner.

use faultpoint::faultpoint;
use protocol::Code;
use protocol::geometry::CellIndex;
use protocol::ids::{NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, UserId};
use protocol::message::checked::{
    CheckedCommandAck, CheckedElsewhere, CheckedJoinRefused, CheckedMove, CheckedOutput, CheckedPresence,
    CheckedSuperseded, CheckedUserEvent, SessionIdentity,
};
use protocol::message::family::ServerToProxy;
use protocol::message::{client, subscription};

use super::Edge;
use super::effect::EdgeEffect;
use super::input::{OwnerAnswer, SessionHandle};
use super::route::{AnswerAge, LinkUp, Owner, Standing, Step};
use super::sight::cells_in_view;
use super::views::RegionCells;
use super::words::OwnerWord;

impl Edge {
    pub(super) fn server_message(&mut self, node: NodeNumber, message: ServerToProxy, now_ms: u64) {
        let word = match OwnerWord::check(message, &self.grid) {
            Ok(word) => word,
            Err(label) => return self.effects.push(EdgeEffect::Refused(label)),
        };
        if word.whose().is_some_and(|user| !self.by_user.contains_key(&user)) {
            return self.effects.push(EdgeEffect::Refused("user_not_here"));
        }
        match word {
            OwnerWord::Output(output) => self.output(node, output, now_ms),
            OwnerWord::CommandAck(ack) => self.command_ack(node, ack, now_ms),
            OwnerWord::Event(event) => self.event(node, event),
            OwnerWord::Joined(presence) => self.joined(node, &presence, now_ms),
            OwnerWord::JoinRefused(refused) => self.join_refused(node, refused, now_ms),
            OwnerWord::Moved(moved) => self.moved(node, moved, now_ms),
            OwnerWord::Here(presence) => self.here(node, &presence, now_ms),
            OwnerWord::Elsewhere(elsewhere) => self.elsewhere(node, elsewhere, now_ms),
            OwnerWord::Superseded(superseded) => self.superseded(node, superseded, now_ms),
            OwnerWord::News(news) => self.news(node, &news, now_ms),
            OwnerWord::Kick(user) => self.kick(node, user, now_ms),
        }
    }

    /// The session of a user, when the node is its owner at this epoch.
    fn trusted(&mut self, node: NodeNumber, user: UserId, epoch: OwnerEpoch) -> Option<SessionHandle> {
        let handle = *self.by_user.get(&user)?;
        let session = self.sessions.get(handle.0)?;
        if session.route.trusts(node, epoch) {
            return Some(handle);
        }
        // At a crossing the old owner has said something already, and the new one may be here before the news of it.
        let reason = match session.route.owner {
            Some(owner) if epoch < owner.epoch => "output_late",
            Some(owner) if owner.node == node && owner.epoch == epoch => "output_early",
            Some(owner) if owner.epoch.0.checked_add(1) == Some(epoch.0) => "output_early",
            None => "output_early",
            Some(_) => "output_not_owner",
        };
        match reason {
            "output_late" => faultpoint!(OutputLate),
            "output_early" => faultpoint!(OutputEarly),
            _ => {}
        }
        self.effects.push(EdgeEffect::Refused(reason));
        None
    }

    fn output(&mut self, node: NodeNumber, output: CheckedOutput, now_ms: u64) {
        let Some(handle) = self.trusted(node, output.user, output.owner_epoch) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        session.owner_heard_ms = now_ms;
        session.own.owner_epoch = output.owner_epoch;
        session.own.tick = output.tick.0;
        session.own.input_ack = session.own.input_ack.max(output.input_ack.0);
        session.own.bytes = output.own;
        session.own.discontinuity = output.discontinuity;
        session.own.only = output.only;
        self.set_home(handle, output.home_cell, now_ms);
    }

    /// Looks at the cells around the home cell: those that came into view are watched, those that left are not.
    fn set_home(&mut self, handle: SessionHandle, home: CellIndex, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        session.own.home_cell = Some(home);
        if session.sight.centre == Some(home) {
            return;
        }
        cells_in_view(self.topology.world(), home, &mut self.visible);
        let (entered, left) = session.sight.look(home, &self.visible);
        for cell in entered {
            let Some(region) = self.topology.region_of_cell(cell) else {
                continue;
            };
            if self.views.watch(cell, region, now_ms) {
                self.effects.push(EdgeEffect::Watch(cell));
            }
        }
        for cell in left {
            self.views.unwatch(cell, now_ms);
        }
    }

    fn command_ack(&mut self, node: NodeNumber, ack: CheckedCommandAck, now_ms: u64) {
        let Some(handle) = self.trusted(node, ack.user, ack.owner_epoch) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        if ack.generation != session.generation {
            return self.effects.push(EdgeEffect::Refused("ack_other_login"));
        }
        let before = session.commands.acked();
        let repeat = session.commands.acknowledge(ack.number, now_ms);
        if session.commands.acked() > before {
            let ack = client::CommandAck {
                number: session.commands.acked().0,
            };
            self.effects.push(EdgeEffect::ToClient(handle, ack.into()));
        }
        if repeat {
            self.send_open_commands(handle);
        }
    }

    fn event(&mut self, node: NodeNumber, event: CheckedUserEvent) {
        let Some(handle) = self.trusted(node, event.user, event.owner_epoch) else {
            return;
        };
        let session = self.sessions.get(handle.0);
        if session.is_none_or(|session| session.generation != event.generation) {
            return self.effects.push(EdgeEffect::Refused("event_other_login"));
        }
        let event = client::Event {
            number: event.event.number.0,
            body: event.event.body,
        };
        self.effects.push(EdgeEffect::ToClient(handle, event.into()));
    }

    fn joined(&mut self, node: NodeNumber, joined: &CheckedPresence, now_ms: u64) {
        let Some(handle) = self.named(joined.user, &joined.session) else {
            return self.nobody_here(node, joined.user, joined.session);
        };
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let step = session.route.joined(owner(node, joined), now_ms);
        if step == Step::Stay {
            return self.effects.push(EdgeEffect::Refused("joined_not_asked"));
        }
        self.takes_place(handle, joined, now_ms);
        self.take_step(handle, step, now_ms);
    }

    /// The player of a session is where its owner says.
    fn takes_place(&mut self, handle: SessionHandle, presence: &CheckedPresence, now_ms: u64) {
        if let Some(session) = self.sessions.get_mut(handle.0) {
            session.own.entity = presence.entity;
            session.own.input_ack = session.own.input_ack.max(presence.last_input.0);
            self.set_home(handle, presence.home_cell, now_ms);
        }
    }

    fn join_refused(&mut self, node: NodeNumber, refused: CheckedJoinRefused, now_ms: u64) {
        let Some(handle) = self.named(refused.user, &refused.session) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        if !matches!(session.route.standing, Standing::Joining { asked, .. } if asked == node) {
            return self.effects.push(EdgeEffect::Refused("join_refused_not_asked"));
        }
        match refused.code {
            // Whether a session is over, this proxy reads itself, a moment later or sooner: then it says so, and why.
            Code::Kicked
            | Code::Banned
            | Code::Busy
            | Code::WorldRecovering
            | Code::StaleEpoch
            | Code::Generic => {
                let step = session.route.suspend(now_ms);
                self.take_step(handle, step, now_ms);
            }
            code => self.end(handle, code, now_ms),
        }
    }

    fn moved(&mut self, node: NodeNumber, moved: CheckedMove, now_ms: u64) {
        let Some(handle) = self.by_user.get(&moved.user).copied() else {
            return;
        };
        let to = Owner {
            node: moved.node,
            region: moved.region,
            epoch: moved.owner_epoch,
        };
        let up = self.servers.link(to.node);
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let step = session.route.moved(node, moved.from_epoch, to, up, now_ms);
        match step {
            Step::Stay => self.effects.push(EdgeEffect::Refused("moved_not_owner")),
            Step::ReadOwner => self.effects.push(EdgeEffect::Refused("moved_not_next")),
            Step::Join(_) | Step::Adopted | Step::Suspended => {}
        }
        self.take_step(handle, step, now_ms);
    }

    fn here(&mut self, node: NodeNumber, here: &CheckedPresence, now_ms: u64) {
        let Some(handle) = self.named(here.user, &here.session) else {
            return self.nobody_here(node, here.user, here.session);
        };
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let step = session.route.here(owner(node, here), now_ms);
        if step == Step::Adopted {
            self.takes_place(handle, here, now_ms);
        }
        self.take_step(handle, step, now_ms);
    }

    fn elsewhere(&mut self, node: NodeNumber, elsewhere: CheckedElsewhere, now_ms: u64) {
        let Some(handle) = self.by_user.get(&elsewhere.user).copied() else {
            return;
        };
        let named = elsewhere.node;
        let target = named
            .filter(|node| self.servers.link(*node) == LinkUp::Yes)
            .or_else(|| self.servers.reachable(elsewhere.region));
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let step = match named {
            None if session.route.playing().is_some() => session.route.disowned(node, now_ms),
            _ => session.route.elsewhere(node, target, now_ms),
        };
        if step == Step::Stay {
            return self.effects.push(EdgeEffect::Refused("elsewhere_not_owner"));
        }
        self.take_step(handle, step, now_ms);
    }

    fn superseded(&mut self, node: NodeNumber, superseded: CheckedSuperseded, now_ms: u64) {
        let Some(handle) = self.named(superseded.user, &superseded.session) else {
            return;
        };
        let heeded = self
            .sessions
            .get(handle.0)
            .is_some_and(|session| session.route.heeds(node));
        if heeded {
            faultpoint!(SessionSuperseded);
            self.end(handle, Code::Superseded, now_ms);
        } else {
            self.effects.push(EdgeEffect::Refused("superseded_not_owner"));
        }
    }

    fn kick(&mut self, node: NodeNumber, user: UserId, now_ms: u64) {
        let Some(handle) = self.by_user.get(&user).copied() else {
            return;
        };
        let owner = self
            .sessions
            .get(handle.0)
            .and_then(|session| session.route.owner);
        if owner.is_some_and(|owner| owner.node == node) {
            self.end(handle, Code::Kicked, now_ms);
        } else {
            self.effects.push(EdgeEffect::Refused("kick_not_owner"));
        }
    }

    /// The session that a message names in full; one that names an older session is for nobody.
    fn named(&self, user: UserId, named: &SessionIdentity) -> Option<SessionHandle> {
        let handle = *self.by_user.get(&user)?;
        self.sessions
            .get(handle.0)
            .filter(|session| session.identity() == *named)
            .map(|_| handle)
    }

    pub(super) fn cells(&mut self, cells: &RegionCells, now_ms: u64) {
        if !self.servers.serves(cells.node, cells.region, cells.region_epoch) {
            self.effects.push(EdgeEffect::Refused("cells_not_serving"));
            return;
        }
        let mut ask = Vec::new();
        self.views.take(cells, now_ms, &mut ask);
        self.effects.extend(ask.into_iter().map(EdgeEffect::Watch));
    }

    pub(super) fn serving(&mut self, node: NodeNumber, serving: &subscription::Serving, now_ms: u64) {
        let (region, epoch) = (RegionNumber(serving.region), RegionEpoch(serving.region_epoch));
        if self.servers.serve(node, region, epoch) {
            self.rejoin_suspended(now_ms);
            self.leave_former_service(region, node, now_ms);
        }
    }

    /// Another server serves the region now: whoever plays with the one before joins anew.
    fn leave_former_service(&mut self, region: RegionNumber, node: NodeNumber, now_ms: u64) {
        if self.servers.reachable(region) != Some(node) {
            return;
        }
        let handles: Vec<SessionHandle> = self.sessions.keys().map(SessionHandle).collect();
        for handle in handles {
            if let Some(session) = self.sessions.get_mut(handle.0) {
                let step = session.route.served_by(region, node, now_ms);
                self.take_step(handle, step, now_ms);
            }
        }
    }

    pub(super) fn server_up(&mut self, node: NodeNumber, now_ms: u64) {
        self.servers.set_up(node);
        self.rejoin_suspended(now_ms);
    }

    pub(super) fn server_down(&mut self, node: NodeNumber, now_ms: u64) {
        self.servers.set_down(node);
        let handles: Vec<SessionHandle> = self.sessions.keys().map(SessionHandle).collect();
        for handle in handles {
            let Some(session) = self.sessions.get_mut(handle.0) else {
                continue;
            };
            let step = session.route.server_down(node, now_ms);
            self.take_step(handle, step, now_ms);
        }
    }

    pub(super) fn owner_answered(
        &mut self,
        user: UserId,
        trusted: OwnerEpoch,
        answer: OwnerAnswer,
        now_ms: u64,
    ) {
        let Some(handle) = self.by_user.get(&user).copied() else {
            return;
        };
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let (node, region) = match answer {
            OwnerAnswer::Row { node, region, .. } => (node, Some(region)),
            OwnerAnswer::NoRow | OwnerAnswer::Unavailable => (None, session.region_hint),
        };
        let serving = region
            .and_then(|region| self.servers.reachable(region))
            .or_else(|| self.servers.any(user.0).filter(|_| answer == OwnerAnswer::NoRow));
        let up = node.map_or(LinkUp::No, |node| self.servers.link(node));
        let age = session.route.age_of(answer, trusted);
        if age == AnswerAge::Overrides {
            self.effects.push(EdgeEffect::Refused("owner_epoch_unissued"));
        }
        let step = session.route.answered(answer, age, serving, up, now_ms);
        self.take_step(handle, step, now_ms);
    }
}

/// What whoever says that a player is present claims to be.
fn owner(node: NodeNumber, presence: &CheckedPresence) -> Owner {
    Owner {
        node,
        region: presence.region,
        epoch: presence.owner_epoch,
    }
}
