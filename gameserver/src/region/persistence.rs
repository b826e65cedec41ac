//! The store's side of a player: soft saves, durable commits, logouts; one write of a player at a time, each with a
//! higher version, so that no order of arrival can turn time back.

use protocol::cell::RemoveReason;
use protocol::ids::{EntityId, OwnerEpoch, UserId};
use protocol::message::effect::Refresh;
use store::limits::BATCH_ROWS_MAX;
use store::request::DurableCommit;
use store::{CommitOutcome, Holder, HoldingChange, SaveOutcome, StoreError, StoreReply, StoreRequest};

use super::asked::Asked;
use super::effect::RegionEffect;
use super::entity::Entity;
use super::player::{Phase, Player, Write};
use super::questions::AGAIN_MS;
use super::state::{Notice, RegionState};
use crate::logic::Place;

/// Holdings of players near a border are read again this often, seconds.
const RIM_REFRESH_S: u64 = 4;

impl RegionState {
    /// Asks again a little later what the store could not answer.
    pub(super) fn ask_later(&mut self, asked: Asked, request: StoreRequest) {
        self.questions.put_later(asked, request, self.now.mono_ms);
    }

    pub(super) fn repeat_questions(&mut self) {
        for (asked, request) in self.questions.take_due(self.now.mono_ms) {
            if let Asked::Service(region) = asked
                && !self.services.ask_again(region)
            {
                continue;
            }
            self.ask(asked, request);
        }
    }

    /// Phase: writes what has to be written. The tick's durable commands go as one batch.
    pub(super) fn write_down(&mut self) {
        self.write_commits();
        self.write_logouts();
        self.begin_round();
    }

    fn write_commits(&mut self) {
        let mut commits = Vec::new();
        let mut asked = Vec::new();
        for player in self.players.values_mut() {
            if !player.durable_applied || player.write.is_some() || player.phase != Phase::Active {
                continue;
            }
            let Some(entity) = self.entities.get(player.key) else {
                continue;
            };
            player.begin_commit();
            let home_cell = self.cells.index(entity.cell);
            let commit = DurableCommit {
                save: player.capture(entity, home_cell),
                changes: std::mem::take(&mut player.changes),
            };
            player.write = Some(Write::Commit(Box::new(commit.clone())));
            asked.push((player.user, player.epoch));
            commits.push(commit);
        }
        if !commits.is_empty() {
            let owner = self.config.node;
            self.ask(
                Asked::Commits(asked),
                StoreRequest::CommitDurable { owner, commits },
            );
        }
    }

    fn write_logouts(&mut self) {
        let grace_ms = self.config.linkdead_grace_ms;
        let now_ms = self.now.mono_ms;
        let mut releases = Vec::new();
        for player in self.players.values_mut() {
            let dead = player
                .linkdead_since_ms
                .is_some_and(|since| now_ms.saturating_sub(since) >= grace_ms);
            let goes = match player.phase {
                Phase::Active => player.logout || dead,
                Phase::Leaving => true,
                Phase::Frozen(_) | Phase::Unanswered => false,
            };
            if !goes || !player.is_settled() || player.write_again_ms.is_some_and(|at_ms| at_ms > now_ms) {
                continue;
            }
            let Some(entity) = self.entities.get(player.key) else {
                continue;
            };
            player.phase = Phase::Leaving;
            player.write = Some(Write::Release);
            let home_cell = self.cells.index(entity.cell);
            releases.push((player.epoch, player.capture(entity, home_cell)));
        }
        let owner = self.config.node;
        for (epoch, save) in releases {
            self.ask(
                Asked::Release(save.user, epoch),
                StoreRequest::Release { owner, save },
            );
        }
    }

    /// Begins a round when it is time and somebody is marked. In a drain rounds follow each other without pause.
    fn begin_round(&mut self) {
        let now_ms = self.now.mono_ms;
        let is_time = self.draining || self.round.is_time(now_ms);
        if self.round.since_ms().is_some() || !is_time {
            return;
        }
        if self
            .players
            .values()
            .any(|player| self.is_saved_softly(player, now_ms))
        {
            self.round.begin(now_ms);
            self.ask(Asked::SoftTurn, StoreRequest::SoftTurn);
        }
    }

