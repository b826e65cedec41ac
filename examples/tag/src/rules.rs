//! The rules in one region.

use std::collections::BTreeMap;

use crate::bots::{CAUGHT, FREE, Own, ahead};
use game::bytes::Bytes;
use game::{
    Ctx, Entered, EntityId, EntityView, GameInput, GameLogic, Place, Position, Reliability, UserId, World,
};

/// Kinds of entities.
const PLAYER: u16 = 1;
const SHEEP: u16 = 2;
/// What all see of a player, also beyond a border: its state byte.
const MAY_BE_CAUGHT: u8 = 0;
const IS_IT: u8 = 1;
const SAFE: u8 = 2;
/// What is held for each who was caught: the score.
const POINT: u32 = 1;
/// Units per second.
const SPEED: f32 = 6.0;
/// Of sheep.
const GRAZING: f32 = 2.0;
/// How near is touched, units.
const TOUCH: f32 = 2.0;
/// For so long whoever was it is safe, seconds.
const SAFE_S: u64 = 2;

/// Somebody who plays.
struct Runner {
    user: UserId,
    is_it: bool,
    safe_until: u64,
}

/// What a region knows of the game.
#[derive(Default)]
pub struct Rules {
    pub(crate) sheep: u32,
    flock: Vec<EntityId>,
    runners: BTreeMap<EntityId, Runner>,
}

impl Rules {
    /// Somebody is caught: it from now on, and in the corner of the world that is furthest from here.
    fn is_caught(&mut self, ctx: &mut dyn Ctx, entity: EntityId) {
        self.becomes(ctx, entity, None);
        let ([width, height], at) = (ctx.world().size(), ctx.entity(entity).map(|entity| entity.at));
        if let (Some(runner), Some(at)) = (self.runners.get(&entity), at) {
            let far = |at: f32, size: u32| if at < size as f32 / 2.0 { size as f32 - 2.0 } else { 2.0 };
            ctx.teleport(runner.user, Position { x: far(at.x, width), y: far(at.y, height) });
        }
    }

    /// Somebody is it from now on, or no more, for a point: seen by all, told to the player, kept over borders and restarts.
    fn becomes(&mut self, ctx: &mut dyn Ctx, entity: EntityId, point: Option<u64>) {
        let Some(runner) = self.runners.get_mut(&entity) else {
            return;
        };
        let (mut seen_as, mut event) = (IS_IT, vec![CAUGHT]);
        if let Some(point) = point {
            (seen_as, event) = (SAFE, vec![FREE]);
            event.extend(point.to_le_bytes());
            ctx.count_up("tags", 1);
            runner.safe_until = ctx.tick().0 + SAFE_S * u64::from(ctx.tick_hz());
        }
        runner.is_it = point.is_none();
        ctx.set_state(entity, &[seen_as]);
        ctx.set_game_state(runner.user, Bytes::copy_from_slice(&event[..1]));
        ctx.tell(runner.user, event.into(), Reliability::Durable);
    }

    /// Whom this one touches, and where that one is simulated.
    fn touched(ctx: &dyn Ctx, catcher: EntityId) -> Option<(EntityId, Place)> {
        let (at, mut touched) = (ctx.entity(catcher)?.at, None);
        ctx.nearby(at, TOUCH, &mut |other| {
            if other.kind == PLAYER && other.id != catcher && other.state == [MAY_BE_CAUGHT] {
                touched = Some((other.id, other.place));
            }
        });
        touched
    }
}

impl GameLogic for Rules {
    fn spawn_point(&self, world: &World, user: UserId) -> Position {
        let [x, y] = world.size().map(|size| size as f32 / 2.0);
        let aside = |spread: u64| (user.0.wrapping_mul(spread) % 32) as f32 - 16.0;
        Position { x: x + aside(7), y: y + aside(13) }
    }

    fn kind_of_player(&self) -> u16 {
        PLAYER
    }

    /// The flock lives in the store: it is made by whoever serves the region first, and not with each start.
    fn recalled(&mut self, ctx: &mut dyn Ctx) {
        let births = if ctx.region_state().is_some_and(<[u8]>::is_empty) { self.sheep } else { 0 };
        let [x, y] = [0, 1].map(|axis| (ctx.rect().min[axis] + ctx.rect().max[axis]) as f32 / 2.0);
        for _ in 0..births {
            if let Some(sheep) = ctx.spawn_persistent(SHEEP, Position { x, y }, &[0]) {
                self.came(ctx, sheep);
                self.creature_timer(ctx, sheep, 0);
            }
        }
        ctx.set_region_state(&[1]);
    }

