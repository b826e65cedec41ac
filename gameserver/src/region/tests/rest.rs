//! When a region sleeps, and what keeps it awake.

use game::Ctx as _;
use protocol::geometry::Position;
use protocol::ids::NodeNumber;
use store::StoreRequest;
use store::simulated::Fault;

use super::super::*;
use super::bot::Bot;
use super::scene::*;
use super::view::subscribe;

fn is_asleep(scene: &mut Scene) -> bool {
    let region = scene.regions.get_mut(&A).unwrap();
    matches!(region.rest(), Rest::Asleep { .. })
}

#[test]
fn a_player_keeps_its_region_awake_until_it_is_written_down_and_gone() {
    let mut scene = Scene::four();
    scene.run(1_000);
    assert!(is_asleep(&mut scene));
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    bot.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 500);
    bot.walk(&mut scene, 0, 0);
    // Nobody looks any more, and nothing moves; what the player has done is not written yet.
    scene.input(A, RegionInput::ProxyDown(PROXY));
    scene.tick();
    let status = scene.regions[&A].status();
    assert_eq!((status.unsaved, status.store_waiting), (1, 0));
    assert!(!is_asleep(&mut scene));
    scene.run(29_000);
    assert!(!is_asleep(&mut scene), "it has to leave, too");
    scene.run(2_000);
    assert_eq!(scene.row(bot.user).owner, None);
    assert!(is_asleep(&mut scene));
}

#[test]
fn a_lane_that_watches_keeps_a_region_awake() {
    let mut scene = Scene::four();
    scene.run(1_000);
    subscribe(&mut scene);
    scene.run(1_000);
    assert!(!is_asleep(&mut scene));
    scene.input(A, RegionInput::ProxyDown(PROXY));
    scene.run(1_000);
    assert!(is_asleep(&mut scene));
}

#[test]
fn a_peer_keeps_a_region_awake_while_it_has_not_got_all_and_no_longer() {
    let mut scene = Scene::four();
    let peer = Subscriber::Server(NodeNumber(2));
    scene.room.0.insert(peer, 0);
    scene.run(1_000);
    assert!(scene.regions[&A].status().cells_waiting > 0);
    assert!(!is_asleep(&mut scene));
    scene.room.0.remove(&peer);
    scene.run(1_000);
    assert!(scene.regions[&A].state.publication.subscriptions() > 0);
    assert!(is_asleep(&mut scene));
}

#[test]
fn what_is_asked_of_the_store_keeps_a_region_awake_until_it_is_answered() {
    let mut scene = Scene::four();
    let is_ground: fn(&StoreRequest) -> bool =
        |request| matches!(request, StoreRequest::HoldingsOnGround { .. });
    scene.fault = Some((is_ground, Fault::Slow(10_000)));
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.run(5_000);
    assert!(scene.fault.is_none() && !is_asleep(&mut scene));
    scene.run(6_000);
    assert!(is_asleep(&mut scene));
}

#[test]
fn a_region_that_remembers_a_crossing_stays_awake_until_it_forgets_it() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    bot.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 2_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    assert!(!is_asleep(&mut scene));
    bot.live(&mut scene, 31_000);
    assert!(scene.regions[&A].state.forwardings.is_empty() && is_asleep(&mut scene));
}

#[test]
fn what_nobody_was_told_of_yet_wakes_a_region() {
    let mut scene = Scene::four();
    scene.run(1_000);
    assert!(is_asleep(&mut scene));
    let at = Position { x: 20.0, y: 20.0 };
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    state.spawn(9, at, &[]).unwrap();
    assert!(!is_asleep(&mut scene));
    scene.tick();
    assert!(is_asleep(&mut scene));
}

#[test]
fn what_rules_count_between_ticks_is_told_before_a_region_sleeps_on() {
    let mut scene = Scene::four();
    scene.run(1_000);
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    state.count_up("asked", 2);
    state.gauge("open", 3.0);
    assert!(!is_asleep(&mut scene));
    scene.tick();
    for told in [Observation::Count("asked", 2), Observation::Gauge("open", 3.0)] {
        assert!(scene.observed.contains(&told), "{:?}", scene.observed);
    }
    assert!(is_asleep(&mut scene));
}

#[test]
fn a_draining_region_does_not_sleep() {
    let mut scene = Scene::four();
    scene.run(1_000);
    scene.input(A, RegionInput::Drain);
    scene.run(1_000);
    assert!(!is_asleep(&mut scene));
}

#[test]
fn what_the_game_wanted_later_is_due_by_the_clock_and_happens_then() {
    let mut scene = Scene::four();
    scene.run(1_000);
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    state.after(100, u64::MAX);
    let due_ms = scene.now.mono_ms + 100 * TICK_MS;
    let region = scene.regions.get_mut(&A).unwrap();
    let until_ms = Some(due_ms);
    assert_eq!(region.rest(), Rest::Asleep { until_ms });
    // One tick after so long is the hundredth.
    scene.now.mono_ms = due_ms;
    let now = scene.now;
    let region = scene.regions.get_mut(&A).unwrap();
    region.tick(now, &mut NoClock, &mut NoLimit);
    assert!(region.state.timers.is_empty());
    let until_ms = Some(region.state.creature_rows.look_asleep_ms());
    assert_eq!(region.rest(), Rest::Asleep { until_ms }, "nothing but a look");
}

#[test]
fn what_a_region_has_slept_counts_also_when_something_else_wakes_it() {
    let mut scene = Scene::four();
    scene.run(1_000);
    scene.regions.get_mut(&A).unwrap().state.after(100, u64::MAX);
    assert!(is_asleep(&mut scene));
    // Somebody comes after four of the five seconds, and wants something in half of one.
    scene.now.mono_ms += 80 * TICK_MS;
    let now = scene.now;
    let region = scene.regions.get_mut(&A).unwrap();
    region.handle(RegionInput::ProxyDown(PROXY), now);
    region.state.after(10, u64::MAX - 1);
    region.state.spawn(9, Position { x: 20.0, y: 20.0 }, &[]).unwrap();
    assert_eq!(region.rest(), Rest::Awake);
    let left = |scene: &Scene| {
        let state = &scene.regions[&A].state;
        let ticks = state.timers.ticks();
        ticks
            .into_iter()
            .map(|due| due - state.tick.0)
            .collect::<Vec<_>>()
    };
    scene.tick();
    assert_eq!(left(&scene), [9, 19]);
    scene.run(20 * TICK_MS);
    assert!(scene.regions[&A].state.timers.is_empty());
}

#[test]
fn ghosts_of_who_is_gone_fade_though_their_region_sleeps() {
    let mut scene = Scene::four();
    let at = Position { x: 130.0, y: 20.0 };
    let state = &mut scene.regions.get_mut(&B).unwrap().state;
    state.spawn(9, at, &[]).unwrap();
    scene.run(1_000);
    scene.stop(B);
    scene.run(1_000);
    let fades = |scene: &mut Scene| match scene.regions.get_mut(&A).unwrap().rest() {
        Rest::Asleep { until_ms } => until_ms,
        Rest::Awake => panic!("nothing is under way"),
    };
    let until_ms = fades(&mut scene).unwrap();
    assert!(until_ms > scene.now.mono_ms);
    scene.now.mono_ms = until_ms;
    scene.tick();
    let look_ms = scene.regions[&A].state.creature_rows.look_asleep_ms();
    assert_eq!(fades(&mut scene), Some(look_ms), "nothing but a look");
}
