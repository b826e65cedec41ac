//! Which regions of a world tick, and which sleep.

use game::Ctx;
use protocol::geometry::Position;
use protocol::ids::UserId;

use super::*;

/// A game in which something appears every second, and that is all.
struct Clockwork {
    runs_always: bool,
}

impl GameLogic for Clockwork {
    fn spawn_point(&self, _: &game::World, _: UserId) -> Position {
        Position::default()
    }
    fn kind_of_player(&self) -> u16 {
        1
    }
    fn served(&mut self, ctx: &mut dyn Ctx) {
        ctx.after(u64::from(ctx.tick_hz()), 0);
    }
    fn runs_always(&self) -> bool {
        self.runs_always
    }
    fn timer(&mut self, ctx: &mut dyn Ctx, token: u64) {
        let corner = ctx.rect().min;
        let at = Position {
            x: corner[0] as f32 + 1.0,
            y: corner[1] as f32 + 1.0,
        };
        ctx.spawn(9, at, &[]);
        ctx.after(u64::from(ctx.tick_hz()), token);
    }
}

fn spawned(scene: &Scene) -> Vec<u64> {
    let slots = scene.world.slots.iter();
    slots.map(|(_, slot)| slot.region.status().spawned).collect()
}

#[test]
fn a_region_that_nobody_watches_sleeps_and_one_that_is_watched_wakes() {
    let mut scene = Scene::new();
    scene.pass(1_000);
    assert_eq!(scene.pass(50_000), 0, "nobody plays, nobody looks");
    assert_eq!(
        scene.pass(20_000),
        4,
        "once a minute each looks whether a creature has come"
    );
    let mut proxy = scene.proxy_up(7, 1);
    scene.hears(7, &mut proxy);
    let subscribe = scene.subscribe(2, vec![2]);
    scene.says(7, &mut proxy, subscribe);
    let ticks = scene.pass(1_000);
    assert!((19..=21).contains(&ticks), "one region ticks: {ticks}");
    let heard = scene.hears(7, &mut proxy);
    assert!(cells_of(&heard) > 0 && ticks_of(&heard, 2) > 0);
    let unsubscribe = Unsubscribe {
        region: 2,
        region_epoch: scene.epochs[&RegionNumber(2)].0,
        cells: vec![2],
    };
    scene.says(7, &mut proxy, unsubscribe);
    scene.pass(1_000);
    assert_eq!(scene.pass(10_000), 0);
}

#[test]
fn a_game_that_runs_always_keeps_its_regions_awake_though_nobody_plays_or_looks() {
    let mut scene = Scene::playing(row(&["a", "a"]), || Box::new(Clockwork { runs_always: true }));
    scene.pass(1_000);
    let before = spawned(&scene);
    assert_eq!(scene.pass(60_000), 2 * 60 * 20, "all ticks of both regions");
    assert_eq!(
        spawned(&scene),
        before.iter().map(|spawned| spawned + 60).collect::<Vec<_>>()
    );
    assert!(scene.world.slots.iter().all(|(_, slot)| slot.is_awake()));
}

#[test]
fn what_a_sleeping_game_wanted_later_wakes_its_region_for_a_moment_and_at_its_time() {
    let mut scene = Scene::playing(row(&["a", "a"]), || Box::new(Clockwork { runs_always: false }));
    scene.pass(1_000);
    let before = spawned(&scene);
    let ticks = scene.pass(60_000);
    assert!(ticks <= 2 * 60 * 3, "few ticks around each timer: {ticks}");
    for (now, before) in spawned(&scene).iter().zip(before) {
        // A timer is at most a tick late, and the next one counts from there.
        assert!((55..=60).contains(&(now - before)), "{before} → {now}");
    }
}
