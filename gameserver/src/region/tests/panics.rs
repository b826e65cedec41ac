//! Rules that panic: what that costs, and what it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use demo::{Command, DemoRules, Event};
use game::{Ctx, Entered, EntityId, GameCommand, GameInput, GameLogic, Holding, Position, World};
use protocol::ids::UserId;
use store::simulated::Fault;
use store::{StoreReply, StoreRequest};

use super::super::*;
use super::bot::Bot;
use super::scene::*;

/// An emote that the rules do not survive.
const FATAL: u8 = 99;
/// Who collects this, which is nowhere, lays a gem down.
const LAYS: u64 = 98;
const PREPARE: u8 = 0x60;

/// The demo's rules, which panic after a fatal emote, after the collection of the cursed gem, and at a cursed tick.
struct Fragile {
    game: DemoRules,
    curse: Arc<Curse>,
}

#[derive(Default)]
struct Curse {
    gem: AtomicU64,
    /// So many ticks panic.
    ticks: AtomicU64,
}

impl GameLogic for Fragile {
    fn spawn_point(&self, world: &World, user: UserId) -> Position {
        self.game.spawn_point(world, user)
    }
    fn kind_of_player(&self) -> u16 {
        self.game.kind_of_player()
    }
    fn first_holdings(&self, world: &World, region: RegionNumber, seed: u64) -> Vec<Holding> {
        self.game.first_holdings(world, region, seed)
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
    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: GameInput<'_>) {
        self.game.input(ctx, entity, input);
    }
    fn command(&mut self, ctx: &mut dyn Ctx, command: GameCommand<'_>) {
        self.game.command(ctx, command);
        match Command::parse(command.body) {
            Ok(Command::Collect { thing: LAYS }) => {
                let gem = ctx.holdings(command.user)[0];
                ctx.drop(command.user, gem, Position { x: 8.0, y: 8.0 }).unwrap();
            }
            Ok(Command::Emote(FATAL)) => panic!("an emote"),
            Ok(Command::Collect { thing: gem }) if gem == self.curse.gem.load(Ordering::Relaxed) => {
                panic!("a gem")
            }
            _ => {}
        }
    }
    fn effect(&mut self, ctx: &mut dyn Ctx, source: EntityId, target: EntityId, body: &[u8]) {
        self.game.effect(ctx, source, target, body);
    }
    fn tick(&mut self, ctx: &mut dyn Ctx) {
        self.game.tick(ctx);
        let less = |ticks: u64| ticks.checked_sub(1);
        let cursed = self
            .curse
            .ticks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        assert!(ctx.region() != A || cursed.is_err(), "a tick");
    }
    fn own_state(&self, ctx: &dyn Ctx, user: UserId, entity: EntityId, out: &mut Vec<u8>) {
        self.game.own_state(ctx, user, entity, out);
    }
}

fn fragile() -> (Scene, Arc<Curse>) {
    let curse = Arc::new(Curse::default());
    let all = Arc::clone(&curse);
    let make: MakeRules = Arc::new(move || {
        Box::new(Fragile {
            game: DemoRules::default(),
            curse: Arc::clone(&all),
        })
    });
    (Scene::playing(world([1, 2, 3, 4]), make), curse)
}

fn held_by(scene: &mut Scene, user: UserId) -> Vec<u64> {
    let Ok(StoreReply::Belongings(has)) = scene.store.apply(&StoreRequest::HoldingsOf { user }) else {
        panic!()
    };
    has.holdings.iter().map(|holding| holding.id).collect()
}

/// A gem of region A and where it lies.
fn gem(scene: &mut Scene, index: usize) -> (u64, f32, f32) {
    let Ok(StoreReply::Holdings(gems)) = scene.store.apply(&StoreRequest::HoldingsOnGround { region: A })
    else {
        panic!()
    };
    let store::Holder::Ground { x, y, .. } = gems[index].holder else {
        panic!()
    };
    (gems[index].id, x, y)
}

#[test]
fn a_panic_costs_the_command_at_which_it_happened_and_nothing_that_is_durable() {
    let (mut scene, curse) = fragile();
    let (first, x, y) = gem(&mut scene, 0);
    let mut bot = Bot::join(&mut scene, 5, x + 1.0, y);
    let mut next_door = Bot::join(&mut scene, 6, 200.0, 20.0);
    bot.command(&mut scene, &Command::Collect { thing: first });
    bot.live(&mut scene, 2_000);
    assert_eq!((bot.acked, held_by(&mut scene, bot.user)), (1, vec![first]));
    let (cursed, x, y) = gem(&mut scene, 0);
    scene.place(A, bot.user, x + 1.0, y);
    let before = scene.active(bot.user)[0].1;
    curse.gem.store(cursed, Ordering::Relaxed);
    bot.command(&mut scene, &Command::Collect { thing: cursed });
    bot.command(&mut scene, &Command::Emote(1));
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.counted["panicked"], 1, "the command is not repeated");
    assert_eq!(scene.counted["command_panicked"], 1);
    assert_eq!(bot.acked, 3, "it is over, and the next one as well");
    assert_eq!(
        held_by(&mut scene, bot.user),
        [first],
        "half of a command is none"
    );
    assert!(!bot.events.contains(&Event::Collected { thing: cursed }));
    assert_eq!(scene.assert_owned_once(bot.user), A);
    assert!(scene.active(bot.user)[0].1 > before, "it came back from its row");
    let row = scene.row(bot.user);
    assert_eq!((row.body.last_command.0, row.body.chain_hash), (3, bot.chain));
    let status = scene.regions[&A].status();
    assert!(status.holdings_known && status.holdings.contains(&cursed) && !status.holdings.contains(&first));
    assert_eq!((status.panics, status.stands_still), (1, false));
    // All goes on, and next door nothing has happened.
    curse.gem.store(0, Ordering::Relaxed);
    scene.place(A, bot.user, x + 1.0, y);
    bot.command(&mut scene, &Command::Collect { thing: cursed });
    bot.live(&mut scene, 1_000);
    assert_eq!(held_by(&mut scene, bot.user).len(), 2);
    next_door.command(&mut scene, &Command::Emote(1));
    next_door.live(&mut scene, 100);
    assert_eq!((next_door.acked, scene.regions[&B].status().panics), (1, 0));
}

