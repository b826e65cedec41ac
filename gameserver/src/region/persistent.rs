//! Creatures that outlive their process. Each has a row that says in which region it is, and whoever serves that region has it and
//! writes it.
//!
//! A crossing is a change of that row: the creature stands still from the moment it is asked for, and is gone here when the store
//! says that it is over there. Whoever serves there reads who has come, told by a nudge or when it looks anyway. So the row
//! alone decides, whoever dies and whatever is lost on the way: nobody is in two regions, and nobody in none for long.

use std::collections::BTreeSet;

use bytes::Bytes;
use game::Ctx as _;
use prost::Message as _;
use protocol::cell::RemoveReason;
use protocol::geometry::Position;
use protocol::ids::{EntityId, StateVersion};
use protocol::message::effect::{Arrivals, CreatureState, RoamTimer};
use store::creature::BIRTH_EPOCH;
use store::limits::CREATURE_CHANGES_MAX;
use store::{CreatureChange, CreatureOutcome, Serving, StoreError, StoreReply, StoreRequest};

use super::asked::Asked;
use super::creatures::Life;
use super::kept::{Kept, Seen, Stage};
use super::state::{Notice, RegionState};

/// A creature that walks is saved this often, milliseconds …
const SAVE_EVERY_MS: u64 = 5_000;
/// … and one that is as late as this does not wait for the next tick.
const LATE_MS: u64 = 1_000;
/// At so many creatures it is looked for one request whether they have changed.
const LOOKED_AT_MAX: usize = 512;
/// As many births may wait for the store.
const UNBORN_MAX: usize = 1024;

impl RegionState {
    pub(super) fn bear(&mut self, kind: u16, at: Position, state: &[u8]) -> Option<EntityId> {
        if !self.creatures.has_room_to_keep() || self.creatures.unborn() >= UNBORN_MAX {
            return None;
        }
        let id = self.spawn(kind, at, state)?;
        let key = self.entities.key(id)?;
        self.entities.get_mut(key)?.owner_epoch = BIRTH_EPOCH;
        self.creatures
            .insert(id, Life::Persistent(Kept::unborn()), Bytes::new());
        Some(id)
    }

    /// Whether rules may take a creature out of the world now; the store is to be told of it.
    pub(super) fn may_end(&mut self, id: EntityId) -> bool {
        let epoch = self.entities.key(id).and_then(|key| self.entities.get(key));
        let epoch = epoch.map(|entity| entity.owner_epoch);
        let creature = self.creatures.get(id);
        let (Some(kept), Some(epoch)) = (creature.and_then(|creature| creature.kept()), epoch) else {
            return true;
        };
        if kept.is_leaving() {
            return false;
        }
        // Of what it was never told the store need not hear.
        if matches!(kept.stage, Stage::Here) || self.creature_rows.bears(id) {
            self.creature_rows.end(id, epoch);
        }
        true
    }

    /// Whether a creature stands still, since the store is asked to have it in another region.
    pub(super) fn is_leaving(&self, id: EntityId) -> bool {
        let creature = self.creatures.get(id);
        creature
            .and_then(|creature| creature.kept())
            .is_some_and(Kept::is_leaving)
    }

    /// It stands far enough in another region: from here on nothing changes it until the store has answered.
    pub(super) fn begin_crossing(&mut self, id: EntityId, to: Serving) {
        // Whoever is not born yet has no row to change.
        if !self.kept(id).is_some_and(Kept::is_written) {
            return;
        }
        let Some(state) = self.captured(id) else {
            return;
        };
        let leaving = Stage::Leaving(to, Box::new(state));
        self.creatures.change_kept(id, |kept| kept.stage = leaving);
        self.creatures.take_timers(id);
    }

    /// All that is its own, now.
    fn captured(&self, id: EntityId) -> Option<CreatureState> {
        let entity = self.entities.get(self.entities.key(id)?)?;
        let creature = self.creatures.get(id)?;
        let timers = self.creatures.timers(id).into_iter();
        let (visibility, only_user) = entity.visibility.numbers();
        Some(CreatureState {
            kind: entity.kind.into(),
            x: entity.at.x,
            y: entity.at.y,
            heading: entity.heading.into(),
            speed: entity.speed,
            state: Bytes::copy_from_slice(&entity.state),
            memory: creature.memory.clone(),
            timers: timers
                .map(|(due, token)| RoamTimer {
                    ticks: due.saturating_sub(self.tick.0),
                    token,
                })
                .collect(),
            saved_ms: self.clock_ms,
            game_id: self.config.edition.id.to_owned(),
            game_version: self.config.edition.version,
            visibility,
            only_user,
        })
    }