    /// Whether a round that began then writes the player.
    fn is_saved_softly(&self, player: &Player, since_ms: u64) -> bool {
        let is_marked = player
            .dirty_since_ms
            .is_some_and(|marked_ms| marked_ms <= since_ms);
        // Beyond the margin the handover writes the state: a save under way would only hold it up.
        let is_inside = |entity: &Entity| self.rect.distance(entity.at) <= self.margin;
        is_marked
            && player.is_settled()
            && player.phase == Phase::Active
            && self.entities.get(player.key).is_some_and(is_inside)
    }

    /// Nothing urgent waits: only now does a portion of the marked take their write slots.
    pub(super) fn soft_turn_answer(&mut self, answer: &Result<StoreReply, StoreError>) {
        let Some(since_ms) = self.round.since_ms() else {
            return;
        };
        if answer.is_err() {
            return self.ask_later(Asked::SoftTurn, StoreRequest::SoftTurn);
        }
        let mut due = self
            .players
            .values()
            .filter(|player| self.is_saved_softly(player, since_ms));
        let users: Vec<UserId> = due
            .by_ref()
            .take(BATCH_ROWS_MAX)
            .map(|player| player.user)
            .collect();
        let is_last = due.next().is_none();
        let mut saves = Vec::with_capacity(users.len());
        for user in users {
            let Some(player) = self.players.get_mut(&user) else {
                continue;
            };
            let Some(entity) = self.entities.get(player.key) else {
                continue;
            };
            player.write = Some(Write::Save);
            saves.push(player.capture(entity, self.cells.index(entity.cell)));
        }
        if !saves.is_empty() {
            let owner = self.config.node;
            let asked = saves.iter().map(|save| (save.user, save.owner_epoch)).collect();
            self.ask(Asked::Saves(asked), StoreRequest::SavePlayers { owner, saves });
        }
        if is_last {
            self.round.end(self.now.mono_ms + self.config.soft_save_ms);
        } else {
            // In line behind the portion, so that the next one is captured when this one is written.
            self.ask(Asked::SoftTurn, StoreRequest::SoftTurn);
        }
    }

    pub(super) fn saves_answer(
        &mut self,
        asked: &[(UserId, OwnerEpoch)],
        answer: Result<StoreReply, StoreError>,
    ) {
        let outcomes = match answer {
            Ok(StoreReply::Saved(outcomes)) => outcomes,
            _ => Vec::new(),
        };
        let now_ms = self.now.mono_ms;
        for (index, &(user, epoch)) in asked.iter().enumerate() {
            let Some(player) = self.players.get_mut(&user).filter(|player| player.epoch == epoch) else {
                continue;
            };
            player.write = None;
            match outcomes.get(index) {
                Some(SaveOutcome::Applied) => {}
                Some(SaveOutcome::Fenced) => self.fence(user),
                // The next save has a higher version whatever became of this one.
                Some(SaveOutcome::Older) | None => {
                    player.dirty_since_ms.get_or_insert(now_ms);
                }
            }
        }
    }

    pub(super) fn commits_answer(
        &mut self,
        asked: &[(UserId, OwnerEpoch)],
        answer: Result<StoreReply, StoreError>,
    ) {
        let phase = if matches!(answer, Err(StoreError::Unknown(_))) {
            Phase::Unanswered
        } else {
            Phase::Active
        };
        let outcomes = match answer {
            Ok(StoreReply::Committed(outcomes)) => outcomes,
            _ => Vec::new(),
        };
        for (index, &(user, epoch)) in asked.iter().enumerate() {
            if self.players.get(&user).is_none_or(|player| player.epoch != epoch) {
                continue;
            }
            match outcomes.get(index) {
                Some(CommitOutcome::Applied) => self.committed(user),
                Some(CommitOutcome::FencedByEpoch) => {
                    self.look_again(user);
                    self.fence(user);
                }
                // Memory and store disagree about a holding or a version: the row is right.
                Some(
                    CommitOutcome::HolderMismatch(_) | CommitOutcome::NoReceiver(_) | CommitOutcome::Older,
                ) => {
                    self.count("commit_refused");
                    self.look_again(user);
                    self.restart(user);
                }
                None => self.commit_unanswered(user, phase),
            }
        }
    }

