//! Creatures of the game that walk over borders. Nothing of it is in the store: a creature is taken out here, and sent once to
//! who serves the other side. What is lost on the way is lost, and nothing is ever in two regions. Each has an epoch of its own, one more
//! at each crossing: those of regions go down as well as up on its way, and clients believe the highest.
//!
//! It ends with the service that made it: whoever serves that region next makes others, and does not know who lives next door.

use std::collections::BTreeSet;

use bytes::Bytes;
use game::Ctx as _;
use protocol::cell::{Motion, RemoveReason};
use protocol::geometry::Position;
use protocol::ids::{EntityId, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber};
use protocol::limits::CREATURE_MEMORY_BYTES_MAX;
use protocol::message::checked::{Birth, CheckedRoam};
use protocol::message::effect::{Roam, RoamTimer};
use store::{Serving, StoreReply, StoreRequest, StoreResult};

use super::asked::Asked;
use super::calling::Callback;
use super::creatures::Life;
use super::entity::{Change, Entity, EntityKey};
use super::rules::Rules;
use super::state::{Notice, RegionState};
use super::waiting_inputs::WaitingInputs;

/// How far from its edge what comes into a region stands at least, units.
pub(super) const INSIDE: f32 = 1.0 / 128.0;
/// How far from the region that sends it a creature may stand, beyond the margin: it has walked one tick, units.
const BEYOND: f32 = 1.0;
/// So much of a cell is left to players by creatures that come.
pub(super) const SPARE: usize = 512;
/// How often it is looked whether those are still served who made the creatures that are here, milliseconds.
const BIRTHS_EVERY_MS: u64 = 5_000;

impl RegionState {
    pub(super) fn spawn_creature(&mut self, kind: u16, at: Position, state: &[u8]) -> Option<EntityId> {
        if !self.creatures.has_room() {
            return None;
        }
        let id = self.spawn(kind, at, state)?;
        // Its own epoch begins at 1, before anybody was told of another.
        let key = self.entities.key(id)?;
        self.entities.get_mut(key)?.owner_epoch = OwnerEpoch(1);
        let birth = Birth {
            region: self.config.number,
            region_epoch: self.config.epoch,
            round: self.panics,
        };
        self.creatures
            .insert(id, Life::Ephemeral { birth, from: None }, Bytes::new());
        Some(id)
    }

    pub(super) fn set_creature_memory(&mut self, id: EntityId, memory: &[u8]) {
        if !self.is_leaving(id)
            && let Some(creature) = self.creatures.get_mut(id)
            && memory.len() <= CREATURE_MEMORY_BYTES_MAX
            && creature.memory != memory
        {
            creature.memory = Bytes::copy_from_slice(memory);
        }
    }

    /// Calls the rules for what they wanted of creatures later.
    pub(super) fn run_creature_timers(&mut self, rules: &mut Rules) {
        while rules.are_well()
            && let Some((id, token)) = self.creatures.take_due(self.tick.0)
        {
            rules.call(Callback::CreatureTimer, |logic| {
                logic.creature_timer(self, id, token);
            });
        }
    }

    /// Phase: creatures that stand far enough inside another region go there, if somebody serves it.
    pub(super) fn notice_roaming(&mut self) {
        let mut crossing = Vec::new();
        for id in self.creatures.ids() {
            let key = self.entities.key(id);
            if let Some(key) = key
                && let Some(entity) = self.entities.get(key)
                && entity.user.is_none()
                && self.rect.distance(entity.at) > self.margin
                && !self.is_leaving(id)
            {
                crossing.push((id, key, entity.at));
            }
        }
        for (id, key, at) in crossing {
            let region = self.next_region(at);
            let is_kept = self
                .creatures
                .get(id)
                .is_some_and(|creature| creature.kept().is_some());
            let neighbourhood = &self.neighbourhood;
            let to = neighbourhood.reachable(region);
            match to.filter(|to| neighbourhood.reads_what_is_written_here(*to)) {
                Some(to) if !is_kept => self.send_off(id, key, to),
                Some(to) if !self.draining => self.begin_crossing(id, to),
                _ => self.hold_entity_inside(key),
            }
        }
    }

