//! A game with a pair of eyes: every command that a region really applies is written down. Where a run is to have it, the rules of
//! the demo also make, destroy and lay down things, of everybody and at any moment (`crafts`), panic, keep sheep (`flock`) and cows
//! (`herd`), hide players (`veils`), and count what they keep (`chronicle`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use game::{
    AskFailed, Ctx, Entered, GameCommand, GameInput, GameLogic, Holding, ReportRefused, TeleportFailed, World,
};
use protocol::geometry::Position;
use protocol::ids::{EntityId, RegionNumber, UserId};

use crate::chronicle::Chronicle;
use crate::crafts::{Crafts, Market};
use crate::flock::Flock;
use crate::herd::{Ended, Herd};
use crate::options::Options;
use crate::veils::{Changes, Veils};

/// A command that a region applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) region: RegionNumber,
    pub(crate) user: UserId,
    pub(crate) number: u64,
    pub(crate) body: Bytes,
}

/// Where the regions of a run write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    applied: Arc<Mutex<Vec<Applied>>>,
    is_calm: Arc<AtomicBool>,
    is_still: Arc<AtomicBool>,
    market: Market,
    ended: Ended,
    roamed: Arc<AtomicU64>,
    panics: Arc<AtomicU64>,
    changes: Changes,
}

/// What rules say that panic because a run is to have that.
pub(crate) const PANICKED: &str = "on purpose";
/// So often in a run: three times in a region would have it stand still.
const PANICS_MAX: u64 = 2;
/// How seldom, of the ticks of a region.
const PANIC_TICKS: u64 = 500;

impl Record {
    pub(crate) fn take(&self) -> Vec<Applied> {
        std::mem::take(&mut *self.applied.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Nothing is made any more: what is there and what is shown are to become the same.
    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// Nobody is hidden or shown any more.
    pub(crate) fn still(&self) {
        self.is_still.store(true, Ordering::Relaxed);
    }

    /// All of that goes on.
    pub(crate) fn storm(&self) {
        self.is_calm.store(false, Ordering::Relaxed);
        self.is_still.store(false, Ordering::Relaxed);
    }

    /// How often somebody was hidden, or shown again.
    pub(crate) fn veiled(&self) -> u64 {
        self.changes.count()
    }

    /// How often a creature has come over a border.
    pub(crate) fn roamed(&self) -> u64 {
        self.roamed.load(Ordering::Relaxed)
    }

    /// Which creatures the rules have taken out of the world.
    pub(crate) fn ended(&self) -> Ended {
        self.ended.clone()
    }

    fn panic_if(&self, is_due: bool) {
        let is_one_more = |panics: u64| (panics < PANICS_MAX).then_some(panics + 1);
        let count = || {
            self.panics
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_one_more)
        };
        if is_due && count().is_ok() {
            // Nobody is to read of it on the screen.
            std::panic::resume_unwind(Box::new(PANICKED));
        }
    }

    fn push(&self, applied: Applied) {
        self.applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(applied);
    }
}

pub(crate) struct Recorder {
    game: Box<dyn GameLogic>,
    record: Record,
    crafts: Option<Crafts>,
    flock: Option<Flock>,
    herd: Option<Herd>,
    chronicle: Option<Chronicle>,
    veils: Option<Veils>,
    inputs: Given,
}

/// The last input that each entity was given since it came here.
#[derive(Default)]
struct Given(BTreeMap<EntityId, u64>);

impl Given {
    /// Each is given once and in order, and what is missing is said. A new login counts from 1 again.
    fn check(&mut self, entity: EntityId, input: GameInput<'_>) {
        let number = input.number.0;
        if number == 0 {
            // One of the game's own.
            return;
        }
        let last = self.0.insert(entity, number);
        let before = number.checked_sub(input.missed + 1);
        assert!(
            before.is_some_and(|before| before == 0 || last.is_none_or(|last| before == last)),
            "H3: input {number} of {entity:?} comes after {last:?}, with {} missed",
            input.missed
        );
    }
}

impl Recorder {
    pub(crate) fn new(game: Box<dyn GameLogic>, record: Record, options: &Options) -> Self {
        Self {
            game,
            crafts: options
                .crafts
                .then(|| Crafts::new(record.market.clone(), options.scenario)),
            herd: options.sheep.then(|| Herd::new(record.ended())),
            veils: options.veils.then(|| Veils::new(record.changes.clone())),
            record,
            flock: options.sheep.then(Flock::default),
            chronicle: options.crafts.then(Chronicle::default),
            inputs: Given::default(),
        }
    }
}

impl GameLogic for Recorder {
    fn first_holdings(&self, world: &World, region: RegionNumber, seed: u64) -> Vec<Holding> {
        self.game.first_holdings(world, region, seed)
    }

    fn spawn_point(&self, world: &World, user: UserId) -> Position {
        self.game.spawn_point(world, user)
    }

    fn kind_of_player(&self) -> u16 {
        self.game.kind_of_player()
    }

    fn served(&mut self, ctx: &mut dyn Ctx) {
        self.game.served(ctx);
        if let Some(flock) = &mut self.flock {
            flock.served(ctx);
        }
        if let Some(herd) = &mut self.herd {
            herd.served(ctx);
        }
    }

    fn recalled(&mut self, ctx: &mut dyn Ctx) {
        self.game.recalled(ctx);
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.recalled(ctx);
        }
    }

    fn follows_world_state(&self) -> bool {
        self.chronicle.is_some() || self.game.follows_world_state()
    }

    fn keeps_history(&self) -> bool {
        self.game.keeps_history()
    }

    fn runs_always(&self) -> bool {
        self.game.runs_always()
    }

