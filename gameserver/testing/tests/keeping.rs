//! Rules that keep something of their region and of the world, in a playground.

#![allow(clippy::unwrap_used, clippy::panic)]

use game::{Ctx, EntityId, Game, GameInput, GameLogic, NoSettings, Position, UserId, World};
use game_testing::Playground;

/// Each input counts in its region, and where it may in the world; all see both.
struct Counting;

#[derive(Default)]
struct Rules {
    recalled: u32,
}

impl Game for Counting {
    const ID: &'static str = "counting";
    const VERSION: u32 = 1;
    type Settings = NoSettings;
    type Rules = Rules;

    fn new(_: NoSettings) -> Self {
        Self
    }

    fn rules(&self) -> Rules {
        Rules::default()
    }
}

fn more(state: Option<&[u8]>) -> Vec<u8> {
    let count = state.unwrap().first().copied().unwrap_or(0);
    vec![count + 1]
}

impl GameLogic for Rules {
    fn spawn_point(&self, _: &World, _: UserId) -> Position {
        Position { x: 64.0, y: 64.0 }
    }

    fn kind_of_player(&self) -> u16 {
        1
    }

    fn follows_world_state(&self) -> bool {
        true
    }

    fn recalled(&mut self, _: &mut dyn Ctx) {
        self.recalled += 1;
    }

    fn input(&mut self, ctx: &mut dyn Ctx, _: EntityId, input: GameInput<'_>) {
        let (region, world) = (more(ctx.region_state()), more(ctx.world_state()));
        assert!(ctx.set_region_state(&region));
        let writes_world = ctx.world().first_region() == Some(ctx.region());
        assert_eq!(ctx.set_world_state(&world), writes_world);
        assert!(input.body != b"panic", "told to");
    }

    fn own_state(&self, ctx: &dyn Ctx, _: UserId, _: EntityId, out: &mut Vec<u8>) {
        let first = |state: Option<&[u8]>| state.and_then(|state| state.first().copied()).unwrap_or(0);
        out.extend([
            first(ctx.region_state()),
            first(ctx.world_state()),
            self.recalled as u8,
        ]);
    }
}

fn seen(ground: &mut Playground, user: UserId) -> [u8; 3] {
    ground.run_ms(200);
    ground.own_state(user)[..].try_into().unwrap()
}

#[test]
fn what_is_kept_of_a_region_outlasts_a_crash_and_what_is_kept_of_the_world_is_seen_by_all() {
    let mut ground = Playground::two(Counting);
    let ann = ground.join_at("ann", Position { x: 20.0, y: 20.0 });
    let ben = ground.join_at("ben", Position { x: 200.0, y: 20.0 });
    assert_eq!(seen(&mut ground, ann), [0, 0, 1]);
    for _ in 0..3 {
        ground.input(ann, b"more");
        ground.run_ms(100);
    }
    ground.input(ben, b"more");
    assert_eq!(seen(&mut ground, ann), [3, 3, 1]);
    ground.run_ms(1_000);
    let sees_it = |ground: &Playground| ground.own_state(ben)[..] == [1, 3, 2];
    assert!(ground.run_until(6_000, sees_it), "{:?}", ground.own_state(ben));
    ground.crash(Playground::LEFT);
    ground.run_ms(2_000);
    assert_eq!(seen(&mut ground, ann), [3, 3, 1]);
}

#[test]
fn rules_that_panic_take_back_what_was_not_on_its_way_to_the_store() {
    let mut ground = Playground::one(Counting);
    let ann = ground.join("ann");
    ground.input(ann, b"more");
    ground.run_ms(1_500);
    ground.input(ann, b"panic");
    assert_eq!(
        seen(&mut ground, ann),
        [1, 1, 1],
        "recalled by rules that were made anew"
    );
}