    /// Taken out here first, then sent once.
    fn send_off(&mut self, id: EntityId, key: EntityKey, to: Serving) {
        let Some(epoch) = self
            .entities
            .get(key)
            .and_then(|entity| entity.owner_epoch.next().ok())
        else {
            return;
        };
        let Some((creature, timers)) = self.creatures.remove(id) else {
            return;
        };
        let Life::Ephemeral { birth, .. } = creature.life else {
            return;
        };
        let seen = self.entities.get(key);
        let (at, seen) = seen.map_or_else(Default::default, |entity| (entity.at, entity.visibility));
        let reason = RemoveReason::Moved {
            cell: self.cells.showing(at, seen),
            epoch,
        };
        let Some(entity) = self.cells.leave(key, reason, &mut self.entities) else {
            return;
        };
        self.counts.roamed_away += 1;
        let tick = self.tick.0;
        let timers = timers.into_iter().map(|(due, token)| RoamTimer {
            ticks: due.saturating_sub(tick),
            token,
        });
        let (visibility, only_user) = seen.numbers();
        let roam = Roam {
            from_region: self.config.number.0,
            from_region_epoch: self.config.epoch.0,
            to_region: to.region.0,
            to_region_epoch: to.region_epoch.0,
            entity: id.0,
            epoch: epoch.0,
            birth_region: birth.region.0,
            birth_region_epoch: birth.region_epoch.0,
            birth_round: birth.round,
            kind: entity.kind.into(),
            x: at.x,
            y: at.y,
            heading: entity.heading.into(),
            speed: entity.speed,
            state: Bytes::copy_from_slice(&entity.state),
            memory: creature.memory,
            timers: timers.collect(),
            visibility,
            only_user,
        };
        self.tell_server(to.node, roam);
        self.notices.push_back(Notice::Went(id));
    }

    /// A neighbour has sent a creature.
    pub(super) fn roam_arrived(&mut self, node: NodeNumber, roam: CheckedRoam) {
        let (region, region_epoch) = roam.from;
        let claim = Serving {
            node,
            region,
            region_epoch,
        };
        if !self.neighbourhood.may_speak(claim, &mut self.out) {
            return;
        }
        if self.neighbourhood.serving(region) != Some(claim) {
            return self.count("roam_not_serving");
        }
        if roam.to_epoch != self.config.epoch {
            return self.count("roam_late");
        }
        if let Some(label) = self.disbelieves(&roam) {
            return self.count(label);
        }
        if !self.creature_rows.is_loaded() {
            // Those who live here come first.
            return self.count("roam_early");
        }
        if self.has_ended(roam.birth) {
            return self.count("roam_ended");
        }
        // Rules that are called no more let nothing out again.
        if self.stands_still || !self.take_creature_in(roam) {
            self.count("roam_no_room");
        }
    }