    /// Acknowledgement and events are released, and those who were given something hear of it.
    fn committed(&mut self, user: UserId) {
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        let Some(Write::Commit(commit)) = player.write.take() else {
            return;
        };
        player.finish_commit();
        if player.phase == Phase::Unanswered {
            player.phase = Phase::Active;
        }
        player.write_again_ms = None;
        self.acknowledge_commands(user);
        self.send_events(user);
        for change in &commit.changes {
            if let HoldingChange::Give { to, .. } = change {
                self.tell_receiver(*to);
            }
        }
        self.take_waiting_join(user);
    }

    /// Nobody knows what became of the commit. Asking the same again changes nothing twice, and settles it.
    fn commit_unanswered(&mut self, user: UserId, phase: Phase) {
        let now_ms = self.now.mono_ms;
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        if phase == Phase::Unanswered {
            player.phase = phase;
        }
        let Some(Write::Commit(commit)) = &player.write else {
            return;
        };
        let (commits, epoch) = (vec![DurableCommit::clone(commit)], player.epoch);
        player.write_again_ms = Some(now_ms + AGAIN_MS);
        let owner = self.config.node;
        self.ask_later(
            Asked::Commits(vec![(user, epoch)]),
            StoreRequest::CommitDurable { owner, commits },
        );
    }

    /// What the player's commands took from the ground may still lie there.
    fn look_again(&mut self, user: UserId) {
        let region = self.config.number;
        let Some(player) = self.players.get(&user) else {
            return;
        };
        let Some(Write::Commit(commit)) = &player.write else {
            return;
        };
        if commit
            .changes
            .iter()
            .any(|change| matches!(change, HoldingChange::Take { .. }))
        {
            self.ask(Asked::Ground, StoreRequest::HoldingsOnGround { region });
        }
    }

    /// Holdings of a user changed in the store: the user's owner is to read them again.
    pub(super) fn tell_receiver(&mut self, user: UserId) {
        if self.players.contains_key(&user) {
            return self.refresh(user);
        }
        if self.arrivals.refresh_again(user) {
            return;
        }
        let stub = self.stubs.get(&user).map(|stub| (stub.region, stub.at.node));
        let seen = self.receivers.remove(&user);
        let at = seen.and_then(|region| self.served(region).map(|served| (region, served.node)));
        if let Some((region, node)) = stub.or(at) {
            let refresh = Refresh {
                from_region: self.config.number.0,
                to_region: region.0,
                user: user.0,
            };
            self.tell_server(node, refresh);
        }
    }

    /// A `Refresh` may be lost on its way over a border, so players there are looked after every few seconds, each in
    /// its own tick.
    pub(super) fn refresh_at_rim(&mut self) {
        let period = u64::from(self.config.topology.world().tick_hz.max(1)) * RIM_REFRESH_S;
        let turn = self.tick.0 % period;
        let due = |player: &&mut Player| player.was_at_rim && player.user.0 % period == turn;
        let mut users = Vec::new();
        for player in self.players.values_mut().filter(due) {
            player.was_at_rim = false;
            users.push(player.user);
        }
        for user in users {
            self.refresh(user);
        }
    }

    pub(super) fn refresh(&mut self, user: UserId) {
        let steps = self.players.get(&user).map_or(0, |player| player.commit_steps);
        self.ask(Asked::Refresh(user, steps), StoreRequest::HoldingsOf { user });
    }

