//! The rules of the game in one region.

use game::{
    CommandKind, Ctx, Entered, EntityId, FixedMap, GameCommand, GameInput, GameLogic, Holding,
    HoldingRefused, Place, Position, RegionNumber, Reliability, ReportRefused, UserId, World,
};

use crate::chat::{Chat, player};
use crate::creatures::Creatures;
use crate::ground;
use crate::wire::{
    Command, Event, HEARING, Input, KIND_PLAYER, OwnState, REACH, Refusal, ReportOutcome, SPEED_MAX,
    encode_player,
};

/// Something that walks.
#[derive(Clone, Copy, Debug)]
struct Walker {
    entity: EntityId,
    walk: Input,
    /// Units per tick, east and south.
    step: (f32, f32),
}

/// The rules in one region.
#[derive(Debug, Default)]
pub struct DemoRules {
    walkers: Vec<Walker>,
    by_entity: FixedMap<EntityId, usize>,
    creatures: Creatures,
    chat: Chat,
}

impl DemoRules {
    /// With so many wandering creatures in each region.
    #[must_use]
    pub fn with_creatures(count: u32) -> Self {
        Self {
            creatures: Creatures::new(count),
            ..Self::default()
        }
    }

    /// As many, in a region that is served already: more come, or some go.
    pub(super) fn have_creatures(&mut self, ctx: &mut dyn Ctx, count: u32) {
        for entity in self.creatures.dismiss(ctx, count) {
            self.remove_walker(entity);
        }
        for entity in self.creatures.spawn(ctx, count) {
            self.add_walker(entity, Input::default(), ctx.tick_hz());
        }
    }

    fn add_walker(&mut self, entity: EntityId, walk: Input, tick_hz: u32) {
        let walker = Walker {
            entity,
            walk,
            step: step(walk, tick_hz),
        };
        self.by_entity.insert(entity, self.walkers.len());
        self.walkers.push(walker);
    }

    fn remove_walker(&mut self, entity: EntityId) {
        let Some(index) = self.by_entity.remove(&entity) else {
            return;
        };
        self.walkers.swap_remove(index);
        if let Some(moved) = self.walkers.get(index) {
            self.by_entity.insert(moved.entity, index);
        }
    }

    fn walk_of(&self, entity: EntityId) -> Input {
        let walker = self
            .by_entity
            .get(&entity)
            .and_then(|index| self.walkers.get(*index));
        walker.map_or_else(Input::default, |walker| walker.walk)
    }
}

fn step(walk: Input, tick_hz: u32) -> (f32, f32) {
    let (east, south) = walk.velocity();
    let hz = tick_hz.max(1) as f32;
    (east / hz, south / hz)
}

fn units_per_s(walk: Input) -> f32 {
    f32::from(walk.speed) * (SPEED_MAX / 255.0)
}

impl GameLogic for DemoRules {
    fn first_holdings(&self, world: &World, region: RegionNumber, seed: u64) -> Vec<Holding> {
        ground::of_region(world, region, seed)
    }

    fn kind_of_player(&self) -> u16 {
        u16::from(KIND_PLAYER)
    }

    fn spawn_point(&self, world: &World, user: UserId) -> Position {
        let [width, height] = world.size();
        let hash = ground::mixed(user.0);
        let part =
            |bits: u64, size: u32| (bits & 0xffff_ffff) as f32 / 4_294_967_296.0 * (size as f32 - 2.0) + 1.0;
        Position {
            x: part(hash, width),
            y: part(hash >> 32, height),
        }
    }

    fn served(&mut self, ctx: &mut dyn Ctx) {
        self.have_creatures(ctx, self.creatures.wanted());
    }

    fn lies_here(&mut self, ctx: &mut dyn Ctx, holding: &Holding) -> Option<EntityId> {
        ground::show(ctx, holding)
    }

    fn entered(&mut self, ctx: &mut dyn Ctx, player: Entered<'_>) {
        ctx.set_state(player.entity, &encode_player(player.user, player.name));
        let walk = Input {
            heading: player.heading,
            speed: (player.speed / SPEED_MAX * 255.0).round() as u8,
        };
        self.add_walker(player.entity, walk, ctx.tick_hz());
    }

    fn renamed(&mut self, ctx: &mut dyn Ctx, user: UserId, entity: EntityId, name: &str) {
        ctx.set_state(entity, &encode_player(user, name));
    }

    fn left(&mut self, _ctx: &mut dyn Ctx, user: UserId, entity: EntityId) {
        self.chat.forget(user);
        self.remove_walker(entity);
    }

