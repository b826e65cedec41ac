//! What the game's rules may do to a region: [`Ctx`] over the region's state.

use std::collections::BTreeSet;

use bytes::Bytes;
use game::{Ctx, EntityView, HoldingRefused, LogLevel, Offer, Place, Reliability, Thing, World};
use protocol::cell::{Motion, RemoveReason, StateBytes};
use protocol::geometry::{Position, Rect};
use protocol::ids::{EntityId, OwnerEpoch, RegionNumber, Tick, UserId};
use protocol::limits::{EVENT_BYTES_MAX, GAME_STATE_BYTES_MAX, HANDOVER_GROUP_MAX, INPUT_BYTES_MAX};
use protocol::visibility::Visibility;
use store::{HoldingChange, TradeId};

use super::entity::{Change, Entity};
use super::player::Phase;
use super::state::RegionState;
use super::waiting_inputs::WaitingInputs;

pub(super) fn view(entity: &Entity) -> EntityView<'_> {
    EntityView {
        id: entity.id,
        kind: entity.kind,
        at: entity.at,
        heading: entity.heading,
        speed: entity.speed,
        state: &entity.state,
        visibility: entity.visibility,
        place: Place::Here,
    }
}

impl RegionState {
    /// Whether a cell takes these and so many more, beside those for whom places are kept.
    pub(super) fn has_room(&self, cell: u32, users: &[UserId], more: usize) -> bool {
        let (room, wanted) = (self.cells.room(cell), users.len() + more);
        // Nearly always there is room for everybody who may come at all.
        room >= wanted + self.arrivals.len() || room >= wanted + self.arrivals.places_kept(cell, users)
    }

    /// Whether the entity belongs to a player who may not move now.
    pub(super) fn is_held(&self, user: Option<UserId>) -> bool {
        let player = user.and_then(|user| self.players.get(&user));
        player.is_some_and(|player| player.phase != Phase::Active)
    }
}

impl Ctx for RegionState {
    fn tick(&self) -> Tick {
        self.tick
    }

    fn tick_hz(&self) -> u32 {
        self.config.topology.world().tick_hz
    }

    fn region(&self) -> RegionNumber {
        self.config.number
    }

    fn rect(&self) -> Rect {
        self.rect
    }

    fn world(&self) -> &World {
        &self.config.world
    }

    fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    fn muted_until_ms(&self, user: UserId) -> Option<u64> {
        let until_ms = self.mutes.get(&user).copied();
        until_ms.filter(|until_ms| *until_ms > self.clock_ms)
    }

    fn random(&mut self) -> u64 {
        Self::random(self)
    }

    fn spawn(&mut self, kind: u16, at: Position, state: &[u8]) -> Option<EntityId> {
        let state = StateBytes::try_from(state).ok()?;
        if !self.rect.contains(at) || !self.has_room(self.cells.home(at), &[], 1) {
            return None;
        }
        let id = self.config.numbers.entity()?;
        let entity = Entity {
            id,
            kind,
            owner_epoch: OwnerEpoch(self.config.epoch.0),
            at,
            heading: 0,
            speed: 0.0,
            state,
            user: None,
            visibility: Visibility::default(),
            jumped: false,
            cell: 0,
            slot: 0,
            sent: Motion::default(),
            change: Change::default(),
            inputs: WaitingInputs::default(),
        };
        self.cells.enter(entity, &mut self.entities)?;
        self.counts.spawned += 1;
        Some(id)
    }

    fn despawn(&mut self, entity: EntityId) {
        let Some(key) = self.entities.key(entity) else {
            return;
        };
        if self.entities.get(key).is_some_and(|entity| entity.user.is_none()) && self.may_end(entity) {
            self.cells.leave(key, RemoveReason::Gone, &mut self.entities);
            self.creatures.remove(entity);
            self.counts.despawned += 1;
        }
    }

    fn notify(&mut self, user: UserId, body: Bytes) {
        self.notify_user(user, body);
    }

    fn announce(&mut self, body: Bytes) {
        self.announce_to_all(&body);
    }

    fn tell_region(&mut self, to: RegionNumber, body: Bytes) {
        self.write_letter(to, body);
    }

    fn ask(&mut self, asker: Option<EntityId>, request: Bytes) -> u64 {
        self.ask_pool(asker, request)
    }

    fn count_up(&mut self, name: &'static str, by: u64) {
        self.count_for_operators(name, by);
    }

    fn gauge(&mut self, name: &'static str, value: f64) {
        self.gauge_for_operators(name, value);
    }

    fn log(&mut self, level: LogLevel, line: &str) {
        self.log_line(level, line);
    }

    fn spawn_roaming(&mut self, kind: u16, at: Position, state: &[u8]) -> Option<EntityId> {
        self.spawn_creature(kind, at, state)
    }