    fn came(&mut self, _: &mut dyn Ctx, sheep: EntityId) {
        self.flock.push(sheep);
    }

    fn went(&mut self, _: &mut dyn Ctx, sheep: EntityId) {
        self.flock.retain(|other| *other != sheep);
    }

    /// Now and then a sheep turns and has more wool, in whichever region it is by then.
    fn creature_timer(&mut self, ctx: &mut dyn Ctx, sheep: EntityId, _: u64) {
        let (heading, ticks) = (ctx.random() as u8, 100 + ctx.random() % 300);
        if let Some(EntityView { at, state: &[wool], .. }) = ctx.entity(sheep) {
            ctx.walk(sheep, at, heading, GRAZING);
            ctx.set_state(sheep, &[wool.saturating_add(1)]);
            ctx.creature_after(sheep, ticks, 0);
        }
    }

    fn entered(&mut self, ctx: &mut dyn Ctx, player: Entered<'_>) {
        let (user, is_it) = (player.user, *player.game == [CAUGHT]);
        ctx.set_state(player.entity, &[u8::from(is_it)]);
        self.runners.insert(player.entity, Runner { user, is_it, safe_until: 0 });
    }

    fn left(&mut self, _: &mut dyn Ctx, _: UserId, entity: EntityId) {
        self.runners.remove(&entity);
    }

    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: GameInput<'_>) {
        if let (Some(seen), [heading, speed, ..]) = (ctx.entity(entity), input.body) {
            ctx.walk(entity, seen.at, *heading, f32::from(*speed) / 255.0 * SPEED);
        }
    }

    /// Somebody beyond the border has touched one of ours.
    fn effect(&mut self, ctx: &mut dyn Ctx, _: EntityId, target: EntityId, _: &[u8]) {
        if ctx.entity(target).is_some_and(|target| target.state == [MAY_BE_CAUGHT]) {
            self.is_caught(ctx, target);
        }
    }

    fn tick(&mut self, ctx: &mut dyn Ctx) {
        ctx.gauge("sheep", self.flock.len() as f64);
        let now = ctx.tick().0;
        for (entity, _) in self.runners.iter().filter(|(_, one)| one.safe_until == now && !one.is_it) {
            ctx.set_state(*entity, &[MAY_BE_CAUGHT]);
        }
        self.flock.iter().chain(self.runners.keys()).for_each(|walker| step(ctx, *walker));
        let its = self.runners.iter().filter(|(_, one)| one.is_it);
        let catchers: Vec<_> = its.map(|(id, one)| (*id, one.user)).collect();
        for (catcher, user) in &catchers {
            let Some((other, place)) = Self::touched(ctx, *catcher) else { continue };
            // What is held is never lost, nor counted twice. Who crosses a border just now tries again.
            let Ok(point) = ctx.mint(*user, POINT, &[]) else { continue };
            match place {
                Place::Here => self.is_caught(ctx, other),
                Place::Ghost(_) => ctx.effect(*catcher, other, Bytes::new()),
            }
            self.becomes(ctx, *catcher, Some(point));
        }
        // Where nobody is it, for instance because a touch was lost on its way over a border, the first one is.
        if catchers.is_empty() && self.runners.len() > 1 {
            let first = self.runners.keys().next().copied();
            first.into_iter().for_each(|first| self.becomes(ctx, first, None));
        }
    }

    fn own_state(&self, ctx: &dyn Ctx, user: UserId, entity: EntityId, out: &mut Vec<u8>) {
        if let (Some(seen), Some(runner)) = (ctx.entity(entity), self.runners.get(&entity)) {
            let (at, speed, is_it) = (seen.at, seen.speed, runner.is_it);
            let (region, score) = (ctx.region(), ctx.holdings(user).len() as u32);
            Own { entity, at, region, speed, is_it, score }.encode(out);
        }
    }
}

/// Moves an entity on by one tick.
fn step(ctx: &mut dyn Ctx, entity: EntityId) {
    if let Some(EntityView { at, heading, speed, .. }) = ctx.entity(entity) {
        ctx.walk(entity, ahead(at, heading, speed / ctx.tick_hz() as f32), heading, speed);
    }
}
