//! What rules and operators ask of each other and of the past: where somebody was, and what the rules say.

use std::sync::{Arc, Mutex};

use game::{Ctx, EntityId, GameInput, GameLogic, Position, Tick, World};
use protocol::ids::UserId;
use protocol::message::player::Inputs;

use super::super::*;
use super::bot::Bot;
use super::scene::*;

/// What was asked for, and the answer.
type Answer = (u64, Option<f32>);

/// Rules that move everybody one unit east in each tick, and say where somebody was as many ticks ago as its input says.
struct Archive(Arc<Mutex<Vec<Answer>>>, Vec<EntityId>);

impl GameLogic for Archive {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position { x: 10.0, y: 60.0 }
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn entered(&mut self, _: &mut dyn Ctx, player: Entered<'_>) {
        self.1.push(player.entity);
    }
    fn input(&mut self, ctx: &mut dyn Ctx, entity: EntityId, input: GameInput<'_>) {
        let ago = u64::from(input.body[0]);
        let was = ctx.position_at(entity, Tick(ctx.tick().0 - ago));
        let here = ctx.entity(entity).unwrap().at.x;
        self.0.lock().unwrap().push((ago, was.map(|at| here - at.x)));
    }
    fn tick(&mut self, ctx: &mut dyn Ctx) {
        for entity in &self.1 {
            let at = ctx.entity(*entity).unwrap().at;
            ctx.walk(
                *entity,
                Position {
                    x: at.x + 1.0,
                    y: at.y,
                },
                0,
                20.0,
            );
        }
    }
    fn keeps_history(&self) -> bool {
        true
    }
}

#[test]
fn rules_know_where_somebody_was_for_a_second() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&answers);
    let rules: MakeRules = Arc::new(move || Box::new(Archive(Arc::clone(&noted), Vec::new())));
    let mut scene = Scene::playing(world([1, 2, 3, 4]), rules);
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    let mut bot = Bot::join(&mut scene, 5, 10.0, 60.0);
    bot.live(&mut scene, 2_000);
    for (number, ago) in [(1, 1), (2, 2), (3, 20), (4, 21), (5, 22), (6, 0)] {
        let inputs = Inputs {
            user: 5,
            owner_epoch: bot.epoch.0,
            number,
            inputs: vec![vec![ago].into()],
        };
        scene.proxy_says(bot.node, PROXY, inputs);
    }
    bot.live(&mut scene, 50);
    // Inputs come before anybody has moved in their tick, and so before there is a picture of it.
    let expected = [
        (1, Some(0.0)),
        (2, Some(1.0)),
        (20, Some(19.0)),
        (21, Some(20.0)),
        (22, None),
        (0, None),
    ];
    assert_eq!(*answers.lock().unwrap(), expected);
}

#[test]
fn an_operator_is_answered_by_the_rules_and_what_they_do_is_done() {
    struct Weather(bool);
    impl GameLogic for Weather {
        fn spawn_point(&self, _: &World, _: UserId) -> Position {
            Position { x: 10.0, y: 60.0 }
        }
        fn kind_of_player(&self) -> u16 {
            1
        }
        fn operator(&mut self, ctx: &mut dyn Ctx, command: &str) -> Result<String, String> {
            match command {
                "rain" if self.0 => Err("it rains".to_owned()),
                "rain" => {
                    self.0 = true;
                    ctx.spawn(9, Position { x: 10.0, y: 10.0 }, &[]);
                    Ok("it rains now".to_owned())
                }
                _ => panic!("unheard of"),
            }
        }
    }
    let mut scene = Scene::playing(world([1, 2, 3, 4]), Arc::new(|| Box::new(Weather(false))));
    let now = scene.now;
    let say = |scene: &mut Scene, command| scene.regions.get_mut(&A).unwrap().operate(command, now);
    assert_eq!(say(&mut scene, "rain"), Ok("it rains now".to_owned()));
    assert_eq!(say(&mut scene, "rain"), Err("it rains".to_owned()));
    assert!(say(&mut scene, "snow").is_err_and(|why| why.contains("panicked")));
    let early = say(&mut scene, "rain");
    assert!(
        early.is_err_and(|why| why.contains("say it again")),
        "they have not heard yet that they serve"
    );
    scene.settle();
    assert_eq!(
        say(&mut scene, "rain"),
        Ok("it rains now".to_owned()),
        "they have begun anew"
    );
    assert_eq!(scene.regions[&A].status().population, 1);
}
