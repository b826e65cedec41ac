//! What the store has of creatures that outlive their process, and when: births, walks, ends, and who is here again.

use game::{Ctx as _, EntityId};
use prost::Message as _;
use protocol::ids::{OwnerEpoch, StateVersion};
use protocol::message::effect::{Arrivals, CreatureState};
use protocol::message::family::ServerToServer;
use store::simulated::Fault;
use store::{CreatureRow, StoreRequest};

use super::super::*;
use super::herd::*;
use super::scene::*;

#[test]
fn who_is_no_more_does_not_come_back_by_what_was_late() {
    // Its birth takes effect after its end.
    let (mut scene, _) = four();
    let it = state(&mut scene, A)
        .spawn_persistent(COW, at(60.0, 40.0), &[])
        .unwrap();
    scene.fault = Some((is_birth, Fault::UnknownLate(1_000)));
    scene.tick();
    state(&mut scene, A).despawn(it);
    scene.run(3_000);
    assert_eq!((places(&scene, it), rows(&scene)), (vec![], vec![]));
    // The store was asked who has come before it ended.
    let (mut scene, _) = four();
    let it = cow(&mut scene);
    scene.lose.insert(ARRIVALS, 1);
    walk(&mut scene, A, it, 130.0);
    scene.run(11_000);
    walk(&mut scene, B, it, 126.0);
    is_only_in(&scene, it, A, 3);
    let old = rows_of(&mut scene, A);
    state(&mut scene, A).creature_rows.look_soon();
    state(&mut scene, A).look_at_arrivals();
    state(&mut scene, A).despawn(it);
    scene.regions.get_mut(&A).unwrap().state.write_creatures();
    let round = 0;
    let answer = Ok(StoreReply::Creatures(old));
    let here = state(&mut scene, A);
    here.arrivals_answer(round, answer);
    assert_eq!(places(&scene, it), []);
    scene.run(500);
    assert_eq!((places(&scene, it), rows(&scene)), (vec![], vec![]));
}

