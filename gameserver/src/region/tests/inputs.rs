//! Inputs on their way to the rules: in order, each at most once, with what is missing said.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use game::limits::INPUTS_WAITING_MAX;
use game::{Ctx, EntityId, GameInput, GameLogic, Position, World};
use protocol::ids::UserId;
use protocol::message::player::Inputs;

use super::super::*;
use super::bot::Bot;
use super::scene::*;

/// Where an input was given, its number, and how many before it were not.
type Given = (RegionNumber, u64, u64);

/// Rules that write down every input, and send whoever is told so over the border.
struct Listener(Arc<Mutex<Vec<Given>>>);

/// The input that leads into the region next door.
const OVER: &[u8] = b"over";

impl GameLogic for Listener {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position { x: 60.0, y: 60.0 }
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: GameInput<'_>) {
        let given = (ctx.region(), input.number.0, input.missed);
        self.0.lock().unwrap().push(given);
        if input.body == OVER {
            ctx.walk(entity, Position { x: 129.4, y: 60.0 }, 0, 0.0);
        }
    }
}

fn listening() -> (Scene, Bot, Arc<Mutex<Vec<Given>>>) {
    let given = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&given);
    let rules: MakeRules = Arc::new(move || Box::new(Listener(Arc::clone(&heard))));
    let mut scene = Scene::playing(world([1, 2, 3, 4]), rules);
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    let bot = Bot::join(&mut scene, 5, 60.0, 60.0);
    (scene, bot, given)
}

/// The proxy sends a run of inputs.
fn send(scene: &mut Scene, bot: &Bot, newest: u64, newest_first: &[&'static [u8]]) {
    let inputs = Inputs {
        user: bot.user.0,
        owner_epoch: bot.epoch.0,
        number: newest,
        inputs: newest_first.iter().copied().map(Bytes::from_static).collect(),
    };
    scene.proxy_says(bot.node, PROXY, inputs);
}

fn taken(given: &Mutex<Vec<Given>>) -> Vec<Given> {
    std::mem::take(&mut *given.lock().unwrap())
}

#[test]
fn inputs_are_given_in_order_each_once_and_what_was_lost_is_said() {
    let (mut scene, bot, given) = listening();
    send(&mut scene, &bot, 2, &[b"b", b"a"]);
    send(&mut scene, &bot, 3, &[b"c", b"b", b"a"]);
    send(&mut scene, &bot, 1, &[b"a"]);
    assert_eq!(taken(&given), [], "not before the tick");
    scene.tick();
    assert_eq!(taken(&given), [(A, 1, 0), (A, 2, 0), (A, 3, 0)]);
    send(&mut scene, &bot, 3, &[b"c", b"b", b"a"]);
    send(&mut scene, &bot, 8, &[b"h", b"g", b"f"]);
    send(&mut scene, &bot, 10, &[b"j"]);
    scene.tick();
    assert_eq!(taken(&given), [(A, 6, 2), (A, 7, 0), (A, 8, 0), (A, 10, 1)]);
    assert_eq!(scene.take_heard(output).last().unwrap().input_ack, 10);
    scene.tick();
    assert_eq!(taken(&given), []);
}

#[test]
fn of_more_than_may_wait_the_oldest_are_missed() {
    let (mut scene, bot, given) = listening();
    let sent = INPUTS_WAITING_MAX as u64 + 5;
    for number in 1..=sent {
        send(&mut scene, &bot, number, &[b"x"]);
    }
    scene.tick();
    let given = taken(&given);
    assert_eq!(given.len(), INPUTS_WAITING_MAX);
    assert_eq!((given[0], given.last()), ((A, 6, 5), Some(&(A, sent, 0))));
}

#[test]
fn over_a_border_inputs_stay_in_order_and_none_is_given_twice() {
    let (mut scene, mut bot, given) = listening();
    send(&mut scene, &bot, 2, &[OVER, b"a"]);
    scene.lose.insert(0x60, 1);
    scene.tick();
    assert_eq!(scene.regions[&A].status().frozen, 1);
    // Whoever is on its way takes nothing in; the proxy says its last ones again to the next owner.
    send(&mut scene, &bot, 3, &[b"c", OVER, b"a"]);
    bot.live(&mut scene, 400);
    send(&mut scene, &bot, 4, &[OVER]);
    bot.live(&mut scene, 500);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    send(&mut scene, &bot, 5, &[b"e", OVER, b"c"]);
    bot.live(&mut scene, 50);
    assert_eq!(taken(&given), [(A, 1, 0), (A, 2, 0), (A, 4, 1), (B, 5, 0)]);
}

#[test]
fn a_new_login_counts_from_one_and_what_waited_of_the_former_is_nobodys() {
    let (mut scene, bot, given) = listening();
    send(&mut scene, &bot, 7, &[b"g"]);
    scene.tick();
    send(&mut scene, &bot, 8, &[b"h"]);
    scene.input(A, RegionInput::Join(PROXY, join(5, 2, 1)));
    send(&mut scene, &bot, 2, &[b"b"]);
    scene.tick();
    assert_eq!(taken(&given), [(A, 7, 6), (A, 2, 1)]);
}
