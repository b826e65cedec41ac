//! What rules keep of their region and of the world: saved, read by the next service, and never taken back by a dead one.

use game::Ctx as _;
use store::simulated::Fault;
use store::{StateOf, StoreReply, StoreRequest};

use super::super::*;
use super::making::rules;
use super::scene::*;

fn is_save(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::SaveGameState { .. })
}

fn kept(scene: &mut Scene, of: StateOf) -> Option<Vec<u8>> {
    match scene.store.apply(&StoreRequest::ReadGameState { of, after: 0 }) {
        Ok(StoreReply::GameState(found)) => found.map(|found| found.state.to_vec()),
        other => panic!("{other:?}"),
    }
}

fn known(scene: &mut Scene, region: RegionNumber) -> Option<Vec<u8>> {
    rules(scene, region).region_state().map(<[u8]>::to_vec)
}

fn begin_again(scene: &mut Scene, region: RegionNumber) {
    scene.stop(region);
    scene.start(region);
    scene.link_all();
    scene.settle();
}

#[test]
fn what_is_kept_is_saved_whole_and_the_next_service_has_it() {
    let mut scene = Scene::four();
    assert_eq!(known(&mut scene, A), Some(Vec::new()), "nothing yet");
    assert!(rules(&mut scene, A).set_region_state(b"one"));
    assert!(!rules(&mut scene, A).set_region_state(&[0; 64 * 1024 + 1]));
    assert_eq!(scene.regions[&A].status().ground_unwritten, 1);
    scene.run(100);
    assert_eq!(kept(&mut scene, StateOf::Region(A)), Some(b"one".to_vec()));
    assert_eq!(scene.regions[&A].status().ground_unwritten, 0);
    // At most once a second, and then the newest.
    for state in [b"two", b"six"] {
        assert!(rules(&mut scene, A).set_region_state(state));
        scene.run(100);
    }
    assert_eq!(kept(&mut scene, StateOf::Region(A)), Some(b"one".to_vec()));
    scene.run(1_000);
    assert_eq!(kept(&mut scene, StateOf::Region(A)), Some(b"six".to_vec()));
    begin_again(&mut scene, A);
    assert_eq!(known(&mut scene, A), Some(b"six".to_vec()));
    assert_eq!(known(&mut scene, B), Some(Vec::new()), "each has its own");
}

#[test]
fn a_crash_takes_back_what_was_not_saved_and_no_answer_of_the_store_anything_else() {
    for fault in [
        Fault::Slow(120),
        Fault::UnknownApplied,
        Fault::UnknownLost,
        Fault::UnknownLate(100),
        Fault::Unavailable,
    ] {
        let mut scene = Scene::four();
        scene.fault = Some((is_save, fault));
        rules(&mut scene, A).set_region_state(b"one");
        scene.run(100);
        rules(&mut scene, A).set_region_state(b"two");
        scene.run(3_000);
        assert_eq!(
            kept(&mut scene, StateOf::Region(A)),
            Some(b"two".to_vec()),
            "{fault:?}"
        );
        rules(&mut scene, A).set_region_state(b"lost");
        begin_again(&mut scene, A);
        assert_eq!(known(&mut scene, A), Some(b"two".to_vec()), "{fault:?}");
    }
}

#[test]
fn nothing_is_known_or_changed_before_the_store_has_said_what_was_kept() {
    let mut scene = Scene::four();
    rules(&mut scene, A).set_region_state(b"one");
    scene.run(100);
    scene.stop(A);
    scene.fault = Some((
        |request| matches!(request, StoreRequest::ReadGameState { .. }),
        Fault::Slow(300),
    ));
    scene.start(A);
    scene.settle();
    assert_eq!(known(&mut scene, A), None);
    assert!(!rules(&mut scene, A).set_region_state(b"blank"));
    scene.fault = None;
    scene.run(1_000);
    assert_eq!(known(&mut scene, A), Some(b"one".to_vec()));
}

#[test]
fn the_world_s_is_written_through_its_first_region_alone() {
    let mut scene = Scene::four();
    assert!(rules(&mut scene, A).set_world_state(b"noon"));
    assert!(!rules(&mut scene, B).set_world_state(b"night"));
    scene.run(100);
    assert_eq!(kept(&mut scene, StateOf::World), Some(b"noon".to_vec()));
    begin_again(&mut scene, B);
    let seen = rules(&mut scene, B).world_state().map(<[u8]>::to_vec);
    assert_eq!(seen, Some(b"noon".to_vec()));
}

#[test]
fn a_drain_waits_for_what_was_kept_when_it_began_and_not_for_rules_that_never_rest() {
    let mut scene = Scene::four();
    rules(&mut scene, A).set_region_state(b"first");
    scene.run(100);
    rules(&mut scene, A).set_region_state(b"owed");
    scene.input(A, RegionInput::Drain);
    assert_eq!(scene.regions[&A].status().ground_unwritten, 1);
    scene.fault = Some((is_save, Fault::Slow(100)));
    scene.tick();
    for count in 0..20_u8 {
        rules(&mut scene, A).set_region_state(&[count]);
        scene.tick();
        if scene.regions[&A].status().ground_unwritten == 0 {
            assert_eq!(kept(&mut scene, StateOf::Region(A)), Some(b"owed".to_vec()));
            return;
        }
    }
    panic!("the drain never ends");
}
