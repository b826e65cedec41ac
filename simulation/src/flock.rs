//! Sheep of a run, which roam: they walk straight on, over every border in their way, turn when their timers say so, and ask the
//! game something then.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use game::{AskFailed, Ctx, EntityId};
use gameserver::region::Answer;
use protocol::geometry::Position;
use protocol::ids::UserId;

use crate::sights;

/// In each region, when it is served.
const SHEEP: u32 = 2;
/// Units per second: a walk through a region takes ten of them.
const PACE: f32 = 3.0;

/// Those of one region.
#[derive(Debug, Default)]
pub(crate) struct Flock {
    here: BTreeSet<EntityId>,
    /// Who waits for which answer.
    asked: BTreeMap<u64, EntityId>,
}

/// What the game answers: the request itself, or nothing.
pub(crate) fn answer(request: &Bytes) -> Answer {
    match request.first().map(|first| first % 16) {
        Some(4) => Err(AskFailed::Panicked),
        Some(9) => Err(AskFailed::TimedOut),
        Some(14) => Err(AskFailed::Full),
        _ => Ok(request.clone()),
    }
}

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
            if let Some(sheep) = ctx.spawn_roaming(sights::SHEEP, at, &[]) {
                ctx.set_memory(sheep, &sheep.0.to_le_bytes());
                self.here.insert(sheep);
                turn(ctx, sheep);
                sights::begin(ctx, sheep);
            }
        }
    }

    /// A sheep has come, with all that is its own.
    pub(crate) fn came(&mut self, ctx: &dyn Ctx, sheep: EntityId) {
        sights::check(ctx, sheep);
        assert_eq!(
            ctx.memory(sheep),
            sheep.0.to_le_bytes(),
            "H4: the memory of a sheep"
        );
        assert!(self.here.insert(sheep), "H4: a sheep that is here already");
    }

    pub(crate) fn went(&mut self, sheep: EntityId) {
        assert!(self.here.remove(&sheep), "H4: a sheep that was not here");
        self.asked.retain(|_, asker| *asker != sheep);
    }

    /// The timer of a sheep, of which each has one.
    pub(crate) fn creature_timer(&mut self, ctx: &mut dyn Ctx, sheep: EntityId) {
        assert!(
            self.here.contains(&sheep),
            "H4: the timer of a sheep that is not here"
        );
        turn(ctx, sheep);
        self.say(ctx);
        let request = Bytes::copy_from_slice(&sheep.0.to_le_bytes());
        let ask = ctx.ask(Some(sheep), request);
        self.asked.insert(ask, sheep);
    }

    /// Something to somebody, wherever that one is, and now and then something to all: never the same again.
    fn say(&mut self, ctx: &mut dyn Ctx) {
        let dice = ctx.random();
        let mut body = dice.to_le_bytes().to_vec();
        body.extend(ctx.region().0.to_le_bytes());
        body.extend(ctx.tick().0.to_le_bytes());
        match dice % 8 {
            0 => ctx.announce(body.into()),
            _ => ctx.notify(UserId(1 + (dice >> 8) % 4), body.into()),
        }
    }

    /// Each ask is answered once at most, and with what was asked. A sheep that was away meanwhile may hear of it.
    pub(crate) fn answered(&mut self, ask: u64, answer: Result<&[u8], AskFailed>) {
        match (self.asked.remove(&ask), answer) {
            (Some(sheep), Ok(answer)) => {
                assert_eq!(answer, sheep.0.to_le_bytes(), "the answer to another ask");
            }
            (_, Err(failed)) => assert!(failed != AskFailed::TooLong, "a request that fits"),
            (None, Ok(_)) => {}
        }
    }

    pub(crate) fn tick(&self, ctx: &mut dyn Ctx) {
        let step = PACE / ctx.tick_hz() as f32;
        for sheep in &self.here {
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
        let is_set = ctx.creature_after(sheep, 20 + (dice >> 8) % 100, 0);
        assert!(is_set, "H7: a sheep with too many timers");
    }
}
