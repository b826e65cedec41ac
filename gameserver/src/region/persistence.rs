//! The store's side of a player: soft saves, durable commits, logouts; one write of a player at a time, each with a
//! higher version, so that no order of arrival can turn time back.

use faultpoint::faultpoint;
use protocol::cell::RemoveReason;
use protocol::ids::{OwnerEpoch, UserId};
use store::limits::BATCH_ROWS_MAX;
use store::{CommitOutcome, SaveOutcome, StoreError, StoreReply, StoreRequest};

use super::asked::Asked;
use super::entity::Entity;
use super::player::{Phase, Player};
use super::questions::AGAIN_MS;
use super::state::RegionState;

impl RegionState {
    pub(super) fn repeat_questions(&mut self) {
        for (asked, request) in self.out.take_due(self.now.mono_ms) {
            if let Asked::Service(region) = asked
                && !self.neighbourhood.asks_again(region)
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
        self.write_ground();
        self.write_creatures();
        self.begin_round();
    }

    fn write_commits(&mut self) {
        let writing = self.writing();
        let mut commits = Vec::new();
        let mut asked = Vec::new();
        for player in self.players.values_mut() {
            if !player.writes.is_commit_due() || player.phase != Phase::Active {
                continue;
            }
            let Some(entity) = self.entities.get(player.key) else {
                continue;
            };
            let home_cell = self.cells.home_cell(entity);
            asked.push((player.user, player.epoch));
            commits.push(player.begin_commit(entity, home_cell, writing));
        }
        let serving = self.config.serving();
        while !commits.is_empty() {
            let count = commits.len().min(BATCH_ROWS_MAX);
            let later = (asked.split_off(count), commits.split_off(count));
            self.ask(
                Asked::Commits(asked),
                StoreRequest::CommitDurable { serving, commits },
            );
            (asked, commits) = later;
        }
    }

    fn write_logouts(&mut self) {
        let (grace_ms, now_ms) = (self.config.linkdead_grace_ms, self.now.mono_ms);
        let writing = self.writing();
        let mut releases = Vec::new();
        for player in self.players.values_mut() {
            let dead = player.is_dead(grace_ms, now_ms);
            let goes = match player.phase {
                Phase::Active => player.logout || dead,
                Phase::Leaving => true,
                Phase::Frozen(_) | Phase::Unanswered => false,
            };
            if !goes || !player.writes.is_settled() || !player.writes.may_try(now_ms) {
                continue;
            }
            let Some(entity) = self.entities.get(player.key) else {
                continue;
            };
            player.phase = Phase::Leaving;
            player.writes.begin_release();
            let home_cell = self.cells.home_cell(entity);
            releases.push((player.epoch, player.capture(entity, home_cell, writing)));
        }
        let serving = self.config.serving();
        for (epoch, save) in releases {
            self.ask(
                Asked::Release(save.user, epoch),
                StoreRequest::Release { serving, save },
            );
        }
    }

    /// Begins a round when it is time and somebody is marked.
    fn begin_round(&mut self) {
        let now_ms = self.now.mono_ms;
        if self.round.since_ms().is_some() || !self.round.is_time(now_ms, self.draining) {
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
        // Beyond the margin the handover writes the state: a save under way would only hold it up.
        let is_inside = |entity: &Entity| self.rect.distance(entity.at) <= self.margin;
        player.writes.is_due(since_ms)
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
        let writing = self.writing();
        let mut saves = Vec::with_capacity(users.len());
        for user in users {
            let Some(player) = self.players.get_mut(&user) else {
                continue;
            };
            let Some(entity) = self.entities.get(player.key) else {
                continue;
            };
            player.writes.begin_save();
            saves.push(player.capture(entity, self.cells.home_cell(entity), writing));
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
            _ => {
                faultpoint!(SaveUnanswered);
                self.round.fail(self.now.mono_ms + AGAIN_MS);
                Vec::new()
            }
        };
        let now_ms = self.now.mono_ms;
        for (index, &(user, epoch)) in asked.iter().enumerate() {
            let Some(player) = self.players.get_mut(&user).filter(|player| player.epoch == epoch) else {
                continue;
            };
            player.writes.end();
            match outcomes.get(index) {
                Some(SaveOutcome::Applied) => {}
                Some(SaveOutcome::Fenced) => {
                    faultpoint!(SaveFenced);
                    self.fence(user);
                }
                // The next save has a higher version whatever became of this one.
                Some(SaveOutcome::Older) | None => {
                    if outcomes.get(index).is_some() {
                        faultpoint!(SaveOlder);
                    }
                    player.writes.mark(now_ms);
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
            // Of this player alone: asked again it would be refused again, for ever.
            Err(StoreError::Invalid(_)) if asked.len() == 1 => vec![CommitOutcome::Older],
            _ => Vec::new(),
        };
        for (index, &(user, epoch)) in asked.iter().enumerate() {
            if self.players.get(&user).is_none_or(|player| player.epoch != epoch) {
                continue;
            }
            match outcomes.get(index) {
                Some(CommitOutcome::Applied) => self.committed(user),
                Some(CommitOutcome::FencedByEpoch) => {
                    faultpoint!(CommitFenced);
                    self.look_again(user);
                    self.fence(user);
                }
                Some(
                    refused @ (CommitOutcome::HolderMismatch(_)
                    | CommitOutcome::NoReceiver(_)
                    | CommitOutcome::TradeClosed(_)
                    | CommitOutcome::Older),
                ) => {
                    faultpoint!(CommitRefused);
                    self.commit_refused(user, *refused);
                }
                None => {
                    faultpoint!(CommitUnanswered);
                    self.commit_unanswered(user, phase);
                }
            }
        }
    }

    /// Acknowledgement and events are released, and those who were given something hear of it.
    fn committed(&mut self, user: UserId) {
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        let Some(done) = player.finish_commit() else {
            return;
        };
        if player.phase == Phase::Unanswered {
            player.phase = Phase::Active;
        }
        self.acknowledge_commands(user);
        self.send_events(user);
        self.valuables_committed(user, &done.changes, done.laid);
        for (to, seen_in) in done.receivers {
            self.tell_receiver(to, OwnerEpoch(0), seen_in);
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
        let Some(commit) = player.writes.commit() else {
            return;
        };
        let (commits, epoch) = (vec![commit.clone()], player.epoch);
        player.writes.try_again_at(now_ms + AGAIN_MS);
        let serving = self.config.serving();
        self.ask_later(
            Asked::Commits(vec![(user, epoch)]),
            StoreRequest::CommitDurable { serving, commits },
        );
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
        player.writes.end();
        let is_mine = match answer {
            Ok(StoreReply::Released) => false,
            Ok(StoreReply::Refused(rows)) => rows
                .first()
                .is_some_and(|row| row.owner == Some(self.config.node) && row.owner_epoch == epoch),
            // It may be written yet, so nobody may be welcomed on what is here: only asking again tells.
            _ => {
                faultpoint!(ReleaseUnanswered);
                player.writes.try_again_at(now_ms + AGAIN_MS);
                return;
            }
        };
        if is_mine {
            faultpoint!(ReleaseRefused);
            // What was captured for it is not in the row.
            player.phase = Phase::Active;
            player.writes.mark(now_ms);
            if player.events.awaits_commit() {
                player.writes.owe_commit();
            }
            player.writes.try_again_at(now_ms + AGAIN_MS);
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
}
