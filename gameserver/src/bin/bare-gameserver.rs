//! A game server for tests of the process: in its game one thing lies in each region, and nothing happens. Programs have a
//! game of their own, and game servers as a subcommand.

use std::process::ExitCode;

use clap::Parser;
use game::{Ctx, EntityId, Game, GameLogic, Holding, Position, RegionNumber, UserId, World};

#[derive(Parser)]
#[command(name = "bare-gameserver", about = "A game server without a game", version)]
struct CommandLine {
    #[command(flatten)]
    args: gameserver::server::Args,
}

game::settings_table! {
    /// The table `[game]`.
    struct BareSettings {
        /// Creatures that stand in each region.
        creatures: u32 = 0,
    }
}

impl game::Settings for BareSettings {}

/// The game, and its rules.
#[derive(Clone)]
struct Bare {
    creatures: u32,
    standing: Vec<EntityId>,
}

impl Game for Bare {
    const ID: &'static str = "bare";
    const VERSION: u32 = 1;
    type Settings = BareSettings;
    type Rules = Self;

    fn new(settings: BareSettings) -> Self {
        let BareSettings { creatures } = settings;
        let standing = Vec::new();
        Self { creatures, standing }
    }

    fn rules(&self) -> Self {
        self.clone()
    }

    fn reloaded(&self, rules: &mut Self, ctx: &mut dyn Ctx) {
        rules.creatures = self.creatures;
        for creature in std::mem::take(&mut rules.standing) {
            ctx.despawn(creature);
        }
        rules.served(ctx);
    }
}

impl GameLogic for Bare {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position { x: 1.0, y: 1.0 }
    }

    fn kind_of_player(&self) -> u16 {
        1
    }

    fn first_holdings(&self, world: &World, region: RegionNumber, _: u64) -> Vec<Holding> {
        let thing = world.region(region).map(|rect| Holding {
            id: u64::from(region.0),
            kind: 1,
            at: corner(rect.min),
            payload: Default::default(),
        });
        thing.into_iter().collect()
    }

    fn served(&mut self, ctx: &mut dyn Ctx) {
        let standing = (0..self.creatures).filter_map(|_| ctx.spawn(2, corner(ctx.rect().min), &[]));
        self.standing = standing.collect();
    }

    fn lies_here(&mut self, ctx: &mut dyn Ctx, holding: &Holding) -> Option<EntityId> {
        ctx.spawn(3, holding.at, &[])
    }
}

fn corner([x, y]: [u32; 2]) -> Position {
    let [x, y] = [x, y].map(|edge| edge as f32 + 1.0);
    Position { x, y }
}

fn main() -> ExitCode {
    gameserver::server::run::<Bare>(&CommandLine::parse().args).into()
}