    fn spawn_persistent(&mut self, kind: u16, at: Position, state: &[u8]) -> Option<EntityId> {
        self.bear(kind, at, state)
    }

    fn memory(&self, creature: EntityId) -> &[u8] {
        self.creatures
            .get(creature)
            .map_or(&[], |creature| &creature.memory)
    }

    fn set_memory(&mut self, creature: EntityId, memory: &[u8]) {
        self.set_creature_memory(creature, memory);
    }

    fn creature_after(&mut self, creature: EntityId, ticks: u64, token: u64) -> bool {
        let tick = self.tick_in(ticks);
        !self.is_leaving(creature) && self.creatures.set_timer(creature, tick, token)
    }

    fn entity(&self, id: EntityId) -> Option<EntityView<'_>> {
        let here = self.entities.key(id).and_then(|key| self.entities.get(key));
        here.map(view)
            .or_else(|| self.neighbourhood.ghosts().entity(self.cells.grid(), id))
    }

    fn position_at(&self, id: EntityId, tick: Tick) -> Option<Position> {
        self.history.position(id, tick)
    }

    fn walk(&mut self, id: EntityId, to: Position, heading: u8, speed: f32) {
        let Some(key) = self.entities.key(id) else { return };
        let Some(user) = self.entities.get(key).map(|entity| entity.user) else {
            return;
        };
        if self.is_held(user) || self.is_leaving(id) {
            return;
        }
        let to = match user {
            Some(_) => self.within_reach(to),
            // A creature that roams is nobody's.
            None if self.creatures.has(id) => self.within_reach(to),
            None => self.rect.clamp(to, 1.0 / 128.0),
        };
        if let Some(entity) = self.entities.get_mut(key) {
            entity.heading = heading;
            entity.speed = if speed.is_finite() { speed.max(0.0) } else { 0.0 };
        }
        self.cells.walk(key, to, &mut self.entities);
    }

    fn set_state(&mut self, id: EntityId, state: &[u8]) {
        let (Some(key), Ok(state)) = (self.entities.key(id), StateBytes::try_from(state)) else {
            return;
        };
        if self.is_leaving(id) {
            return;
        }
        let Some(entity) = self.entities.get_mut(key) else {
            return;
        };
        if entity.state != state {
            entity.state = state;
            self.cells.touch(key, &mut self.entities);
            if let Some(entity) = self.entities.get_mut(key) {
                entity.change.state = true;
            }
        }
    }

    fn show(&mut self, id: EntityId, seen: Visibility) -> bool {
        let Some(key) = self.entities.key(id) else {
            return false;
        };
        let Some(entity) = self.entities.get(key) else {
            return false;
        };
        let (user, before) = (entity.user, entity.visibility);
        if before == seen {
            return true;
        }
        let next = self.cells.place_if(entity, seen);
        let has_room = next == entity.cell || self.has_room(next, &[], 1);
        if !has_room || self.is_held(user) || self.is_leaving(id) {
            return false;
        }
        #[cfg(feature = "broken-rules")]
        if seen == Visibility::Hidden && self.breaks(super::HandoverRule::HiddenIsNotShown) {
            if let Some(entity) = self.entities.get_mut(key) {
                entity.visibility = seen;
            }
            return true;
        }
        if !self.cells.show(key, seen, &mut self.entities) {
            return false;
        }
        if let Some(player) = user.and_then(|user| self.players.get_mut(&user)) {
            player.writes.mark(self.now.mono_ms);
        }
        // Who stands still is not looked at for long.
        self.creatures.change_kept(id, |kept| kept.is_owed = true);
        true
    }

    fn nearby(&self, at: Position, radius: f32, found: &mut dyn FnMut(EntityView<'_>)) {
        self.cells.around(at, radius, |key| {
            if let Some(entity) = self.entities.get(key)
                && entity.at.distance_squared(at) <= radius * radius
            {
                found(view(entity));
            }
        });
        let ghosts = self.neighbourhood.ghosts();
        ghosts.nearby(self.cells.grid(), at, radius, found);
    }

    fn tell(&mut self, user: UserId, body: Bytes, reliability: Reliability) {
        let durable = reliability == Reliability::Durable;
        let now_ms = self.now.mono_ms;
        let Some(player) = self.players.get_mut(&user) else {
            return;
        };
        // A frozen player is what its Prepare says, down to the number of its last event.
        let frozen = matches!(player.phase, Phase::Frozen(_));
        if frozen {
            return;
        }
        if body.len() > EVENT_BYTES_MAX {
            return self.count("event_too_long");
        }
        if !player.events.push(body, durable) {
            return self.count("events_full");
        }
        if durable {
            // It is told once it is committed: until then a crash could give its number to another event.
            if player.phase != Phase::Leaving {
                player.writes.owe_commit();
            }
            player.writes.mark(now_ms);
        }
        self.send_events(user);
    }

    fn effect(&mut self, source: EntityId, target: EntityId, body: Bytes) {
        self.send_effect(source, target, body);
    }

    fn after(&mut self, ticks: u64, token: u64) {
        let tick = self.tick_in(ticks);
        self.timers.set(tick, token);
    }

    fn input(&mut self, entity: EntityId, input: Bytes) {
        let Some(key) = self.entities.key(entity) else {
            return;
        };
        let Some(entity) = self.entities.get_mut(key) else {
            return;
        };
        if entity.user.is_some() || input.len() > INPUT_BYTES_MAX {
            return;
        }
        if entity.inputs.push_own(input) {
            self.with_input.push(key);
        }
    }

    fn region_state(&self) -> Option<&[u8]> {
        self.keeping.region()
    }

    fn set_region_state(&mut self, state: &[u8]) -> bool {
        self.keeping.set_region(state)
    }

    fn world_state(&self) -> Option<&[u8]> {
        self.keeping.world()
    }

    fn set_world_state(&mut self, state: &[u8]) -> bool {
        self.keeping.set_world(state)
    }

    fn holdings(&self, user: UserId) -> &[u64] {
        self.players.get(&user).map_or(&[], |player| &player.holdings)
    }

    fn holding(&self, user: UserId, holding: u64) -> Option<Thing<'_>> {
        let thing = self.players.get(&user)?.holdings.thing(holding)?;
        Some(Thing {
            kind: thing.kind,
            payload: &thing.payload,
        })
    }

    fn take(&mut self, user: UserId, holding: u64) -> Result<(), HoldingRefused> {
        self.take_up(user, holding)
    }

    fn give(&mut self, user: UserId, holding: u64, to: UserId, place: Place) -> Result<(), HoldingRefused> {
        self.give_away(user, holding, to, place)
    }

    fn drop(&mut self, user: UserId, holding: u64, at: Position) -> Result<(), HoldingRefused> {
        self.put_down(user, holding, at)
    }

    fn mint(&mut self, user: UserId, kind: u32, payload: &[u8]) -> Result<u64, HoldingRefused> {
        self.make(user, kind, payload)
    }

    fn burn(&mut self, user: UserId, holding: u64) -> Result<(), HoldingRefused> {
        self.destroy(user, holding)
    }

    fn lay(&mut self, kind: u32, payload: &[u8], at: Position) -> Result<u64, HoldingRefused> {
        self.lay_here(kind, payload, at)
    }

    fn sweep(&mut self, holding: u64) -> Result<(), HoldingRefused> {
        self.sweep_away(holding)
    }

    fn offer(&mut self, user: UserId, offer: Offer<'_>) -> Result<u64, HoldingRefused> {
        self.open_trade(user, offer)
    }

    fn accept(&mut self, user: UserId, trade: u64, from: UserId, place: Place) -> Result<(), HoldingRefused> {
        let trade = TradeId(trade);
        self.close_trade(user, HoldingChange::Accept { trade, from }, from, place)
    }

    fn cancel(&mut self, user: UserId, trade: u64, from: UserId, place: Place) -> Result<(), HoldingRefused> {
        let trade = TradeId(trade);
        self.close_trade(user, HoldingChange::Cancel { trade, from }, from, place)
    }

    fn report(&mut self, by: UserId, about: UserId, why: &str, lines: &str) {
        self.report_user(by, about, why, lines);
    }

    fn teleport(&mut self, user: UserId, to: Position) {
        self.teleport_to(user, to);
    }

    fn after_for(&mut self, user: UserId, ticks: u64, token: u64) -> bool {
        self.set_player_timer(user, ticks, token)
    }

    fn cancel_for(&mut self, user: UserId, token: u64) {
        self.cancel_player_timer(user, token);
    }

    fn travel_with(&mut self, user: UserId, companions: &[UserId]) {
        if let Some(player) = self.players.get_mut(&user) {
            let others: BTreeSet<UserId> = companions
                .iter()
                .copied()
                .filter(|other| *other != user)
                .collect();
            player.companions = others.into_iter().take(HANDOVER_GROUP_MAX - 1).collect();
        }
    }

    fn set_game_state(&mut self, user: UserId, state: Bytes) {
        let now_ms = self.now.mono_ms;
        if let Some(player) = self.players.get_mut(&user)
            && state.len() <= GAME_STATE_BYTES_MAX
            && player.game != state
        {
            player.game = state;
            player.writes.mark(now_ms);
        }
    }
}
