//! The source's side of a handover (A): freeze, prepare, commit by CAS, and what to do when no answer comes.

use faultpoint::faultpoint;
use protocol::Code;
use protocol::cell::RemoveReason;
use protocol::geometry::Position;
use protocol::ids::{AttemptId, NodeNumber, RegionNumber, UserId};
use protocol::message::checked::CheckedClaims;
use protocol::message::handover::{Passenger, Prepare};
use protocol::message::player::{Here, Moved};
use store::{Serving, StoreError, StoreReply, StoreRequest};

use super::super::asked::Asked;
use super::super::effect::RegionEffect;
use super::super::entity::EntityKey;
use super::super::forwardings::Whereabouts;
use super::super::player::Phase;
use super::super::state::RegionState;
use super::departures::Leaver;
#[cfg(feature = "broken-rules")]
use super::rule::HandoverRule;

/// How far inside the border a player is put whose crossing was called off, units.
const PUSH_BACK: f32 = 0.25;
/// Who stands as near to the edge of the region may be given something from beyond it, units.
const RIM: f32 = 16.0;
/// After that, the time to the next attempt, milliseconds.
const COOL_MS: u64 = 250;
/// … and to one into a region whose rules are older than these, milliseconds.
const OLDER_RULES_MS: u64 = 5_000;

impl RegionState {
    /// Phase: whoever stands far enough inside another region crosses over.
    pub(in super::super) fn notice_crossings(&mut self) {
        let now_ms = self.now.mono_ms;
        let mut crossing = Vec::new();
        for player in self.players.values_mut() {
            let Some(entity) = self.entities.get(player.key) else {
                continue;
            };
            let is_at_rim = self.rect.clamp(entity.at, RIM) != entity.at;
            player.was_at_rim |= is_at_rim;
            player.knows_rim |= is_at_rim;
            if self.rect.distance(entity.at) > self.margin
                && player.phase == Phase::Active
                && player.cross_after_ms <= now_ms
                && !player.logout
            {
                crossing.push((player.user, entity.at));
            }
        }
        for (user, at) in crossing {
            let region = self.next_region(at);
            match self.neighbourhood.reachable(region) {
                Some(to) => self.depart(user, to, None),
                None => {
                    faultpoint!(CrossingHeld);
                    self.hold_inside(user);
                }
            }
        }
    }

    /// Where a player goes who stands there. Whoever is faster than the next region is wide has walked over it within a
    /// tick, and goes there all the same: only neighbours are known here.
    pub(in super::super) fn next_region(&self, at: Position) -> RegionNumber {
        let topology = &self.config.topology;
        let region = topology.region_at(at).number;
        if topology.neighbours(self.config.number).contains(&region) {
            return region;
        }
        let nearest = self.rect.clamp(at, -self.margin - PUSH_BACK);
        topology.region_at(nearest).number
    }

    /// Nobody serves the other side: the player gets no further than the margin, and its commands go on.
    fn hold_inside(&mut self, user: UserId) {
        if let Some(key) = self.players.get(&user).map(|player| player.key) {
            self.hold_entity_inside(key);
        }
    }

    pub(in super::super) fn hold_entity_inside(&mut self, key: EntityKey) {
        if let Some(at) = self.entities.get(key).map(|entity| entity.at) {
            let held = self.rect.clamp(at, PUSH_BACK - self.margin);
            self.cells.walk(key, held, &mut self.entities);
        }
    }

    /// Freezes the player and its companions, once none of them has a write under way. `place`: where they are put; else they
    /// go on where they stand.
    pub(super) fn depart(&mut self, user: UserId, to: Serving, place: Option<Position>) {
        let companions = self.players.get(&user).map(|player| player.companions.clone());
        let mut group = companions.unwrap_or_default();
        group.retain(|companion| self.players.contains_key(companion));
        group.push(user);
        let ready = |user: &UserId| {
            let player = self.players.get(user);
            player.is_some_and(|player| player.phase == Phase::Active && player.writes.is_settled())
        };
        if !group.iter().all(ready) {
            faultpoint!(CrossingWaits);
            return;
        }
        let attempt = self.config.numbers.attempt();
        let mut leavers = Vec::new();
        let mut passengers = Vec::new();
        for user in group {
            if let Some((leaver, passenger)) = self.freeze(user, attempt, to.region, place) {
                leavers.push(leaver);
                passengers.push(passenger);
            }
        }
        let prepare = Prepare {
            from_region: self.config.number.0,
            from_region_epoch: self.config.epoch.0,
            to_region: to.region.0,
            to_region_epoch: to.region_epoch.0,
            attempt: attempt.0,
            passengers,
            game_id: self.config.edition.id.to_owned(),
            game_version: self.config.edition.version,
        };
        self.departures.begin(attempt, to, leavers, self.now.mono_ms);
        self.tell_server(to.node, prepare);
    }

