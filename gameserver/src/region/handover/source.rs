//! The source's side of a handover (A): freeze, prepare, commit by CAS, and what to do when no answer comes.

use protocol::cell::RemoveReason;
use protocol::ids::{AttemptId, NodeNumber, RegionNumber, UserId};
use protocol::message::handover::{Claim, Commit, Done, Passenger, Prepare, Prepared, Refuse};
use protocol::message::player::{Here, Moved};
use store::{Serving, StoreError, StoreReply, StoreRequest};

use super::super::asked::Asked;
use super::super::effect::RegionEffect;
use super::super::player::Phase;
use super::super::served::{Served, Stub};
use super::super::state::RegionState;
use super::departure::{Departure, Leaver, Step};
#[cfg(feature = "broken-rules")]
use super::rule::HandoverRule;

/// Without `Prepared` for so long, the source goes on as if nothing had been, milliseconds.
pub(in super::super) const PREPARE_MS: u64 = 250;
/// `Commit` and reads in doubt are repeated this often, milliseconds.
const REPEAT_MS: u64 = 200;
/// A target that never says `Done` is told this long, milliseconds; the row has said it all the while.
const GONE_MS: u64 = 30_000;
/// How long those who ask for a player that left are told where it is, milliseconds.
const STUB_MS: u64 = 5_000;
/// How far inside the border a player is put whose crossing was called off, units.
const PUSH_BACK: f32 = 0.25;
/// Who stands as near to the edge of the region may be given something from beyond it, units.
const RIM: f32 = 16.0;
/// After that, the time to the next attempt, milliseconds.
const COOL_MS: u64 = 250;

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
            let region = self.config.topology.region_at(at).number;
            let served = self.served(region);
            let up = |served: &Served| served.node == self.config.node || self.peers.contains(&served.node);
            match served.filter(up) {
                Some(target) => self.depart(user, region, target),
                None => self.hold_inside(user),
            }
        }
    }

    /// Nobody serves the other side: the player gets no further than the margin, and its commands go on.
    fn hold_inside(&mut self, user: UserId) {
        let Some(key) = self.players.get(&user).map(|player| player.key) else {
            return;
        };
        let Some(at) = self.entities.get(key).map(|entity| entity.at) else {
            return;
        };
        let held = self.rect.clamp(at, PUSH_BACK - self.margin);
        self.cells.walk(key, held, &mut self.entities);
    }

    /// Freezes the player and its companions, once none of them has a write under way.
    fn depart(&mut self, user: UserId, region: RegionNumber, target: Served) {
        let companions = self.players.get(&user).map(|player| player.companions.clone());
        let mut group = companions.unwrap_or_default();
        group.retain(|companion| self.players.contains_key(companion));
        group.push(user);
        let ready = |user: &UserId| {
            let player = self.players.get(user);
            player.is_some_and(|player| player.phase == Phase::Active && player.is_settled())
        };
        if !group.iter().all(ready) {
            return;
        }
        let attempt = self.config.numbers.attempt();
        let mut leavers = Vec::new();
        let mut passengers = Vec::new();
        for user in group {
            if let Some((leaver, passenger)) = self.freeze(user, attempt, region) {
                leavers.push(leaver);
                passengers.push(passenger);
            }
        }
        let prepare = Prepare {
            from_region: self.config.number.0,
            from_region_epoch: self.config.epoch.0,
            to_region: region.0,
            to_region_epoch: target.epoch.0,
            attempt: attempt.0,
            passengers,
        };
        let departure = Departure {
            region,
            target,
            leavers,
            step: Step::Preparing,
            since_ms: self.now.mono_ms,
            again_ms: 0,
        };
        self.departures.attempts.insert(attempt, departure);
        self.tell_server(target.node, prepare);
    }

    fn freeze(
        &mut self,
        user: UserId,
        attempt: AttemptId,
        region: RegionNumber,
    ) -> Option<(Leaver, Passenger)> {
        let target = self.config.topology.region(region)?.rect;
        let (key, epoch) = self.players.get(&user).map(|player| (player.key, player.epoch))?;
        let next = epoch.next().ok()?;
        let at = self.entities.get(key)?.at;
        if !target.contains(at) {
            // A companion that lags behind is taken along, or the target would send it straight back.
            self.cells
                .walk(key, target.clamp(at, PUSH_BACK), &mut self.entities);
        }
        let player = self.players.get_mut(&user)?;
        let entity = self.entities.get_mut(key)?;
        entity.input = None;
        player.commands.clear();
        player.phase = Phase::Frozen(attempt);
        let cell = self.cells.grid().cell_at(target.clamp(entity.at, 1.0 / 128.0));
        let save = player.capture(entity, cell);
        let passenger = Passenger {
            user: user.0,
            owner_epoch: next.0,
            version: save.version.0,
            state: Some(player.state(entity)),
        };
        let leaver = Leaver {
            user,
            epoch,
            save,
            cell,
        };
        Some((leaver, passenger))
    }

    /// The target is ready: the CAS, if this is exactly the attempt and the versions that are waited for.
    pub(in super::super) fn prepared(&mut self, node: NodeNumber, message: &Prepared) {
        let attempt = AttemptId(message.attempt);
        let from = self.config.node;
        #[cfg(feature = "broken-rules")]
        self.recall(attempt);
        let Some(departure) = self.departures.attempts.get_mut(&attempt) else {
            return self.count("prepared_unknown");
        };
        let expected = departure.leavers.iter().map(claim);
        if departure.target.node != node
            || departure.step != Step::Preparing
            || RegionNumber(message.from_region) != departure.region
            || !expected.eq(message.claims.iter().copied())
        {
            return self.count("prepared_unexpected");
        }
        departure.step = Step::Committing;
        let to = Serving {
            node,
            region: departure.region,
            region_epoch: departure.target.epoch,
        };
        let passengers = departure
            .leavers
            .iter()
            .map(|leaver| leaver.save.clone())
            .collect();
        let pass = StoreRequest::PassPlayers {
            from,
            to,
            attempt,
            passengers,
        };
        #[cfg(feature = "broken-rules")]
        if self.breaks(HandoverRule::OwnershipByRow) {
            return self.gone(attempt);
        }
        self.ask(Asked::Pass(attempt), pass);
    }

    pub(in super::super) fn refused(&mut self, node: NodeNumber, message: &Refuse) {
        let attempt = AttemptId(message.attempt);
        let departure = self.departures.attempts.get(&attempt);
        if departure
            .is_some_and(|departure| departure.target.node == node && departure.step == Step::Preparing)
        {
            self.count("handover_refused");
            self.abort(attempt);
        }
    }

    /// Nothing was sent to the store, or it said that nothing happened: the players go on, back inside the border.
    fn abort(&mut self, attempt: AttemptId) {
        let Some(departure) = self.departures.attempts.remove(&attempt) else {
            return;
        };
        #[cfg(feature = "broken-rules")]
        self.departures.called_off.insert(attempt, departure.clone());
        for leaver in departure.leavers {
            self.resume(leaver.user, attempt);
        }
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
        player.dirty_since_ms.get_or_insert(now_ms);
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
            && let (Some(lane), epoch, number) = (player.bound.lane, player.epoch, player.command_ack())
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
            Ok(_) if self.breaks(HandoverRule::NoIsDoubt) => self.abort(attempt),
            Err(error) if error.is_surely_not_applied() => {
                self.count("handover_store");
                self.abort(attempt);
            }
            // A refusal may be the answer to the repetition of a success, and silence may be anything.
            Ok(_) | Err(_) => {
                self.count("handover_doubt");
                let now_ms = self.now.mono_ms;
                let Some(departure) = self.departures.attempts.get_mut(&attempt) else {
                    return;
                };
                departure.step = Step::Doubt;
                departure.again_ms = now_ms + REPEAT_MS;
                let users: Vec<_> = departure.leavers.iter().map(|leaver| leaver.user).collect();
                for user in users {
                    self.ask(Asked::Doubt(attempt, user), StoreRequest::LoadPlayer { user });
                }
            }
        }
    }

    pub(super) fn forget_leaver(&mut self, attempt: AttemptId, user: UserId) {
        if let Some(departure) = self.departures.attempts.get_mut(&attempt) {
            departure.leavers.retain(|leaver| leaver.user != user);
            if departure.leavers.is_empty() {
                self.departures.attempts.remove(&attempt);
            }
        }
    }

    /// Committed. The row holds the state that was frozen, so nothing of the player has to be kept here.
    pub(super) fn gone(&mut self, attempt: AttemptId) {
        let now_ms = self.now.mono_ms;
        let Some(departure) = self.departures.attempts.get_mut(&attempt) else {
            return;
        };
        departure.step = Step::Gone;
        departure.since_ms = now_ms;
        departure.again_ms = now_ms + REPEAT_MS;
        let departure = departure.clone();
        self.send_commit(attempt, &departure);
        for leaver in &departure.leavers {
            self.let_go(leaver, &departure);
        }
    }

    fn let_go(&mut self, leaver: &Leaver, departure: &Departure) {
        let Ok(owner_epoch) = leaver.epoch.next() else {
            return;
        };
        let (user, target) = (leaver.user, departure.target);
        let stub = Stub {
            at: target,
            region: departure.region,
            owner_epoch,
            until_ms: self.now.mono_ms + STUB_MS,
        };
        self.stubs.insert(user, stub);
        let cell = leaver.cell;
        let reason = RemoveReason::Moved {
            cell,
            epoch: owner_epoch,
        };
        let Some(player) = self.drop_player(user, reason) else {
            return;
        };
        self.counts.departed += 1;
        self.effects.push(RegionEffect::PlayerPassed(user));
        if let Some(lane) = player.bound.lane {
            let moved = Moved {
                user: user.0,
                from_epoch: leaver.epoch.0,
                node: u32::from(target.node.0),
                region: departure.region.0,
                owner_epoch: owner_epoch.0,
            };
            self.tell_proxy(lane, moved);
        }
        if let Some((lane, _)) = player.waiting_join {
            self.elsewhere(lane, user, &stub);
        }
    }

    fn send_commit(&mut self, attempt: AttemptId, departure: &Departure) {
        let commit = Commit {
            from_region: self.config.number.0,
            to_region: departure.region.0,
            attempt: attempt.0,
            claims: departure.leavers.iter().map(claim).collect(),
        };
        self.tell_server(departure.target.node, commit);
    }

    pub(in super::super) fn done(&mut self, node: NodeNumber, message: &Done) {
        let attempt = AttemptId(message.attempt);
        let Some(departure) = self.departures.attempts.get(&attempt) else {
            return;
        };
        if departure.step != Step::Gone || departure.target.node != node {
            return self.count("done_unexpected");
        }
        for claim in &message.claims {
            self.forget_leaver(attempt, UserId(claim.user));
        }
    }

    /// Calls off what was not answered in time, and repeats what has to arrive.
    pub(in super::super) fn keep_departures(&mut self) {
        let now_ms = self.now.mono_ms;
        let mut late = Vec::new();
        let mut again = Vec::new();
        #[cfg(feature = "broken-rules")]
        late.extend(self.given_up());
        for (&attempt, departure) in &mut self.departures.attempts {
            let age_ms = now_ms.saturating_sub(departure.since_ms);
            match departure.step {
                Step::Preparing if age_ms >= PREPARE_MS => late.push(attempt),
                Step::Gone if departure.again_ms <= now_ms => {
                    departure.again_ms = now_ms + REPEAT_MS;
                    again.push((attempt, departure.clone()));
                }
                _ => {}
            }
        }
        for attempt in late {
            self.count("handover_timeout");
            self.abort(attempt);
        }
        for (attempt, departure) in again {
            if now_ms.saturating_sub(departure.since_ms) >= GONE_MS {
                self.departures.attempts.remove(&attempt);
            } else {
                self.send_commit(attempt, &departure);
            }
        }
        let over = self.stubs.iter().filter(|(_, stub)| stub.until_ms <= now_ms);
        let over: Vec<UserId> = over.map(|(user, _)| *user).collect();
        for user in over {
            self.stubs.remove(&user);
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
            home_cell: self.cells.index(entity.cell).0,
            entity: player.entity.0,
            last_input: player.last_input,
            last_command: player.command_ack(),
            session: Some(player.session_key()),
        };
        self.tell_proxy(lane, here);
        self.send_events(user);
    }
}

fn claim(leaver: &Leaver) -> Claim {
    Claim {
        user: leaver.user.0,
        owner_epoch: leaver.epoch.0.saturating_add(1),
        version: leaver.save.version.0,
    }
}