    /// Somebody changed what a player holds: what is new is shown and told.
    pub(super) fn refresh_answer(
        &mut self,
        user: UserId,
        steps: u64,
        answer: Result<StoreReply, StoreError>,
    ) {
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        let Ok(StoreReply::Holdings(holdings)) = answer else {
            let asked = Asked::Refresh(user, player.commit_steps);
            return self.ask_later(asked, StoreRequest::HoldingsOf { user });
        };
        if player.commit_steps != steps {
            // Read before a commit that has changed the holdings since: what was given away would come back.
            return self.refresh(user);
        }
        if matches!(player.phase, Phase::Frozen(_)) {
            // Whoever simulates the player next reads its holdings anyway.
            return;
        }
        for holding in holdings {
            if player.events.is_full() {
                // Nothing is shown that cannot be told: once more, when the client has listened.
                player.was_at_rim = true;
                return;
            }
            let Err(at) = player.holdings.binary_search(&holding.id) else {
                continue;
            };
            // Given away here, and the commit that says so still under way: memory is ahead of the store.
            if player.gives_away(holding.id) {
                continue;
            }
            player.holdings.insert(at, holding.id);
            self.notices.push_back(Notice::Received(user, holding.id));
        }
    }

    pub(super) fn release_answer(
        &mut self,
        user: UserId,
        epoch: OwnerEpoch,
        answer: &Result<StoreReply, StoreError>,
    ) {
        let now_ms = self.now.mono_ms;
        let Some(player) = self.players.get_mut(&user).filter(|player| player.epoch == epoch) else {
            return;
        };
        player.write = None;
        let is_mine = match answer {
            Ok(StoreReply::Released) => false,
            Ok(StoreReply::Refused(rows)) => rows
                .first()
                .is_some_and(|row| row.owner == Some(self.config.node) && row.owner_epoch == epoch),
            // It may be written yet, so nobody may be welcomed on what is here: only asking again tells.
            _ => {
                player.write_again_ms = Some(now_ms + AGAIN_MS);
                return;
            }
        };
        if is_mine {
            player.phase = Phase::Active;
            player.durable_applied |= player.events.awaits_commit();
            player.write_again_ms = Some(now_ms + AGAIN_MS);
            return self.take_waiting_join(user);
        }
        self.counts.departed += 1;
        let player = self.drop_player(user, RemoveReason::Gone);
        if let Some((lane, join)) = player.and_then(|player| player.waiting_join) {
            self.refuse_join(lane, &join, protocol::Code::Busy);
        }
    }

    /// A join that waited until it was known whose player this is.
    pub(super) fn take_waiting_join(&mut self, user: UserId) {
        let waiting = self
            .players
            .get_mut(&user)
            .and_then(|player| player.waiting_join.take());
        if let Some((lane, join)) = waiting {
            self.rebind(lane, join);
        }
    }

    /// The effect on a foreign or own entity, for whoever simulates it.
    pub(super) fn send_effect(&mut self, source: EntityId, target: EntityId, body: bytes::Bytes) {
        let Some(place) = crate::logic::Ctx::entity(self, target).map(|entity| entity.place) else {
            return;
        };
        match place {
            Place::Here => self.notices.push_back(Notice::Effect { source, target, body }),
            Place::Ghost(region) => {
                let Some(served) = self.served(region) else {
                    return;
                };
                let effect = protocol::message::effect::Effect {
                    from_region: self.config.number.0,
                    to_region: region.0,
                    to_region_epoch: served.epoch.0,
                    source_entity: source.0,
                    target_entity: target.0,
                    made_us: self.now.mono_ms * 1000,
                    body,
                };
                self.effects
                    .push(RegionEffect::ToServer(served.node, effect.into()));
            }
        }
    }

    /// What lies in this region, from the store.
    pub(super) fn ground_answer(&mut self, answer: Result<StoreReply, StoreError>) {
        let region = self.config.number;
        let Ok(StoreReply::Holdings(holdings)) = answer else {
            return self.ask_later(Asked::Ground, StoreRequest::HoldingsOnGround { region });
        };
        self.ground_known = true;
        for holding in holdings {
            let lies_here = matches!(holding.holder, Holder::Ground { region: at, .. } if at == region);
            if lies_here && !self.ground.contains_key(&holding.id) {
                self.ground.insert(holding.id, EntityId(0));
                self.notices.push_back(Notice::LiesHere(holding));
            }
        }
    }
}