    pub(super) fn seen(&self, id: EntityId) -> Option<Seen> {
        let entity = self.entities.get(self.entities.key(id)?)?;
        let creature = self.creatures.get(id)?;
        Some(Seen {
            at: entity.at,
            heading: entity.heading,
            speed: entity.speed,
            state: entity.state,
            memory: creature.memory.clone(),
            timer_steps: creature.timer_steps(),
            visibility: entity.visibility,
        })
    }

    pub(super) fn kept(&self, id: EntityId) -> Option<&Kept> {
        self.creatures.get(id)?.kept()
    }

    /// Whether it is not as it was captured last.
    fn has_changed(&self, id: EntityId) -> bool {
        let saved = self.kept(id).and_then(|kept| kept.saved.as_ref());
        saved != self.seen(id).as_ref()
    }

    /// Everything that is here is to be written once more.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        let ids: Vec<EntityId> = self.creatures.kept().collect();
        for id in ids {
            if self.has_changed(id) {
                self.creatures.change_kept(id, |kept| kept.is_owed = true);
            }
        }
    }

    /// Phase: what has to be written of creatures goes as one request: who is no more, is born, leaves or is owed, and then, seldom,
    /// who has only walked.
    pub(super) fn write_creatures(&mut self) {
        self.read_creatures();
        if !self.creature_rows.may_begin() {
            return;
        }
        let mut changes = self.creature_rows.take_ends(CREATURE_CHANGES_MAX);
        for id in self.creatures.next_owed(CREATURE_CHANGES_MAX - changes.len()) {
            changes.extend(self.owed_change(id));
        }
        // In a drain everybody is owed once, and whoever walks on is not: it would never end.
        if !self.draining {
            self.save_who_walks(&mut changes);
        }
        if !changes.is_empty() {
            let (version, changes) = self.creature_rows.begin(changes);
            self.ask(Asked::CreatureWrite, self.creature_request(version, changes));
        }
    }

    /// As many as there is room for; those first at whom it was not looked for longest.
    fn save_who_walks(&mut self, changes: &mut Vec<CreatureChange>) {
        let now_ms = self.now.mono_ms;
        let then_ms = now_ms.saturating_sub(SAVE_EVERY_MS);
        for _ in 0..LOOKED_AT_MAX {
            if changes.len() >= CREATURE_CHANGES_MAX {
                return;
            }
            let Some(id) = self.creatures.look_at_next(then_ms, now_ms) else {
                return;
            };
            if self.has_changed(id) {
                changes.extend(self.save(id));
            }
        }
    }

    /// Whether the next request does not wait for a tick: somebody is owed, or too many walk for one at each.
    fn must_write_on(&self) -> bool {
        let late_ms = self.now.mono_ms.saturating_sub(SAVE_EVERY_MS + LATE_MS);
        let looked_ms = self.creatures.looked_first_ms();
        let is_late = looked_ms.is_some_and(|looked_ms| looked_ms <= late_ms);
        self.creatures_unwritten() > 0 || (is_late && !self.draining)
    }

    fn creature_request(&self, version: StateVersion, changes: Vec<CreatureChange>) -> StoreRequest {
        StoreRequest::WriteCreatures {
            serving: self.config.serving(),
            version,
            changes,
        }
    }

    /// A birth, a crossing, or what is owed of one that is here.
    fn owed_change(&mut self, creature: EntityId) -> Option<CreatureChange> {
        let epoch = self.entities.get(self.entities.key(creature)?)?.owner_epoch;
        match &self.kept(creature)?.stage {
            Stage::Here => self.save(creature),
            Stage::Leaving(to, state) => Some(CreatureChange::Pass {
                creature,
                epoch,
                to: *to,
                body: state.encode_to_vec().into(),
            }),
            Stage::Unborn => {
                let body = self.captured(creature)?.encode_to_vec().into();
                self.note_saved(creature);
                Some(CreatureChange::Bear { creature, body })
            }
        }
    }

    fn save(&mut self, creature: EntityId) -> Option<CreatureChange> {
        let epoch = self.entities.get(self.entities.key(creature)?)?.owner_epoch;
        let body = self.captured(creature)?.encode_to_vec().into();
        self.note_saved(creature);
        Some(CreatureChange::Save {
            creature,
            epoch,
            body,
        })
    }

    fn note_saved(&mut self, id: EntityId) {
        let (seen, now_ms) = (self.seen(id), self.now.mono_ms);
        self.creatures.change_kept(id, |kept| {
            (kept.saved, kept.looked_ms, kept.is_owed) = (seen, now_ms, false);
        });
    }

    pub(super) fn creatures_written(&mut self, answer: Result<StoreReply, StoreError>) {
        let staying = match answer {
            Ok(StoreReply::CreaturesWritten(CreatureOutcome::Applied { staying })) => staying,
            Ok(StoreReply::CreaturesWritten(CreatureOutcome::Fenced)) => return self.doubt_itself(),
            // Nobody else writes under this service; and what breaks a limit would do so for ever.
            Ok(_) | Err(StoreError::Invalid(_)) => {
                self.count("creatures_refused");
                self.creature_rows.finish();
                return self.read_creatures_again();
            }
            #[cfg(feature = "broken-rules")]
            Err(StoreError::Unknown(_))
                if self.breaks(super::handover::rule::HandoverRule::CreatureIsInDoubt) =>
            {
                self.passes().map(|(creature, _)| creature).collect()
            }
            // Asking the same again changes nothing twice.
            Err(_) => {
                let (version, changes) = self.creature_rows.again();
                let request = self.creature_request(version, changes);
                return self.ask_later(Asked::CreatureWrite, request);
            }
        };
        let mut told = BTreeSet::new();
        for change in self.creature_rows.finish() {
            match change {
                CreatureChange::Bear { creature, .. } => self.is_born(creature),
                CreatureChange::Pass { creature, .. } if staying.contains(&creature) => self.stays(creature),
                CreatureChange::Pass { creature, to, .. } => {
                    self.has_crossed(creature);
                    told.insert((to.region, to.node, to.region_epoch));
                }
                CreatureChange::Save { .. } | CreatureChange::End { .. } => {}
            }
        }
        for (region, node, region_epoch) in told {
            let arrivals = Arrivals {
                from_region: self.config.number.0,
                to_region: region.0,
                to_region_epoch: region_epoch.0,
            };
            self.tell_server(node, arrivals);
        }
        self.read_creatures();
        if self.must_write_on() {
            self.write_creatures();
        }
    }

    #[cfg(feature = "broken-rules")]
    fn passes(&self) -> impl Iterator<Item = (EntityId, Serving)> {
        let (_, changes) = self.creature_rows.again();
        changes.into_iter().filter_map(|change| match change {
            CreatureChange::Pass { creature, to, .. } => Some((creature, to)),
            _ => None,
        })
    }

    fn is_born(&mut self, id: EntityId) {
        self.creatures.change_kept(id, |kept| kept.stage = Stage::Here);
    }

    /// Where it was to go is not served so: it goes on here, inside.
    fn stays(&mut self, id: EntityId) {
        let before = self
            .creatures
            .change_kept(id, |kept| std::mem::replace(&mut kept.stage, Stage::Here));
        let Some(before) = before else { return };
        if let Stage::Leaving(_, state) = before {
            for timer in &state.timers {
                let tick = self.tick_in(timer.ticks);
                self.creatures.set_timer(id, tick, timer.token);
            }
        }
        if let Some(key) = self.entities.key(id) {
            self.hold_entity_inside(key);
        }
    }

    /// It is in the other region, as the store says.
    fn has_crossed(&mut self, id: EntityId) {
        // Its rules may have begun anew since.
        if !self.is_leaving(id) {
            return;
        }
        self.creatures.remove(id);
        let Some(key) = self.entities.key(id) else { return };
        let Some(entity) = self.entities.get(key) else {
            return;
        };
        let cell = self.cells.showing(entity.at, entity.visibility);
        let epoch = entity.owner_epoch.next();
        let reason = epoch.map_or(RemoveReason::Gone, |epoch| RemoveReason::Moved { cell, epoch });
        self.cells.leave(key, reason, &mut self.entities);
        self.counts.roamed_away += 1;
        self.notices.push_back(Notice::Went(id));
    }

    /// Memory and store do not agree: what the store has is right.
    fn read_creatures_again(&mut self) {
        let ids: Vec<EntityId> = self.creatures.kept().collect();
        for id in ids {
            self.end_creature(id);
        }
        self.creature_rows.begin_anew();
        self.read_creatures();
    }

    /// Whether the store lacks something of a creature, be it a step of its walk.
    pub(super) fn has_unwritten_creatures(&self) -> bool {
        let mut kept = self.creatures.kept();
        !self.creature_rows.is_loaded()
            || self.creatures_unwritten() > 0
            || kept.any(|id| self.has_changed(id))
    }

    /// What decides about creatures and the store does not have; in a drain also who is to be written once more.
    pub(super) fn creatures_unwritten(&self) -> usize {
        self.creature_rows.len() + self.creatures.owed()
    }
}