fn rows_of(scene: &mut Scene, region: RegionNumber) -> Vec<CreatureRow> {
    let read = StoreRequest::ReadCreatures {
        region,
        wanted: store::CreaturesWanted::All,
        after: None,
    };
    match scene.store.apply(&read) {
        Ok(StoreReply::Creatures(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_that_was_never_born_leaves_no_trace_and_one_that_ends_soon_no_row() {
    let (mut scene, _) = four();
    let here = state(&mut scene, A);
    let (never, soon) = (
        here.spawn_persistent(COW, at(60.0, 40.0), &[]).unwrap(),
        here.spawn_persistent(COW, at(61.0, 40.0), &[]).unwrap(),
    );
    here.despawn(never);
    scene.fault = Some((is_birth, Fault::Slow(200)));
    scene.tick();
    state(&mut scene, A).despawn(soon);
    scene.run(500);
    assert_eq!(rows(&scene), []);
}

#[test]
fn rules_that_panic_get_everybody_back_from_the_rows() {
    let (mut scene, heard) = four();
    let cow = cow(&mut scene);
    let young = state(&mut scene, A)
        .spawn_persistent(COW, at(60.0, 40.0), &[])
        .unwrap();
    state(&mut scene, A).set_memory(cow, b"not saved");
    state(&mut scene, A).after(1, 13);
    scene.run(300);
    assert_eq!(scene.counted.get("panicked"), Some(&1));
    assert_eq!(take(&heard), [(A, Said::Came(cow)), (A, Said::Served)]);
    is_only_in(&scene, cow, A, 1);
    assert_eq!(state(&mut scene, A).memory(cow), b"hay");
    assert_eq!(places(&scene, young), [], "the store had not heard of it");
    // On its way when they panicked: it is over there.
    scene.fault = Some((is_pass, Fault::Slow(100)));
    walk(&mut scene, A, cow, 130.0);
    state(&mut scene, A).after(1, 13);
    scene.run(1_000);
    is_only_in(&scene, cow, B, 2);
}

#[test]
fn a_drain_saves_where_everybody_stands_and_lets_nobody_go() {
    let (mut scene, _) = four();
    let cow = cow(&mut scene);
    walk(&mut scene, A, cow, 100.0);
    scene.input(A, RegionInput::Drain);
    assert_eq!(scene.regions[&A].status().creatures_unwritten, 1);
    scene.tick();
    assert_eq!(scene.regions[&A].status().creatures_unwritten, 0);
    walk(&mut scene, A, cow, 130.0);
    is_only_in(&scene, cow, A, 1);
    restart(&mut scene, A);
    assert_eq!(state(&mut scene, A).entity(cow).unwrap().at, at(100.0, 40.0));
}

#[test]
fn a_region_sleeps_when_the_store_has_everybody_and_wakes_for_who_comes() {
    let (mut scene, heard) = four();
    let cow = cow(&mut scene);
    walk(&mut scene, A, cow, 100.0);
    scene.run(400);
    let rest = |scene: &mut Scene, region| scene.regions.get_mut(&region).unwrap().rest();
    assert_eq!(rest(&mut scene, A), Rest::Awake, "a step of a walk is not saved");
    scene.run(6_000);
    assert!(matches!(rest(&mut scene, A), Rest::Asleep { .. }));
    let Rest::Asleep {
        until_ms: Some(until_ms),
    } = rest(&mut scene, B)
    else {
        panic!("nobody is there");
    };
    assert!(until_ms > scene.now.mono_ms + 40_000, "it looks once a minute");
    walk(&mut scene, A, cow, 130.0);
    is_only_in(&scene, cow, B, 2);
    assert_eq!(rest(&mut scene, B), Rest::Awake);
    assert!(take(&heard).contains(&(B, Said::Came(cow))));
}

#[test]
fn what_stands_still_is_written_once_and_what_walks_every_five_seconds() {
    let (mut scene, _) = four();
    let cow = cow(&mut scene);
    let version = |scene: &mut Scene| state(scene, A).creature_rows.again().0;
    let before = version(&mut scene);
    scene.run(20_000);
    assert_eq!(
        version(&mut scene),
        before,
        "the memory was set in the tick of its birth"
    );
    for step in 0..400 {
        walk(&mut scene, A, cow, 60.0 + step as f32 / 16.0);
    }
    let written = version(&mut scene).0 - before.0;
    assert!((3..=5).contains(&written), "{written} times in 20 s");
}

#[test]
fn as_many_are_here_as_may_be_and_others_wait_in_the_store() {
    let (mut scene, _) = four();
    for index in 0..1024 {
        let at = at(1.0 + (index % 120) as f32, 1.0 + (index / 120) as f32 * 14.0);
        assert!(state(&mut scene, A).spawn_persistent(COW, at, &[]).is_some());
    }
    let more = state(&mut scene, A).spawn_persistent(COW, at(64.0, 64.0), &[]);
    assert_eq!(more, None, "too many wait to be born");
    scene.run(16 * TICK_MS);
    assert_eq!(
        (rows(&scene).len(), scene.regions[&A].status().creatures_unwritten),
        (1024, 0)
    );
    restart(&mut scene, A);
    assert_eq!(scene.regions[&A].status().persistent, 1024, "in several portions");
    // A full cell: it waits, and comes when there is room.
    let (mut scene, _) = four();
    let it = cow(&mut scene);
    let crowd: Vec<EntityId> = (0..protocol::limits::CELL_ENTITIES_MAX - 512)
        .map(|_| state(&mut scene, B).spawn(4, at(140.0, 40.0), &[]).unwrap())
        .collect();
    walk(&mut scene, A, it, 130.0);
    assert_eq!((places(&scene, it), rows(&scene)), (vec![], vec![(it, B, 2)]));
    assert_eq!(scene.counted.get("creature_no_room"), Some(&1));
    for other in crowd {
        state(&mut scene, B).despawn(other);
    }
    scene.run(11_000);
    is_only_in(&scene, it, B, 2);
}

#[test]
fn what_newer_rules_have_written_is_left_to_them() {
    let (mut scene, heard) = four();
    scene.version = 2;
    restart(&mut scene, A);
    let cow = cow(&mut scene);
    scene.version = 1;
    take(&heard);
    restart(&mut scene, A);
    assert_eq!((places(&scene, cow), rows(&scene)), (vec![], vec![(cow, A, 1)]));
    assert_eq!(scene.counted.get("unreadable"), Some(&1));
    assert_eq!(take(&heard), [(A, Said::Served)]);
    scene.version = 2;
    restart(&mut scene, A);
    is_only_in(&scene, cow, A, 1);
}

#[test]
fn who_was_overtaken_writes_nothing_more() {
    let (mut scene, _) = four();
    let cow = cow(&mut scene);
    let west = scene.regions[&A].epoch();
    let serve = StoreRequest::ServeRegion {
        region: A,
        node: NodeNumber(1),
        after: Some(west),
    };
    scene.store.apply(&serve).unwrap();
    walk(&mut scene, A, cow, 130.0);
    assert_eq!(
        (rows(&scene), scene.counted.get("superseded")),
        (vec![(cow, A, 1)], Some(&1))
    );
    let row = rows_of(&mut scene, A);
    assert_eq!(row[0].epoch, OwnerEpoch(1));
    assert_eq!(state(&mut scene, A).creature_rows.again().0, StateVersion(2));
}

/// More than ten requests take.
const MANY: u16 = 700;

/// So many in A that are born by now.
fn many(scene: &mut Scene) -> Vec<EntityId> {
    let here = state(scene, A);
    let mut all = Vec::new();
    for index in 0..MANY {
        let at = at(1.0 + f32::from(index % 120), 1.0 + f32::from(index / 120) * 14.0);
        all.extend(here.spawn_persistent(COW, at, &[]));
    }
    scene.tick();
    assert_eq!(
        (all.len(), rows(scene).len()),
        (usize::from(MANY), usize::from(MANY))
    );
    all
}

/// Everybody takes a step, and there is one tick, a second after the one before.
fn all_walk(scene: &mut Scene, all: &[EntityId]) {
    scene.now.mono_ms += 1_000 - TICK_MS;
    scene.now.wall_ms += 1_000 - TICK_MS;
    let here = state(scene, A);
    for id in all {
        let from = here.entity(*id).unwrap().at;
        here.walk(*id, at(from.x + 1.0 / 16.0, from.y), 7, 1.5);
    }
    scene.tick();
}

/// How long ago that one was saved that was not for longest, milliseconds.
fn oldest_ms(scene: &Scene) -> u64 {
    let tables = scene.store.tables();
    let saved_ms = |row: &CreatureRow| CreatureState::decode(row.body.clone()).unwrap().saved_ms;
    scene.now.wall_ms - tables.creatures().map(saved_ms).min().unwrap()
}

#[test]
fn each_of_many_that_walk_is_saved_in_its_time() {
    let (mut scene, _) = four();
    let all = many(&mut scene);
    let before = state(&mut scene, A).creature_rows.again().0;
    for second in 1..=30 {
        all_walk(&mut scene, &all);
        let oldest_ms = oldest_ms(&scene);
        assert!(oldest_ms <= 6_000, "{oldest_ms} ms in second {second}");
    }
    let written = state(&mut scene, A).creature_rows.again().0.0 - before.0;
    let once = u64::from(MANY).div_ceil(64);
    assert!(written <= 6 * (once + 1), "{written} requests: nobody more often");
}

#[test]
fn a_drain_of_many_ends_though_everybody_walks_on() {
    let (mut scene, _) = four();
    let all = many(&mut scene);
    for _ in 0..4 {
        all_walk(&mut scene, &all);
    }
    scene.input(A, RegionInput::Drain);
    assert_eq!(scene.regions[&A].status().creatures_unwritten, usize::from(MANY));
    // Everybody is also due again by now.
    all_walk(&mut scene, &all);
    let status = scene.regions[&A].status();
    assert_eq!((status.creatures_unwritten, status.store_waiting), (0, 0));
    assert_eq!(oldest_ms(&scene), 0);
    let version = state(&mut scene, A).creature_rows.again().0;
    for _ in 0..10 {
        all_walk(&mut scene, &all);
    }
    assert_eq!(state(&mut scene, A).creature_rows.again().0, version);
    scene.input(A, RegionInput::GoOn);
    all_walk(&mut scene, &all);
    assert_eq!(oldest_ms(&scene), 0);
}

#[test]
fn who_is_owed_is_written_before_who_only_walks() {
    let (mut scene, _) = four();
    let all = many(&mut scene);
    let youngest = *all.last().unwrap();
    // All are due in the tick in which one ends and one is born, and the store does not answer for long.
    scene.now.mono_ms += 5_000;
    scene.now.wall_ms += 5_000;
    scene.fault = Some((
        |request| matches!(request, StoreRequest::WriteCreatures { .. }),
        Fault::Slow(60_000),
    ));
    let born = state(&mut scene, A)
        .spawn_persistent(COW, at(60.0, 120.0), &[])
        .unwrap();
    state(&mut scene, A).despawn(youngest);
    all_walk(&mut scene, &all[..all.len() - 1]);
    let changes = state(&mut scene, A).creature_rows.again().1;
    assert_eq!(changes.len(), 64);
    assert_eq!(
        changes[..2]
            .iter()
            .map(|change| change.creature())
            .collect::<Vec<_>>(),
        [youngest, born]
    );
}

fn nudge(scene: &mut Scene, from: RegionNumber, node: u16) {
    let arrivals = Arrivals {
        from_region: from.0,
        to_region: B.0,
        to_region_epoch: scene.regions[&B].epoch().0,
    };
    let said = ServerToServer::Arrivals(arrivals);
    scene.input(B, RegionInput::FromPeer(NodeNumber(node), said));
}

#[test]
fn only_who_serves_a_neighbour_makes_a_region_look_and_not_in_a_drain() {
    let (mut scene, _) = four();
    scene.run(1_000);
    let looks = |scene: &Scene| scene.regions[&B].status().store_waiting;
    nudge(&mut scene, A, 3);
    nudge(&mut scene, B, 2);
    assert_eq!(looks(&scene), 0);
    scene.settle();
    assert_eq!(
        scene.counted.get("roam_not_serving"),
        Some(&1),
        "it serves itself"
    );
    nudge(&mut scene, A, 1);
    assert_eq!(looks(&scene), 1);
    scene.settle();
    // What is said at once again waits a little.
    nudge(&mut scene, A, 1);
    assert_eq!(looks(&scene), 0);
    scene.run(1_000);
    scene.input(B, RegionInput::Drain);
    for _ in 0..300 {
        nudge(&mut scene, A, 1);
        assert_eq!(looks(&scene), 0);
        scene.tick();
    }
}

#[test]
fn what_nobody_here_can_read_is_told_once() {
    let (mut scene, _) = four();
    scene.version = 2;
    restart(&mut scene, A);
    restart(&mut scene, B);
    let it = cow(&mut scene);
    walk(&mut scene, A, it, 130.0);
    scene.run(1_000);
    is_only_in(&scene, it, B, 2);
    scene.version = 1;
    restart(&mut scene, B);
    scene.run(35_000);
    assert_eq!((places(&scene, it), rows(&scene)), (vec![], vec![(it, B, 2)]));
    assert_eq!(scene.counted.get("unreadable"), Some(&1), "not at each look");
}

#[test]
fn where_everybody_is_read_again_rules_hear_that_a_creature_went_before_it_is_here_again() {
    let (mut scene, heard) = four();
    let it = cow(&mut scene);
    take(&heard);
    state(&mut scene, A).creatures_written(Err(StoreError::Invalid("of a test")));
    scene.run(500);
    assert_eq!(take(&heard), [(A, Said::Went(it)), (A, Said::Came(it))]);
    is_only_in(&scene, it, A, 1);
}
