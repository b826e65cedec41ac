//! Cows of a run, which outlive servers: they walk as sheep do, are born and end by dice, and each knows its own number. What of them has
//! ended by the rules is written down, so that one that is missed can be told from one that was meant to go.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use game::{Ctx, EntityId};
use protocol::geometry::Position;

use crate::sights;

/// Units per second.
const PACE: f32 = 3.0;
/// As many are born in a run.
const COWS_MAX: usize = 24;
/// Something of their life happens in a region once in so many ticks.
const LIFE_TICKS: u64 = 60;

/// Those of all regions that the rules have taken out of the world; a crash may take that back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended(Arc<Mutex<(BTreeSet<EntityId>, usize)>>);

impl Ended {
    pub(crate) fn has(&self, cow: EntityId) -> bool {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ended.0.contains(&cow)
    }

    fn put(&self, cow: EntityId) {
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ended.0.insert(cow);
    }

    /// Whether one more may be born.
    fn has_room(&self) -> bool {
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ended.1 += 1;
        ended.1 <= COWS_MAX
    }
}

/// Those of one region.
#[derive(Debug, Default)]
pub(crate) struct Herd {
    here: BTreeSet<EntityId>,
    is_served: bool,
    ended: Ended,
}

impl Herd {
    pub(crate) fn new(ended: Ended) -> Self {
        Self {
            ended,
            ..Self::default()
        }
    }

    pub(crate) fn served(&mut self, ctx: &mut dyn Ctx) {
        self.is_served = true;
        self.bear(ctx);
    }

    fn bear(&mut self, ctx: &mut dyn Ctx) {
        if !self.ended.has_room() {
            return;
        }
        let (rect, dice) = (ctx.rect(), ctx.random());
        let along = |axis: usize, part: u64| rect.min[axis] as f32 + 0.5 + (part % 31) as f32;
        let at = Position {
            x: along(0, dice >> 8),
            y: along(1, dice >> 16),
        };
        if let Some(cow) = ctx.spawn_persistent(sights::COW, at, &[]) {
            ctx.set_memory(cow, &cow.0.to_le_bytes());
            self.here.insert(cow);
            turn(ctx, cow);
            sights::begin(ctx, cow);
        }
    }

    /// Whether the creature is one of these; one that has come has all that is its own.
    pub(crate) fn came(&mut self, ctx: &dyn Ctx, cow: EntityId) -> bool {
        if ctx.entity(cow).is_none_or(|cow| cow.kind != sights::COW) {
            return false;
        }
        assert_eq!(ctx.memory(cow), cow.0.to_le_bytes(), "H4: the memory of a cow");
        sights::check(ctx, cow);
        assert!(self.here.insert(cow), "H4: a cow that is here already");
        true
    }

    pub(crate) fn went(&mut self, cow: EntityId) -> bool {
        self.here.remove(&cow)
    }

    pub(crate) fn creature_timer(&mut self, ctx: &mut dyn Ctx, cow: EntityId) -> bool {
        let is_here = self.here.contains(&cow);
        if is_here {
            turn(ctx, cow);
        }
        is_here
    }

    pub(crate) fn tick(&mut self, ctx: &mut dyn Ctx, is_calm: bool) {
        assert!(self.is_served, "H4: a tick of a region that is not served");
        let step = PACE / ctx.tick_hz() as f32;
        for cow in &self.here {
            let Some((at, heading)) = ctx.entity(*cow).map(|cow| (cow.at, cow.heading)) else {
                continue;
            };
            let (sin, cos) = (f32::from(heading) / 256.0 * std::f32::consts::TAU).sin_cos();
            let to = Position {
                x: at.x + cos * step,
                y: at.y + sin * step,
            };
            ctx.walk(*cow, to, heading, PACE);
        }
        let dice = ctx.random();
        if !is_calm && dice.is_multiple_of(LIFE_TICKS) {
            match dice >> 32 & 1 {
                0 => self.bear(ctx),
                _ => self.end(ctx, (dice >> 40) as usize),
            }
        }
    }

    fn end(&mut self, ctx: &mut dyn Ctx, dice: usize) {
        let Some(at) = dice.checked_rem(self.here.len()) else {
            return;
        };
        let Some(cow) = self.here.iter().nth(at).copied() else {
            return;
        };
        // One on its way over a border stays.
        ctx.despawn(cow);
        if ctx.entity(cow).is_none_or(|cow| cow.place != game::Place::Here) {
            self.here.remove(&cow);
            self.ended.put(cow);
        }
    }
}

fn turn(ctx: &mut dyn Ctx, cow: EntityId) {
    let dice = ctx.random();
    if let Some(at) = ctx.entity(cow).map(|cow| cow.at) {
        ctx.walk(cow, at, dice as u8, PACE);
        let is_set = ctx.creature_after(cow, 20 + (dice >> 8) % 100, 0);
        assert!(is_set, "H7: a cow with too many timers");
    }
}
