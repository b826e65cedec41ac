//! Timers of players: where they go on, and when.

use std::sync::{Arc, Mutex};

use game::{Ctx, GameLogic, Position, World};
use protocol::ids::UserId;

use super::super::*;
use super::bot::Bot;
use super::scene::*;

/// Where a timer was due, and its token.
type Due = (RegionNumber, u64);

/// Rules that write down whose timers are due.
struct Clerk(Arc<Mutex<Vec<Due>>>);

impl GameLogic for Clerk {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position { x: 60.0, y: 60.0 }
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn player_timer(&mut self, ctx: &mut dyn Ctx, _: UserId, token: u64) {
        self.0.lock().unwrap().push((ctx.region(), token));
    }
}

fn clerks() -> (Scene, Bot, Arc<Mutex<Vec<Due>>>) {
    let due = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&due);
    let rules: MakeRules = Arc::new(move || Box::new(Clerk(Arc::clone(&noted))));
    let mut scene = Scene::playing(world([1, 2, 3, 4]), rules);
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    let bot = Bot::join(&mut scene, 5, 60.0, 60.0);
    (scene, bot, due)
}

fn taken(due: &Mutex<Vec<Due>>) -> Vec<Due> {
    std::mem::take(&mut *due.lock().unwrap())
}

fn state(scene: &mut Scene, region: RegionNumber) -> &mut RegionState {
    &mut scene.regions.get_mut(&region).unwrap().state
}

#[test]
fn a_players_timers_are_due_where_the_player_is_then_and_each_once() {
    let (mut scene, mut bot, due) = clerks();
    for (ticks, token) in [(2, 1), (40, 2), (60, 3), (3, 4)] {
        assert!(state(&mut scene, A).after_for(bot.user, ticks, token));
    }
    state(&mut scene, A).cancel_for(bot.user, 4);
    bot.live(&mut scene, 500);
    assert_eq!(taken(&due), [(A, 1)]);
    state(&mut scene, A).teleport(bot.user, Position { x: 200.0, y: 20.0 });
    bot.live(&mut scene, 1_000);
    assert_eq!((scene.assert_owned_once(bot.user), taken(&due)), (B, vec![]));
    bot.live(&mut scene, 4_000);
    assert_eq!(taken(&due), [(B, 2), (B, 3)]);
}

#[test]
fn a_crash_takes_back_the_last_second_of_timers_and_no_more() {
    let (mut scene, mut bot, due) = clerks();
    state(&mut scene, A).after_for(bot.user, 60, 1);
    bot.live(&mut scene, 1_500);
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.settle();
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    bot.live(&mut scene, 1_000);
    assert_eq!((scene.assert_owned_once(bot.user), taken(&due)), (A, vec![]));
    bot.live(&mut scene, 4_000);
    assert_eq!(taken(&due), [(A, 1)], "it went on where it was saved");
}

#[test]
fn a_timer_that_is_due_on_the_way_is_due_on_arrival() {
    let (mut scene, mut bot, due) = clerks();
    state(&mut scene, A).after_for(bot.user, 3, 1);
    scene.lose.insert(0x60, 2);
    state(&mut scene, A).teleport(bot.user, Position { x: 200.0, y: 20.0 });
    bot.live(&mut scene, 250);
    assert_eq!((scene.regions[&A].status().frozen, taken(&due)), (1, vec![]));
    bot.live(&mut scene, 2_000);
    assert_eq!(taken(&due).len(), 1);
    assert_eq!(scene.assert_owned_once(bot.user), B);
}

#[test]
fn the_worlds_clock_never_goes_back_in_a_region() {
    let (mut scene, _, _) = clerks();
    scene.tick();
    let before = state(&mut scene, A).clock_ms();
    assert_eq!(before, scene.now.wall_ms);
    scene.now.wall_ms -= 5_000;
    scene.tick();
    assert_eq!(state(&mut scene, A).clock_ms(), before);
    scene.now.wall_ms += 60_000;
    scene.tick();
    assert_eq!(state(&mut scene, A).clock_ms(), scene.now.wall_ms);
}