    fn freeze(
        &mut self,
        user: UserId,
        attempt: AttemptId,
        region: RegionNumber,
        place: Option<Position>,
    ) -> Option<(Leaver, Passenger)> {
        let target = self.config.topology.region(region)?.rect;
        let (key, epoch) = self.players.get(&user).map(|player| (player.key, player.epoch))?;
        let next = epoch.next().ok()?;
        let at = self.entities.get(key)?.at;
        if place.is_none() && !target.contains(at) {
            // A companion that lags behind is taken along, or the target would send it straight back.
            self.cells
                .walk(key, target.clamp(at, PUSH_BACK), &mut self.entities);
        }
        let writing = self.writing();
        let player = self.players.get_mut(&user)?;
        let entity = self.entities.get_mut(key)?;
        entity.inputs.clear();
        player.commands.drop_waiting();
        player.phase = Phase::Frozen(attempt);
        // Whoever is put there stays where it is until that is committed.
        let mut there = entity.clone();
        there.at = place.unwrap_or(entity.at);
        let before = (player.teleport, player.discontinuity);
        if place.is_some() {
            player.teleport = None;
            player.jumped();
        }
        let inside = target.clamp(there.at, 1.0 / 128.0);
        let home_cell = self.cells.grid().cell_at(inside);
        let cell = self.cells.showing(inside, there.visibility);
        let save = player.capture(&there, home_cell, writing);
        let passenger = Passenger {
            user: user.0,
            owner_epoch: next.0,
            version: save.version.0,
            state: Some(player.state(&there, writing)),
            home_cell: cell.0,
        };
        (player.teleport, player.discontinuity) = before;
        let leaver = Leaver {
            user,
            epoch,
            save,
            cell,
            jumps: place.is_some(),
        };
        Some((leaver, passenger))
    }

    /// The target is ready: the CAS.
    pub(in super::super) fn prepared(&mut self, node: NodeNumber, prepared: &CheckedClaims) {
        let attempt = prepared.attempt;
        #[cfg(feature = "broken-rules")]
        if self.breaks(HandoverRule::AttemptIsNamed) {
            self.departures.recall(attempt);
        }
        let pass = match self.departures.prepared(node, prepared) {
            Ok(pass) => pass,
            Err(label) => {
                faultpoint!(PreparedLate);
                return self.count(label);
            }
        };
        #[cfg(feature = "broken-rules")]
        if self.breaks(HandoverRule::OwnershipByRow) {
            return self.gone(attempt);
        }
        self.ask(Asked::Pass(attempt), pass);
    }

    pub(in super::super) fn refused(&mut self, node: NodeNumber, attempt: AttemptId, code: Code) {
        if !self.departures.may_refuse(node, attempt) {
            faultpoint!(RefuseLate);
            return self.count("refuse_late");
        }
        faultpoint!(HandoverRefused);
        self.count("handover_refused");
        for user in self.abort(attempt) {
            self.teleport_refused(user, code);
            self.wait_for_newer_rules(user, code);
        }
    }

    /// The rules over there are older than these, or of another game: they will be so for a while.
    fn wait_for_newer_rules(&mut self, user: UserId, code: Code) {
        let until_ms = self.now.mono_ms + OLDER_RULES_MS;
        if let Some(player) = self.players.get_mut(&user)
            && code == Code::Version
        {
            player.cross_after_ms = until_ms;
        }
    }

    /// Nothing was sent to the store, or it said that nothing happened: the players go on, back inside the border.
    fn abort(&mut self, attempt: AttemptId) -> Vec<UserId> {
        let users = self.departures.call_off(attempt);
        for user in &users {
            self.resume(*user, attempt);
        }
        users
    }

    pub(super) fn resume(&mut self, user: UserId, attempt: AttemptId) {
        let now_ms = self.now.mono_ms;
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        if player.phase != Phase::Frozen(attempt) {
            return;
        }
        player.phase = Phase::Active;
        player.cross_after_ms = now_ms + COOL_MS;
        player.writes.mark(now_ms);
        let key = player.key;
        if let Some(at) = self.entities.get(key).map(|entity| entity.at) {
            let inside = if self.rect.contains(at) {
                at
            } else {
                self.rect.clamp(at, PUSH_BACK)
            };
            self.cells.walk(key, inside, &mut self.entities);
        }
        // Commands that came meanwhile were dropped: the proxy learns where to go on.
        if let Some(player) = self.players.get(&user)
            && let (Some(lane), epoch, number) = (player.bound.lane, player.epoch, player.commands.ack())
        {
            self.acknowledge(lane, user, epoch, number);
        }
        // What was given to the player meanwhile was not told: see `Ctx::tell`.
        self.refresh(user);
        self.take_waiting_join(user);
    }