    fn received(&mut self, ctx: &mut dyn Ctx, user: UserId, holding: u64) {
        let event = Event::Received { thing: holding };
        ctx.tell(user, event.encode(), Reliability::Durable);
    }

    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: GameInput<'_>) {
        let Ok(walk) = Input::parse(input.body) else {
            return;
        };
        let index = self.by_entity.get(&entity).copied();
        let Some(walker) = index.and_then(|index| self.walkers.get_mut(index)) else {
            return;
        };
        if walker.walk == walk {
            return;
        }
        walker.walk = walk;
        walker.step = step(walk, ctx.tick_hz());
        if let Some(at) = ctx.entity(entity).map(|entity| entity.at) {
            ctx.walk(entity, at, walk.heading, units_per_s(walk));
        }
    }

    fn command(&mut self, ctx: &mut dyn Ctx, command: GameCommand<'_>) {
        let refused = match Command::parse(command.body) {
            Ok(asked) if asked.is_durable() == (command.kind == CommandKind::Durable) => {
                obey(&mut self.chat, ctx, &command, asked)
            }
            _ => Err(Refusal::Malformed),
        };
        if let Err(reason) = refused {
            let event = Event::Refused {
                command: command.number.0,
                reason,
            };
            let reliability = match command.kind {
                CommandKind::Soft => Reliability::Soft,
                CommandKind::Durable => Reliability::Durable,
            };
            ctx.tell(command.user, event.encode(), reliability);
        }
    }

    fn effect(&mut self, ctx: &mut dyn Ctx, _source: EntityId, target: EntityId, body: &[u8]) {
        // The only effect of this game on somebody else is to be heard.
        let user = ctx.entity(target).and_then(|entity| player(&entity));
        if let (Some(user), Ok(event @ (Event::Said { .. } | Event::Emoted { .. }))) =
            (user, Event::parse(body))
        {
            self.chat.hear(ctx, user, &event, body);
        }
    }

    fn reported(&mut self, ctx: &mut dyn Ctx, by: UserId, about: UserId, outcome: Result<(), ReportRefused>) {
        let outcome = match outcome {
            Ok(()) => ReportOutcome::Kept,
            Err(ReportRefused::TooMany) => ReportOutcome::TooMany,
            Err(ReportRefused::Failed) => ReportOutcome::Failed,
        };
        let event = Event::Reported { user: about, outcome };
        ctx.tell(by, event.encode(), Reliability::Soft);
    }

    fn tick(&mut self, ctx: &mut dyn Ctx) {
        self.creatures.tick(ctx);
        for walker in &self.walkers {
            if walker.walk.speed == 0 {
                continue;
            }
            let Some(at) = ctx.entity(walker.entity).map(|entity| entity.at) else {
                continue;
            };
            let to = Position {
                x: at.x + walker.step.0,
                y: at.y + walker.step.1,
            };
            ctx.walk(walker.entity, to, walker.walk.heading, units_per_s(walker.walk));
        }
    }

    fn own_state(&self, ctx: &dyn Ctx, user: UserId, entity: EntityId, out: &mut Vec<u8>) {
        let Some(at) = ctx.entity(entity).map(|entity| entity.at) else {
            return;
        };
        let own = OwnState {
            entity,
            at,
            walk: self.walk_of(entity),
            region: ctx.region(),
            things: u16::try_from(ctx.holdings(user).len()).unwrap_or(u16::MAX),
        };
        own.encode(out);
    }
}

fn obey(chat: &mut Chat, ctx: &mut dyn Ctx, by: &GameCommand<'_>, asked: Command) -> Result<(), Refusal> {
    let at = ctx
        .entity(by.entity)
        .map(|entity| entity.at)
        .ok_or(Refusal::Unavailable)?;
    if let (Command::Say(_) | Command::Emote(_), Some(until_ms)) = (&asked, ctx.muted_until_ms(by.user)) {
        return Err(Refusal::Muted { until_ms });
    }
    match asked {
        Command::Say(text) => {
            let entity = by.entity;
            chat.say(ctx, entity, at, &Event::Said { entity, text });
        }
        Command::Emote(emote) => {
            let entity = by.entity;
            chat.say(ctx, entity, at, &Event::Emoted { entity, emote });
        }
        Command::Report { user, why } => {
            if !chat.has_heard(by.user, user) && !is_in_hearing(ctx, at, user) {
                return Err(Refusal::TooFar);
            }
            ctx.report(by.user, user, &why, &chat.lines_of(by.user));
        }
        Command::Collect { thing: gem } => {
            let lies_near = ground::near(ctx, at, gem)?;
            ctx.take(by.user, lies_near).map_err(refusal)?;
            ctx.tell(
                by.user,
                Event::Collected { thing: gem }.encode(),
                Reliability::Durable,
            );
        }
        Command::Give { thing: gem, to } => {
            let place = somebody_near(ctx, at, to).ok_or(Refusal::TooFar)?;
            ctx.give(by.user, gem, to, place).map_err(refusal)?;
            ctx.tell(
                by.user,
                Event::Given { thing: gem, to }.encode(),
                Reliability::Durable,
            );
        }
    }
    Ok(())
}

fn refusal(refused: HoldingRefused) -> Refusal {
    match refused {
        HoldingRefused::NotThere => Refusal::NoSuchGem,
        _ => Refusal::Unavailable,
    }
}

fn is_in_hearing(ctx: &dyn Ctx, at: Position, user: UserId) -> bool {
    let mut is_near = false;
    ctx.nearby(at, HEARING, &mut |entity| {
        is_near |= player(&entity) == Some(user);
    });
    is_near
}

/// Where somebody within reach is simulated: here rather than next door, if both can be seen for a moment.
fn somebody_near(ctx: &dyn Ctx, at: Position, user: UserId) -> Option<Place> {
    let mut place = None;
    ctx.nearby(at, REACH, &mut |entity| {
        if player(&entity) == Some(user) && place != Some(Place::Here) {
            place = Some(entity.place);
        }
    });
    place
}