    /// What no honest neighbour sends: by which label it is counted.
    fn disbelieves(&self, roam: &CheckedRoam) -> Option<&'static str> {
        let topology = &self.config.topology;
        let (from, id) = (roam.from.0, roam.entity);
        let sender = topology.region(from).map(|region| region.rect);
        let is_near = sender.is_some_and(|rect| rect.distance(roam.at) <= self.margin + BEYOND);
        let birth = roam.birth.region;
        let may_be_made_there = if id.node() == self.config.node {
            self.config.numbers.has_issued(id)
        } else {
            self.neighbourhood.may_serve(id.node(), birth)
        };
        if !topology.neighbours(self.config.number).contains(&from) {
            Some("roam_not_neighbour")
        } else if topology.region(birth).is_none() {
            Some("roam_birth_unknown")
        } else if !may_be_made_there {
            Some("roam_foreign_id")
        } else if !is_near {
            Some("roam_far")
        } else if self.entities.key(id).is_some() {
            Some("roam_doubled")
        } else {
            None
        }
    }

    /// Whether the service that made a creature is over, as far as is known here.
    fn has_ended(&self, birth: Birth) -> bool {
        if birth.region == self.config.number {
            return (birth.region_epoch, birth.round) != (self.config.epoch, self.panics);
        }
        let now = self.neighbourhood.serving(birth.region);
        now.is_some_and(|now| birth.region_epoch < now.region_epoch)
    }

    fn take_creature_in(&mut self, roam: CheckedRoam) -> bool {
        let (id, from) = (roam.entity, roam.from.0);
        let at = self.rect.clamp(roam.at, INSIDE);
        let has_room = self.creatures.has_room()
            && self.creatures.takes_from(from)
            && self.cells.has_room(at, roam.visibility, SPARE);
        if !has_room {
            return false;
        }
        let entity = Entity {
            id,
            kind: roam.kind,
            owner_epoch: roam.epoch,
            at,
            heading: roam.heading,
            speed: roam.speed,
            state: roam.state,
            user: None,
            visibility: roam.visibility,
            jumped: false,
            cell: 0,
            slot: 0,
            sent: Motion::default(),
            change: Change::default(),
            inputs: WaitingInputs::default(),
        };
        if self.cells.enter(entity, &mut self.entities).is_none() {
            return false;
        }
        self.counts.roamed_in += 1;
        let life = Life::Ephemeral {
            birth: roam.birth,
            from: Some(from),
        };
        self.creatures.insert(id, life, roam.memory);
        for (ticks, token) in roam.timers {
            let tick = self.tick_in(ticks);
            self.creatures.set_timer(id, tick, token);
        }
        self.notices.push_back(Notice::Came(id));
        true
    }

    /// Now and then: whether those are still served who made the creatures that are here. Of neighbours it is known, of others
    /// the store is asked.
    pub(super) fn look_at_births(&mut self) {
        let now_ms = self.now.mono_ms;
        if self.creatures.len() == 0 || now_ms < self.creatures.looked_at_ms + BIRTHS_EVERY_MS {
            return;
        }
        self.creatures.looked_at_ms = now_ms;
        let mut unknown = BTreeSet::new();
        for (region, highest) in self.creatures.births() {
            if region == self.config.number {
                continue;
            }
            let now = self.neighbourhood.serving(region).map(|now| now.region_epoch);
            if let Some(now) = now {
                self.end_creatures(region, |epoch| epoch < now);
            }
            // A neighbour that is served anew may not have been heard of yet; or nobody has served it so.
            if now.is_none_or(|now| highest > now) {
                unknown.insert(region);
            }
        }
        for region in self.creatures.next_to_ask(&unknown) {
            self.ask(Asked::Birth(region), StoreRequest::ReadService { region });
        }
    }

    /// A neighbour may be served anew: whoever its service before has made ends now.
    pub(super) fn end_who_was_made_before(&mut self, region: RegionNumber) {
        if region != self.config.number
            && let Some(now) = self.neighbourhood.serving(region)
        {
            self.end_creatures(region, |epoch| epoch < now.region_epoch);
        }
    }

    pub(super) fn birth_answer(&mut self, region: RegionNumber, answer: &StoreResult) {
        self.creatures.answered(region);
        // The store's word is the last. Without an answer it is asked again in time.
        if let Ok(StoreReply::Service(now)) = answer {
            let now = now.map(|now| now.region_epoch);
            self.end_creatures(region, |epoch| Some(epoch) != now);
        }
    }

    fn end_creatures(&mut self, region: RegionNumber, is_over: impl Fn(RegionEpoch) -> bool) {
        for id in self.creatures.made_by(region, is_over) {
            self.end_creature(id);
        }
    }

    /// Takes a creature out of the region, if it is one, and lets the rules hear of it.
    pub(super) fn end_creature(&mut self, id: EntityId) {
        if self.creatures.remove(id).is_some() {
            self.despawn(id);
            self.notices.push_back(Notice::Went(id));
        }
    }
}
