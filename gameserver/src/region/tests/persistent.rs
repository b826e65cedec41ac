//! Creatures that outlive their process: over a border by their row alone, whatever is lost and whoever dies on the way, and never
//! twice.

use game::Ctx as _;
use store::StoreRequest;
use store::simulated::Fault;

use super::super::*;
use super::herd::*;
use super::scene::*;

#[test]
fn it_crosses_and_comes_back_with_its_memory_and_its_timers() {
    let (mut scene, heard) = four();
    let cow = cow(&mut scene);
    assert!(
        state(&mut scene, A).creature_after(cow, 40, 7) && state(&mut scene, A).creature_after(cow, 6, 8)
    );
    walk(&mut scene, A, cow, 128.5);
    is_only_in(&scene, cow, A, 1);
    walk(&mut scene, A, cow, 130.0);
    is_only_in(&scene, cow, B, 2);
    assert_eq!(take(&heard), [(A, Said::Went(cow)), (B, Said::Came(cow))]);
    let there = state(&mut scene, B);
    assert_eq!(there.memory(cow), b"hay");
    let seen = there.entity(cow).unwrap();
    assert_eq!(
        (seen.kind, seen.at, seen.state),
        (COW, at(129.5, 40.0), &b"brown"[..])
    );
    assert_eq!((seen.heading, seen.speed), (7, 1.5));
    scene.run(5 * TICK_MS);
    assert_eq!(take(&heard), [(B, Said::Timer(cow, 8))]);
    state(&mut scene, B).set_memory(cow, b"straw");
    walk(&mut scene, B, cow, 126.0);
    is_only_in(&scene, cow, A, 3);
    assert_eq!(state(&mut scene, A).memory(cow), b"straw");
    take(&heard);
    scene.run(45 * TICK_MS);
    assert_eq!(take(&heard), [(A, Said::Timer(cow, 7))]);
    let status = scene.regions[&A].status();
    assert_eq!(
        (status.persistent, status.roamed_away, status.roamed_in),
        (1, 1, 1)
    );
    state(&mut scene, A).despawn(cow);
    scene.tick();
    assert_eq!((places(&scene, cow), rows(&scene)), (vec![], vec![]));
}

#[test]
fn a_region_that_is_served_anew_has_everybody_before_its_rules_hear_so() {
    let (mut scene, heard) = four();
    let cow = cow(&mut scene);
    assert!(state(&mut scene, A).creature_after(cow, 400, 7));
    walk(&mut scene, A, cow, 100.0);
    scene.run(6_000);
    restart(&mut scene, A);
    is_only_in(&scene, cow, A, 1);
    assert_eq!(take(&heard), [(A, Said::Came(cow)), (A, Said::Served)]);
    let here = state(&mut scene, A);
    assert_eq!(
        (here.memory(cow), here.entity(cow).unwrap().at),
        (&b"hay"[..], at(100.0, 40.0))
    );
    // Its timer goes on: a third of it is over.
    scene.run(260 * TICK_MS);
    assert_eq!(take(&heard), []);
    scene.run(20 * TICK_MS);
    assert_eq!(take(&heard), [(A, Said::Timer(cow, 7))]);
}

#[test]
fn rules_hear_of_nothing_before_the_store_has_told_who_lives_here() {
    let (mut scene, heard) = four();
    let cow = cow(&mut scene);
    scene.stop(A);
    scene.fault = Some((
        |request| matches!(request, StoreRequest::ReadCreatures { .. }),
        Fault::Unavailable,
    ));
    scene.start(A);
    scene.link_all();
    scene.settle();
    scene.run(100);
    assert_eq!(take(&heard), []);
    scene.run(400);
    assert_eq!(take(&heard), [(A, Said::Came(cow)), (A, Said::Served)]);
}