    /// The answer to the CAS.
    pub(in super::super) fn pass_answer(
        &mut self,
        attempt: AttemptId,
        answer: Result<StoreReply, StoreError>,
    ) {
        match answer {
            Ok(StoreReply::Passed) => self.gone(attempt),
            #[cfg(feature = "broken-rules")]
            Ok(_) if self.breaks(HandoverRule::NoIsDoubt) => {
                self.abort(attempt);
            }
            Err(error) if error.is_surely_not_applied() => {
                faultpoint!(PassNotApplied);
                self.count("handover_store");
                self.abort(attempt);
            }
            // A refusal may be the answer to the repetition of a success, and silence may be anything.
            Ok(_) | Err(_) => {
                faultpoint!(PassDoubt);
                self.count("handover_doubt");
                for user in self.departures.doubt(attempt) {
                    self.ask(Asked::Doubt(attempt, user), StoreRequest::LoadPlayer { user });
                }
            }
        }
    }

    /// Committed. The row holds the state that was frozen, so nothing of the player has to be kept here.
    pub(super) fn gone(&mut self, attempt: AttemptId) {
        let now_ms = self.now.mono_ms;
        let committed = self.departures.committed(attempt, now_ms, &mut self.out);
        let Some((to, leavers)) = committed else {
            return;
        };
        for leaver in &leavers {
            self.let_go(leaver, to);
        }
    }

    fn let_go(&mut self, leaver: &Leaver, to: Serving) {
        let Ok(owner_epoch) = leaver.epoch.next() else {
            return;
        };
        let user = leaver.user;
        let at = Whereabouts {
            node: to.node,
            region: to.region,
            owner_epoch,
        };
        self.forwardings.put(user, at, self.now.mono_ms);
        if !leaver.jumps {
            self.note_crossing(user, to.region);
        }
        let walks = RemoveReason::Moved {
            cell: leaver.cell,
            epoch: owner_epoch,
        };
        let reason = if leaver.jumps { RemoveReason::Gone } else { walks };
        let Some(player) = self.drop_player(user, reason) else {
            return;
        };
        self.counts.departed += 1;
        self.out.push(RegionEffect::PlayerPassed(user));
        if let Some(lane) = player.bound.lane {
            let moved = Moved {
                user: user.0,
                from_epoch: leaver.epoch.0,
                node: u32::from(to.node.0),
                region: to.region.0,
                owner_epoch: owner_epoch.0,
            };
            self.tell_proxy(lane, moved);
        }
        if let Some((lane, _)) = player.waiting_join {
            self.tell_proxy(lane, at.elsewhere(user));
        }
    }

    /// Calls off what was not answered in time, and repeats what has to arrive.
    pub(in super::super) fn keep_departures(&mut self) {
        let now_ms = self.now.mono_ms;
        #[cfg(not(feature = "broken-rules"))]
        let late = self.departures.late(now_ms);
        #[cfg(feature = "broken-rules")]
        let late = self.late_or_given_up();
        for attempt in late {
            faultpoint!(HandoverTimeout);
            self.count("handover_timeout");
            self.abort(attempt);
        }
        self.departures.repeat(now_ms, &mut self.out);
        for user in self.forwardings.take_over(now_ms) {
            self.gone_for_good(user);
        }
    }

    /// Tells the proxy that its player is active here.
    pub(in super::super) fn say_here(&mut self, user: UserId) {
        let (region, region_epoch) = (self.config.number.0, self.config.epoch.0);
        let Some(player) = self.players.get(&user) else {
            return;
        };
        let Some(lane) = player.bound.lane else { return };
        let Some(entity) = self.entities.get(player.key) else {
            return;
        };
        let here = Here {
            user: user.0,
            owner_epoch: player.epoch.0,
            region,
            region_epoch,
            home_cell: self.cells.home_cell(entity).0,
            entity: player.entity.0,
            last_input: player.last_input,
            last_command: player.commands.ack(),
            session: Some(player.session_key()),
        };
        self.tell_proxy(lane, here);
        self.send_events(user);
    }
}
