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
        self.becomes(ctx, entity, true);
        let ([width, height], at) = (ctx.world().size(), ctx.entity(entity).map(|entity| entity.at));
        if let (Some(runner), Some(at)) = (self.runners.get(&entity), at) {
            let far = |at: f32, size: u32| if at < size as f32 / 2.0 { size as f32 - 2.0 } else { 2.0 };
            ctx.teleport(runner.user, Position { x: far(at.x, width), y: far(at.y, height) });
        }
    }

    /// Somebody is it from now on, or no more: seen by all, told to the player, kept over borders and restarts.
    fn becomes(&mut self, ctx: &mut dyn Ctx, entity: EntityId, is_it: bool) {
        let Some(runner) = self.runners.get_mut(&entity) else {
            return;
        };
        let (mut seen_as, mut event) =
            if is_it { (IS_IT, vec![CAUGHT]) } else { (MAY_BE_CAUGHT, vec![FREE]) };
        if runner.is_it && !is_it {
            seen_as = SAFE;
            ctx.count_up("tags", 1);
            // What is held is never lost, nor counted twice.
            let point = ctx.mint(runner.user, POINT, &[]);
            event.extend(point.ok().into_iter().flat_map(u64::to_le_bytes));
            runner.safe_until = ctx.tick().0 + SAFE_S * u64::from(ctx.tick_hz());
        }
        runner.is_it = is_it;
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

    fn served(&mut self, ctx: &mut dyn Ctx) {
        let [x, y] = [0, 1].map(|axis| (ctx.rect().min[axis] + ctx.rect().max[axis]) as f32 / 2.0);
        for _ in 0..self.sheep {
            if let Some(sheep) = ctx.spawn_roaming(SHEEP, Position { x, y }, &[0]) {
                self.came(ctx, sheep);
                self.creature_timer(ctx, sheep, 0);
            }
        }
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
        for (entity, runner) in &self.runners {
            if runner.safe_until == ctx.tick().0 && !runner.is_it {
                ctx.set_state(*entity, &[MAY_BE_CAUGHT]);
            }
        }
        self.flock.iter().chain(self.runners.keys()).for_each(|walker| step(ctx, *walker));
        let is_it = |(id, runner): (&EntityId, &Runner)| runner.is_it.then_some(*id);
        let catchers: Vec<EntityId> = self.runners.iter().filter_map(is_it).collect();
        for catcher in &catchers {
            match Self::touched(ctx, *catcher) {
                Some((other, Place::Here)) => self.is_caught(ctx, other),
                Some((other, Place::Ghost(_))) => ctx.effect(*catcher, other, Bytes::new()),
                None => continue,
            }
            self.becomes(ctx, *catcher, false);
        }
        // Where nobody is it, for instance because a touch was lost on its way over a border, the first one is.
        if catchers.is_empty() && self.runners.len() > 1 {
            let first = self.runners.keys().next().copied();
            first.into_iter().for_each(|first| self.becomes(ctx, first, true));
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
