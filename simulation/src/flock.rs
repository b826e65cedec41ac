//! Sheep of a run, which roam: they walk straight on, over every border in their way, and turn when their timers say so.

use std::collections::BTreeSet;

use game::{Ctx, EntityId};
use protocol::geometry::Position;

/// In each region, when it is served.
const SHEEP: u32 = 2;
const KIND: u16 = 9;
/// Units per second: a walk through a region takes ten of them.
const PACE: f32 = 3.0;

/// Those of one region.
#[derive(Debug, Default)]
pub(crate) struct Flock(BTreeSet<EntityId>);

impl Flock {
    pub(crate) fn served(&mut self, ctx: &mut dyn Ctx) {
        let rect = ctx.rect();
        for _ in 0..SHEEP {
            let dice = ctx.random();
            let along = |axis: usize, part: u64| rect.min[axis] as f32 + 0.5 + (part % 31) as f32;
            let at = Position {
                x: along(0, dice >> 8),
                y: along(1, dice >> 16),
            };
            if let Some(sheep) = ctx.spawn_roaming(KIND, at, &[]) {
                ctx.set_memory(sheep, &sheep.0.to_le_bytes());
                self.0.insert(sheep);
                turn(ctx, sheep);
            }
        }
    }

    /// A sheep has come, with all that is its own. How many crossings that makes: one.
    pub(crate) fn came(&mut self, ctx: &dyn Ctx, sheep: EntityId) {
        assert_eq!(
            ctx.memory(sheep),
            sheep.0.to_le_bytes(),
            "H4: the memory of a sheep"
        );
        assert!(self.0.insert(sheep), "H4: a sheep that is here already");
    }

    pub(crate) fn went(&mut self, sheep: EntityId) {
        assert!(self.0.remove(&sheep), "H4: a sheep that was not here");
    }

    /// The timer of a sheep, of which each has one.
    pub(crate) fn timer_of(&mut self, ctx: &mut dyn Ctx, sheep: EntityId) {
        assert!(
            self.0.contains(&sheep),
            "H4: the timer of a sheep that is not here"
        );
        turn(ctx, sheep);
    }

    pub(crate) fn tick(&self, ctx: &mut dyn Ctx) {
        let step = PACE / ctx.tick_hz() as f32;
        for sheep in &self.0 {
            let Some((at, heading)) = ctx.entity(*sheep).map(|sheep| (sheep.at, sheep.heading)) else {
                continue;
            };
            let (sin, cos) = (f32::from(heading) / 256.0 * std::f32::consts::TAU).sin_cos();
            let to = Position {
                x: at.x + cos * step,
                y: at.y + sin * step,
            };
            ctx.walk(*sheep, to, heading, PACE);
        }
    }
}

fn turn(ctx: &mut dyn Ctx, sheep: EntityId) {
    let dice = ctx.random();
    if let Some(at) = ctx.entity(sheep).map(|sheep| sheep.at) {
        ctx.walk(sheep, at, dice as u8, PACE);
        assert!(
            ctx.after_for(sheep, 20 + (dice >> 8) % 100, 0),
            "H7: a sheep with too many timers"
        );
    }
}