#[test]
fn soft_commands_and_ticks_may_panic_as_well_and_the_entities_of_the_game_are_made_anew() {
    let (mut scene, curse) = fragile();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let population = scene.regions[&A].status().population;
    bot.command(&mut scene, &Command::Emote(FATAL));
    bot.command(&mut scene, &Command::Emote(2));
    bot.live(&mut scene, 1_000);
    assert_eq!((bot.acked, scene.counted["panicked"]), (2, 1));
    curse.ticks.store(1, Ordering::Relaxed);
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.counted["panicked"], 2);
    let status = scene.regions[&A].status();
    assert_eq!(status.population, population);
    assert_eq!(
        status.spawned - status.despawned,
        (status.population - status.players) as u64,
        "what is gone is counted"
    );
    bot.walk(&mut scene, 0, 255);
    let from = scene.active(bot.user)[0].2;
    bot.live(&mut scene, 1_000);
    assert!(scene.active(bot.user)[0].2.x > from.x + 4.0, "it walks");
}

#[test]
fn rules_that_panic_three_times_a_minute_are_called_no_more_and_the_region_stays_whose_it_is() {
    let (mut scene, curse) = fragile();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    curse.ticks.store(50, Ordering::Relaxed);
    bot.live(&mut scene, 2_000);
    let status = scene.regions[&A].status();
    assert_eq!((status.panics, status.stands_still), (3, true));
    assert_eq!(scene.assert_owned_once(bot.user), A);
    bot.walk(&mut scene, 0, 255);
    bot.command(&mut scene, &Command::Emote(1));
    let from = scene.active(bot.user)[0].2;
    bot.live(&mut scene, 1_000);
    assert_eq!(
        (bot.acked, scene.active(bot.user)[0].2),
        (0, from),
        "nothing moves"
    );
    assert_eq!(scene.regions[&B].status().panics, 0);
    // Served anew, with better rules.
    curse.ticks.store(0, Ordering::Relaxed);
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.settle();
    bot.live(&mut scene, 1_500);
    bot.insist(&mut scene);
    bot.live(&mut scene, 500);
    bot.insist(&mut scene);
    bot.live(&mut scene, 500);
    assert_eq!(bot.acked, 1, "its command has waited");
}

#[test]
fn a_handover_under_way_goes_on_while_the_rules_begin_anew() {
    let (mut scene, curse) = fragile();
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    scene.lose.insert(PREPARE, 1);
    bot.walk(&mut scene, 0, 255);
    while scene.regions[&A].status().frozen == 0 {
        bot.live(&mut scene, 50);
    }
    let before = scene.active(bot.user)[0].1;
    curse.ticks.store(1, Ordering::Relaxed);
    bot.live(&mut scene, 50);
    assert_eq!(scene.counted["panicked"], 1);
    assert_eq!(scene.active(bot.user)[0].1, before, "others decide on its fate");
    bot.live(&mut scene, 300);
    bot.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 2_000);
    assert_eq!(scene.assert_owned_once(bot.user), B, "the new rules know it");
}

#[test]
fn what_a_commit_lays_down_after_the_new_rules_have_read_the_ground_is_shown() {
    let (mut scene, curse) = fragile();
    let (first, x, y) = gem(&mut scene, 0);
    let mut bot = Bot::join(&mut scene, 5, x + 1.0, y);
    bot.command(&mut scene, &Command::Collect { thing: first });
    bot.live(&mut scene, 500);
    assert_eq!(held_by(&mut scene, bot.user), [first]);
    scene.fault = Some((
        |request| matches!(request, StoreRequest::CommitDurable { .. }),
        Fault::Slow(300),
    ));
    bot.command(&mut scene, &Command::Collect { thing: LAYS });
    bot.live(&mut scene, 50);
    scene.fault = Some((
        |request| matches!(request, StoreRequest::Activate { .. }),
        Fault::Slow(600),
    ));
    curse.ticks.store(1, Ordering::Relaxed);
    bot.live(&mut scene, 100);
    assert_eq!(scene.counted["panicked"], 1);
    assert!(scene.regions[&A].status().holdings_known && scene.active(bot.user).is_empty());
    assert_eq!(held_by(&mut scene, bot.user), [first], "the commit is on its way");
    bot.live(&mut scene, 3_000);
    assert_eq!(scene.assert_owned_once(bot.user), A);
    assert_eq!(held_by(&mut scene, bot.user), [0; 0], "it was written");
    assert!(
        scene.regions[&A].status().holdings.contains(&first),
        "and is shown"
    );
}
