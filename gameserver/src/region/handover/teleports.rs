//! Players whom the rules put somewhere else: within the region at once, into another one by a handover that begins as soon as
//! that region is found, linked and ready. Until its commit the player plays on where it is.

use game::TeleportFailed;
use protocol::Code;
use protocol::geometry::{Position, Rect};
use protocol::ids::{RegionNumber, UserId};
use store::{Serving, StoreReply, StoreRequest, StoreResult};

use super::destinations::Known;
use crate::region::asked::Asked;
use crate::region::effect::RegionEffect;
use crate::region::player::{Phase, Teleport};
use crate::region::state::{Notice, RegionState};

impl RegionState {
    /// The rules want a player somewhere else.
    pub(in crate::region) fn teleport_to(&mut self, user: UserId, to: Position) {
        let Some(player) = self.players.get(&user) else {
            return;
        };
        let world = Rect {
            min: [0, 0],
            max: self.config.topology.world().size,
        };
        if player.phase != Phase::Active {
            self.teleport_failed(user, TeleportFailed::NotNow);
        } else if !(to.x.is_finite() && to.y.is_finite() && world.contains(to)) {
            self.teleport_failed(user, TeleportFailed::NoSuchPlace);
        } else if self.rect.contains(to) {
            self.jump(user, to);
        } else {
            self.await_teleport(user, to);
        }
    }

    /// Within the region.
    fn jump(&mut self, user: UserId, to: Position) {
        let now_ms = self.now.mono_ms;
        let Some(key) = self.players.get(&user).map(|player| player.key) else {
            return;
        };
        let Some(entity) = self.entities.get(key) else {
            return;
        };
        let home = self.cells.place_of(to, entity.visibility);
        let is_there = entity.cell == home;
        if !is_there && !self.has_room(home, &[user], 0) {
            return self.teleport_failed(user, TeleportFailed::Full);
        }
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        player.teleport = None;
        player.jumped();
        player.writes.mark(now_ms);
        let mark = player.jump_mark();
        self.destinations.forget(user);
        self.cells.jump(key, to, mark, &mut self.entities);
    }

    /// Into another region: saved with the player, and with the command that wants it.
    fn await_teleport(&mut self, user: UserId, to: Position) {
        let now_ms = self.now.mono_ms;
        if let Some(player) = self.players.get_mut(&user) {
            player.teleport = Some(Teleport::new(to, now_ms));
            player.writes.mark(now_ms);
            self.destinations.wait(user);
        }
    }

    /// It does not come about; the rules hear of it.
    fn teleport_failed(&mut self, user: UserId, reason: TeleportFailed) {
        let now_ms = self.now.mono_ms;
        self.count("teleport_failed");
        if let Some(player) = self.players.get_mut(&user)
            && player.teleport.take().is_some()
        {
            player.writes.mark(now_ms);
        }
        self.destinations.forget(user);
        self.notices.push_back(Notice::TeleportFailed(user, reason));
    }

    /// Phase: whoever can be put where it is to go leaves for there.
    pub(in crate::region) fn notice_teleports(&mut self) {
        let now_ms = self.now.mono_ms;
        for user in self.destinations.waiting() {
            let player = self.players.get(&user);
            let Some((player, teleport)) = player.and_then(|player| Some((player, player.teleport?))) else {
                self.destinations.forget(user);
                continue;
            };
            if player.phase != Phase::Active || player.logout {
                continue;
            }
            let (may_leave, to) = (player.cross_after_ms <= now_ms, teleport.to);
            let region = self.config.topology.region_at(to).number;
            if region == self.config.number {
                // It came here on foot, or the map has changed since it was saved.
                self.jump(user, to);
            } else if teleport.until_ms <= now_ms {
                self.teleport_failed(user, TeleportFailed::NotServed);
            } else if may_leave {
                let serving = self.reach(region);
                self.note_due(user, serving.is_some());
                if let Some(serving) = serving {
                    self.depart(user, serving, Some(to));
                }
            }
        }
    }

    fn note_due(&mut self, user: UserId, is_due: bool) {
        let player = self.players.get_mut(&user);
        if let Some(teleport) = player.and_then(|player| player.teleport.as_mut()) {
            teleport.is_due = is_due;
        }
    }

    /// Who serves a region, near or far, if it can be spoken to now; otherwise that is seen to.
    pub(in crate::region) fn reach(&mut self, region: RegionNumber) -> Option<Serving> {
        if let Some(near) = self.neighbourhood.reachable(region) {
            return Some(near);
        }
        match self.destinations.known(region, self.now.mono_ms) {
            Known::Served(serving) if self.neighbourhood.reaches(serving.node) => Some(serving),
            Known::Served(_) | Known::Asked => None,
            Known::Unknown => {
                self.destinations.asked(region);
                self.ask(Asked::Destination(region), StoreRequest::ReadService { region });
                None
            }
        }
    }

    pub(in crate::region) fn destination_answer(&mut self, region: RegionNumber, answer: &StoreResult) {
        let serving = match answer {
            Ok(StoreReply::Service(serving)) => *serving,
            _ => None,
        };
        self.destinations.answered(region, serving, self.now.mono_ms);
        if let Some(serving) = serving
            && !self.neighbourhood.reaches(serving.node)
        {
            self.out.push(RegionEffect::Link(serving.node));
        }
    }

    /// The target has refused who was to be put there.
    pub(super) fn teleport_refused(&mut self, user: UserId, code: Code) {
        let is_wanted = self
            .players
            .get(&user)
            .is_some_and(|player| player.teleport.is_some());
        if is_wanted && code == Code::Full {
            self.teleport_failed(user, TeleportFailed::Full);
        }
    }
}
