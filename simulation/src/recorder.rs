//! The demo game with a pair of eyes: every command that a region really applies is written down.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use game::{Ctx, Entered, GameCommand, GameLogic, Holding, World};
use gems::Gems;
use protocol::geometry::Position;
use protocol::ids::{EntityId, RegionNumber, UserId};

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
pub(crate) struct Record(Arc<Mutex<Vec<Applied>>>);

impl Record {
    pub(crate) fn take(&self) -> Vec<Applied> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, applied: Applied) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(applied);
    }
}

pub(crate) struct Recorder {
    game: Gems,
    record: Record,
}

impl Recorder {
    pub(crate) fn new(game: Gems, record: Record) -> Self {
        Self { game, record }
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
    }

    fn lies_here(&mut self, ctx: &mut dyn Ctx, holding: &Holding) -> Option<EntityId> {
        self.game.lies_here(ctx, holding)
    }

    fn entered(&mut self, ctx: &mut dyn Ctx, player: Entered<'_>) {
        self.game.entered(ctx, player);
    }

    fn left(&mut self, ctx: &mut dyn Ctx, user: UserId, entity: EntityId) {
        self.game.left(ctx, user, entity);
    }

    fn received(&mut self, ctx: &mut dyn Ctx, user: UserId, holding: u64) {
        self.game.received(ctx, user, holding);
    }

    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: &[u8]) {
        self.game.input(ctx, entity, input);
    }

    fn command(&mut self, ctx: &mut dyn Ctx, command: GameCommand<'_>) {
        self.record.push(Applied {
            region: ctx.region(),
            user: command.user,
            number: command.number.0,
            body: Bytes::copy_from_slice(command.body),
        });
        self.game.command(ctx, command);
    }

    fn effect(&mut self, ctx: &mut dyn Ctx, source: EntityId, target: EntityId, body: &[u8]) {
        self.game.effect(ctx, source, target, body);
    }

    fn timer(&mut self, ctx: &mut dyn Ctx, token: u64) {
        self.game.timer(ctx, token);
    }

    fn tick(&mut self, ctx: &mut dyn Ctx) {
        self.game.tick(ctx);
    }

    fn own_state(&self, ctx: &dyn Ctx, user: UserId, entity: EntityId, out: &mut Vec<u8>) {
        self.game.own_state(ctx, user, entity, out);
    }
}
