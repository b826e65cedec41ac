//! Creatures wander about and never leave their region. They steer by inputs, like players, and through the same inbox.
//! They think at ticks and set no timers: where nobody plays and nobody looks they stand still, and the region sleeps.

use bytes::Bytes;
use game::{Ctx, EntityId, Position};

use crate::wire::{Input, KIND_CREATURE};

/// How far from its home a creature strays, units.
const LEASH: f32 = 24.0;
/// Half of the speed of a player.
const PACE: u8 = 128;

#[derive(Clone, Copy, Debug)]
struct Creature {
    entity: EntityId,
    home: Position,
    /// The tick at which it thinks next.
    thinks_at: u64,
}

/// The creatures of one region.
#[derive(Debug, Default)]
pub(super) struct Creatures {
    wanted: u32,
    alive: Vec<Creature>,
    ticks: u64,
}

impl Creatures {
    pub(super) fn new(wanted: u32) -> Self {
        Self {
            wanted,
            alive: Vec::new(),
            ticks: 0,
        }
    }

    /// How many there are to be.
    pub(super) fn wanted(&self) -> u32 {
        self.wanted
    }

    /// Takes those away that are more than so many.
    pub(super) fn dismiss(&mut self, ctx: &mut dyn Ctx, count: u32) -> Vec<EntityId> {
        let kept = self.alive.len().min(count as usize);
        let gone: Vec<EntityId> = self.alive.drain(kept..).map(|creature| creature.entity).collect();
        for entity in &gone {
            ctx.despawn(*entity);
        }
        gone
    }

    /// Puts as many as are missing of so many into the region, spread by its random numbers.
    pub(super) fn spawn(&mut self, ctx: &mut dyn Ctx, count: u32) -> Vec<EntityId> {
        let (rect, had) = (ctx.rect(), self.alive.len());
        for _ in had..count as usize {
            let mut along = |axis: usize| {
                let (min, max) = (rect.min[axis] as f32, rect.max[axis] as f32);
                min + (ctx.random() & 0xffff) as f32 / 65536.0 * (max - min)
            };
            let home = Position {
                x: along(0),
                y: along(1),
            };
            if let Some(entity) = ctx.spawn(u16::from(KIND_CREATURE), home, &[]) {
                self.alive.push(Creature {
                    entity,
                    home,
                    thinks_at: 1 + ctx.random() % 40,
                });
            }
        }
        self.alive[had..].iter().map(|creature| creature.entity).collect()
    }

    /// Lets those think whose time has come.
    pub(super) fn tick(&mut self, ctx: &mut dyn Ctx) {
        self.ticks += 1;
        for creature in &mut self.alive {
            if creature.thinks_at <= self.ticks {
                creature.thinks_at = self.ticks + think(ctx, creature);
            }
        }
    }
}

/// Chooses where to go next: home when far from it, anywhere else otherwise, and now and then nowhere. For how many ticks.
fn think(ctx: &mut dyn Ctx, creature: &Creature) -> u64 {
    let random = ctx.random();
    let Some(at) = ctx.entity(creature.entity).map(|entity| entity.at) else {
        return u64::MAX / 2;
    };
    let walk = if at.distance_squared(creature.home) > LEASH * LEASH {
        Input {
            speed: PACE,
            ..Input::towards(at, creature.home)
        }
    } else {
        Input {
            heading: random as u8,
            speed: if random >> 8 & 3 == 0 { 0 } else { PACE },
        }
    };
    ctx.input(creature.entity, Bytes::copy_from_slice(&walk.encode()));
    20 + (random >> 16) % 60
}
