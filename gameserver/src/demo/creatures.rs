//! Creatures wander about and never leave their region. They steer by inputs, like players, and through the same inbox.

use bytes::Bytes;
use protocol::demo::{Input, KIND_CREATURE};
use protocol::geometry::Position;
use protocol::ids::EntityId;

use crate::logic::Ctx;

/// How far from its home a creature strays, units.
const LEASH: f32 = 24.0;
/// Half of the speed of a player.
const PACE: u8 = 128;

#[derive(Clone, Copy, Debug)]
struct Creature {
    entity: EntityId,
    home: Position,
}

/// The creatures of one region. The timer's token is the creature's number.
#[derive(Debug, Default)]
pub(super) struct Creatures {
    wanted: u32,
    alive: Vec<Creature>,
}

impl Creatures {
    pub(super) fn new(wanted: u32) -> Self {
        Self {
            wanted,
            alive: Vec::new(),
        }
    }

    /// Puts them all into the region, spread by its random numbers.
    pub(super) fn spawn(&mut self, ctx: &mut dyn Ctx) -> Vec<EntityId> {
        let rect = ctx.rect();
        for _ in 0..self.wanted {
            let mut along = |axis: usize| {
                let (min, max) = (rect.min[axis] as f32, rect.max[axis] as f32);
                min + (ctx.random() & 0xffff) as f32 / 65536.0 * (max - min)
            };
            let home = Position {
                x: along(0),
                y: along(1),
            };
            if let Some(entity) = ctx.spawn(u16::from(KIND_CREATURE), home, &[]) {
                let first = 1 + ctx.random() % 40;
                ctx.after(first, self.alive.len() as u64);
                self.alive.push(Creature { entity, home });
            }
        }
        self.alive.iter().map(|creature| creature.entity).collect()
    }

    /// Chooses where to go next: home when far from it, anywhere else otherwise, and now and then nowhere.
    pub(super) fn think(&mut self, ctx: &mut dyn Ctx, token: u64) {
        let Some(creature) = usize::try_from(token)
            .ok()
            .and_then(|index| self.alive.get(index))
        else {
            return;
        };
        let Some(at) = ctx.entity(creature.entity).map(|entity| entity.at) else {
            return;
        };
        let random = ctx.random();
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
        ctx.after(20 + (random >> 16) % 60, token);
    }
}