    fn came(&mut self, ctx: &mut dyn Ctx, creature: EntityId) {
        self.record.roamed.fetch_add(1, Ordering::Relaxed);
        if self.herd.as_mut().is_some_and(|herd| herd.came(ctx, creature)) {
            return;
        }
        match &mut self.flock {
            Some(flock) => flock.came(ctx, creature),
            None => self.game.came(ctx, creature),
        }
    }

    fn went(&mut self, ctx: &mut dyn Ctx, creature: EntityId) {
        if self.herd.as_mut().is_some_and(|herd| herd.went(creature)) {
            return;
        }
        match &mut self.flock {
            Some(flock) => flock.went(creature),
            None => self.game.went(ctx, creature),
        }
    }

    fn answered(&mut self, ctx: &mut dyn Ctx, ask: u64, answer: Result<&[u8], AskFailed>) {
        match &mut self.flock {
            Some(flock) => flock.answered(ask, answer),
            None => self.game.answered(ctx, ask, answer),
        }
    }

    fn creature_timer(&mut self, ctx: &mut dyn Ctx, creature: EntityId, token: u64) {
        let is_cow = |herd: &mut Herd| herd.creature_timer(ctx, creature);
        if self.herd.as_mut().is_some_and(is_cow) {
            return;
        }
        match &mut self.flock {
            Some(flock) => flock.creature_timer(ctx, creature),
            None => self.game.creature_timer(ctx, creature, token),
        }
    }

    fn lies_here(&mut self, ctx: &mut dyn Ctx, holding: &Holding) -> Option<EntityId> {
        if let Some(crafts) = &mut self.crafts {
            crafts.lies_here(holding);
        }
        self.game.lies_here(ctx, holding)
    }

    fn entered(&mut self, ctx: &mut dyn Ctx, player: Entered<'_>) {
        if let Some(crafts) = &mut self.crafts {
            crafts.entered(player.user);
        }
        if let Some(veils) = &mut self.veils {
            veils.entered(player.user, player.entity);
        }
        self.game.entered(ctx, player);
    }

    fn left(&mut self, ctx: &mut dyn Ctx, user: UserId, entity: EntityId) {
        if let Some(crafts) = &mut self.crafts {
            crafts.left(user);
        }
        if let Some(veils) = &mut self.veils {
            veils.left(user);
        }
        self.inputs.0.remove(&entity);
        self.game.left(ctx, user, entity);
    }

    fn received(&mut self, ctx: &mut dyn Ctx, user: UserId, holding: u64) {
        self.game.received(ctx, user, holding);
    }

    fn lost(&mut self, ctx: &mut dyn Ctx, user: UserId, holding: u64) {
        self.game.lost(ctx, user, holding);
    }

    fn undone(&mut self, ctx: &mut dyn Ctx, user: UserId) {
        self.game.undone(ctx, user);
    }

    fn renamed(&mut self, ctx: &mut dyn Ctx, user: UserId, entity: EntityId, name: &str) {
        self.game.renamed(ctx, user, entity, name);
    }

    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: GameInput<'_>) {
        self.inputs.check(entity, input);
        self.game.input(ctx, entity, input);
    }

    fn command(&mut self, ctx: &mut dyn Ctx, command: GameCommand<'_>) {
        self.record.push(Applied {
            region: ctx.region(),
            user: command.user,
            number: command.number.0,
            body: Bytes::copy_from_slice(command.body),
        });
        let (user, number) = (command.user, command.number);
        self.game.command(ctx, command);
        if let Some(crafts) = &self.crafts {
            crafts.command(ctx, user, number);
        }
    }

    fn effect(&mut self, ctx: &mut dyn Ctx, source: EntityId, target: EntityId, body: &[u8]) {
        self.game.effect(ctx, source, target, body);
    }

    fn told(&mut self, ctx: &mut dyn Ctx, from: RegionNumber, body: &[u8]) {
        self.game.told(ctx, from, body);
    }

    fn timer(&mut self, ctx: &mut dyn Ctx, token: u64) {
        self.game.timer(ctx, token);
    }

    fn player_timer(&mut self, ctx: &mut dyn Ctx, user: UserId, token: u64) {
        self.game.player_timer(ctx, user, token);
    }

    fn teleport_failed(&mut self, ctx: &mut dyn Ctx, user: UserId, reason: TeleportFailed) {
        self.game.teleport_failed(ctx, user, reason);
    }

    fn reported(&mut self, ctx: &mut dyn Ctx, by: UserId, about: UserId, outcome: Result<(), ReportRefused>) {
        self.game.reported(ctx, by, about, outcome);
    }

    fn operator(&mut self, ctx: &mut dyn Ctx, command: &str) -> Result<String, String> {
        self.game.operator(ctx, command)
    }

    fn tick(&mut self, ctx: &mut dyn Ctx) {
        self.game.tick(ctx);
        if let Some(flock) = &self.flock {
            flock.tick(ctx);
        }
        let is_calm = self.record.is_calm.load(Ordering::Relaxed);
        if let Some(herd) = &mut self.herd {
            herd.tick(ctx, is_calm);
        }
        if let Some(veils) = &self.veils
            && !self.record.is_still.load(Ordering::Relaxed)
        {
            veils.tick(ctx);
        }
        if let Some(crafts) = self.crafts.as_mut().filter(|_| !is_calm) {
            crafts.tick(ctx);
            Chronicle::tick(ctx);
            self.record.panic_if(ctx.random().is_multiple_of(PANIC_TICKS));
        }
    }

    fn own_state(&self, ctx: &dyn Ctx, user: UserId, entity: EntityId, out: &mut Vec<u8>) {
        self.game.own_state(ctx, user, entity, out);
    }
}