#[test]
fn a_crossing_of_which_the_store_says_nothing_is_asked_again_and_happens_once() {
    for fault in [
        Fault::UnknownLost,
        Fault::UnknownApplied,
        Fault::UnknownLate(700),
        Fault::Unavailable,
        Fault::Slow(300),
    ] {
        let (mut scene, heard) = four();
        let cow = cow(&mut scene);
        assert!(state(&mut scene, A).creature_after(cow, 4, 7));
        scene.fault = Some((is_pass, fault));
        walk(&mut scene, A, cow, 130.0);
        // It stands still meanwhile, whatever its rules want of it.
        if let Some(seen) = state(&mut scene, A).entity(cow).map(|cow| cow.at) {
            let here = state(&mut scene, A);
            here.walk(cow, at(100.0, 40.0), 0, 1.0);
            here.set_memory(cow, b"no");
            here.despawn(cow);
            assert!(!here.creature_after(cow, 9, 9));
            assert_eq!(here.entity(cow).map(|cow| cow.at), Some(seen), "{fault:?}");
        }
        scene.run(1_500);
        is_only_in(&scene, cow, B, 2);
        assert_eq!(state(&mut scene, B).memory(cow), b"hay");
        let heard = take(&heard);
        assert_eq!(
            heard[..2],
            [(A, Said::Went(cow)), (B, Said::Came(cow))],
            "{fault:?}"
        );
        assert_eq!(heard[2..], [(B, Said::Timer(cow, 7))], "{fault:?}");
    }
}

#[test]
fn who_has_come_is_found_though_nobody_says_so() {
    let (mut scene, _) = four();
    let cow = cow(&mut scene);
    scene.lose.insert(ARRIVALS, 1);
    walk(&mut scene, A, cow, 130.0);
    assert_eq!((places(&scene, cow), rows(&scene)), (vec![], vec![(cow, B, 2)]));
    scene.run(11_000);
    is_only_in(&scene, cow, B, 2);
    // What is said twice, or made up, changes nothing.
    scene.double.insert(ARRIVALS);
    walk(&mut scene, B, cow, 126.0);
    is_only_in(&scene, cow, A, 3);
}

#[test]
fn whoever_dies_on_the_way_it_is_where_its_row_is() {
    // The source, when the store has it over there and nobody was told.
    let (mut scene, _) = four();
    let it = cow(&mut scene);
    scene.lose.insert(ARRIVALS, 1);
    walk(&mut scene, A, it, 130.0);
    restart(&mut scene, A);
    is_only_in(&scene, it, B, 2);
    // The source, when it has asked and the store was not reached.
    let (mut scene, _) = four();
    let it = cow(&mut scene);
    scene.fault = Some((is_pass, Fault::UnknownLost));
    walk(&mut scene, A, it, 130.0);
    restart(&mut scene, A);
    is_only_in(&scene, it, A, 1);
    // The source, when what it has asked takes effect after the next one has read: that is refused.
    let (mut scene, _) = four();
    let it = cow(&mut scene);
    scene.fault = Some((is_pass, Fault::UnknownLate(100)));
    walk(&mut scene, A, it, 130.0);
    restart(&mut scene, A);
    scene.run(11_000);
    is_only_in(&scene, it, A, 1);
    // The target, when the store has it there.
    let (mut scene, _) = four();
    let it = cow(&mut scene);
    scene.lose.insert(ARRIVALS, 1);
    walk(&mut scene, A, it, 130.0);
    restart(&mut scene, B);
    is_only_in(&scene, it, B, 2);
}

#[test]
fn a_target_that_is_served_anew_meanwhile_gets_it_at_the_second_try() {
    let (mut scene, heard) = four();
    let cow = cow(&mut scene);
    assert!(state(&mut scene, A).creature_after(cow, 200, 7));
    let east = scene.regions[&B].epoch();
    let serve = StoreRequest::ServeRegion {
        region: B,
        node: NodeNumber(2),
        after: Some(east),
    };
    scene.store.apply(&serve).unwrap();
    walk(&mut scene, A, cow, 130.0);
    assert_eq!(rows(&scene), [(cow, A, 1)]);
    let x = state(&mut scene, A).entity(cow).unwrap().at.x;
    assert!(x < 129.0, "it is held at {x}");
    assert_eq!(take(&heard), []);
    restart(&mut scene, B);
    take(&heard);
    walk(&mut scene, A, cow, 130.0);
    is_only_in(&scene, cow, B, 2);
    take(&heard);
    scene.run(200 * TICK_MS);
    assert_eq!(
        take(&heard),
        [(B, Said::Timer(cow, 7))],
        "its timers were not lost"
    );
}

#[test]
fn a_creature_waits_inside_the_border_while_nobody_serves_the_other_side() {
    let (mut scene, _) = four();
    let cow = cow(&mut scene);
    scene.stop(B);
    walk(&mut scene, A, cow, 130.0);
    is_only_in(&scene, cow, A, 1);
    scene.start(B);
    scene.link_all();
    scene.settle();
    walk(&mut scene, A, cow, 130.0);
    is_only_in(&scene, cow, B, 2);
}
