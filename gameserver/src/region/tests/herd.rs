//! Rules with creatures that outlive their process, and short words for what becomes of those.

use std::sync::{Arc, Mutex};

use game::{Ctx, EntityId, GameLogic, Position, World};
use protocol::ids::UserId;
use store::{CreatureChange, CreatureRow, StoreRequest};

use super::super::state::RegionState;
use super::super::*;
use super::scene::*;

pub(super) const ARRIVALS: u8 = 0x73;
pub(super) const COW: u16 = 3;

/// What rules heard: in which region, what, of which creature.
pub(super) type Heard = Arc<Mutex<Vec<(RegionNumber, Said)>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Served,
    Came(EntityId),
    Went(EntityId),
    Timer(EntityId, u64),
}

/// Rules that only listen. They panic at a timer of 13.
pub(super) struct Herder(Heard);

impl Herder {
    fn note(&self, ctx: &dyn Ctx, said: Said) {
        self.0.lock().unwrap().push((ctx.region(), said));
    }
}

impl GameLogic for Herder {
    fn spawn_point(&self, world: &World, user: UserId) -> Position {
        demo::DemoRules::default().spawn_point(world, user)
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn served(&mut self, ctx: &mut dyn Ctx) {
        self.note(ctx, Said::Served);
    }
    fn came(&mut self, ctx: &mut dyn Ctx, creature: EntityId) {
        self.note(ctx, Said::Came(creature));
    }
    fn went(&mut self, ctx: &mut dyn Ctx, creature: EntityId) {
        self.note(ctx, Said::Went(creature));
    }
    fn creature_timer(&mut self, ctx: &mut dyn Ctx, creature: EntityId, token: u64) {
        self.note(ctx, Said::Timer(creature, token));
    }
    fn timer(&mut self, _: &mut dyn Ctx, token: u64) {
        assert!(token != 13, "a bad number");
    }
}

pub(super) fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

pub(super) fn four() -> (Scene, Heard) {
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    let rules = Arc::new(move || -> Box<dyn GameLogic> { Box::new(Herder(Arc::clone(&hears))) });
    let mut scene = Scene::playing(world([1, 2, 3, 4]), rules);
    scene.run(200);
    take(&heard);
    (scene, heard)
}

pub(super) fn take(heard: &Heard) -> Vec<(RegionNumber, Said)> {
    std::mem::take(&mut heard.lock().unwrap())
}

pub(super) fn state(scene: &mut Scene, region: RegionNumber) -> &mut RegionState {
    &mut scene.regions.get_mut(&region).unwrap().state
}

/// One in A that is born by now, with a memory.
pub(super) fn cow(scene: &mut Scene) -> EntityId {
    let here = state(scene, A);
    let cow = here.spawn_persistent(COW, at(126.0, 40.0), b"brown").unwrap();
    here.set_memory(cow, b"hay");
    scene.tick();
    assert_eq!(rows(scene), [(cow, A, 1)]);
    cow
}

pub(super) fn walk(scene: &mut Scene, region: RegionNumber, cow: EntityId, x: f32) {
    state(scene, region).walk(cow, at(x, 40.0), 7, 1.5);
    scene.tick();
}

pub(super) fn rows(scene: &Scene) -> Vec<(EntityId, RegionNumber, u64)> {
    let row = |row: &CreatureRow| (row.creature, row.region, row.epoch.0);
    scene.store.tables().creatures().map(row).collect()
}

/// Where it is simulated, and under which epoch.
pub(super) fn places(scene: &Scene, cow: EntityId) -> Vec<(RegionNumber, u64)> {
    let place = |region: &Region| {
        let entities = &region.state.entities;
        let entity = entities.get(entities.key(cow)?)?;
        assert!(region.state.creatures.has(cow));
        Some((region.number(), entity.owner_epoch.0))
    };
    scene.regions.values().filter_map(place).collect()
}

pub(super) fn is_pass(request: &StoreRequest) -> bool {
    writes(request, |change| matches!(change, CreatureChange::Pass { .. }))
}

pub(super) fn is_birth(request: &StoreRequest) -> bool {
    writes(request, |change| matches!(change, CreatureChange::Bear { .. }))
}

pub(super) fn writes(request: &StoreRequest, what: fn(&CreatureChange) -> bool) -> bool {
    matches!(request, StoreRequest::WriteCreatures { changes, .. } if changes.iter().any(what))
}

/// It is in that region and nowhere else, and the store says so.
pub(super) fn is_only_in(scene: &Scene, cow: EntityId, region: RegionNumber, epoch: u64) {
    assert_eq!(places(scene, cow), [(region, epoch)]);
    assert_eq!(rows(scene), [(cow, region, epoch)]);
}

pub(super) fn restart(scene: &mut Scene, region: RegionNumber) {
    scene.stop(region);
    scene.start(region);
    scene.link_all();
    scene.settle();
    scene.tick();
}
