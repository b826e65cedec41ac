//! What a game keeps of regions and of the world.

use bytes::Bytes;
use protocol::ids::*;
use store::limits::GAME_STATE_BYTES_MAX;
use store::*;

use crate::scene::*;

fn keep(scene: &Scene, serving: Serving, of: StateOf, version: u64, state: &'static [u8]) -> SaveOutcome {
    let request = StoreRequest::SaveGameState {
        serving,
        of,
        version: StateVersion(version),
        state: Bytes::from_static(state),
    };
    match scene.ask(request) {
        StoreReply::GameStateSaved(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn kept(scene: &Scene, of: StateOf, after: u64) -> Option<(u64, Bytes)> {
    match scene.ask(StoreRequest::ReadGameState { of, after }) {
        StoreReply::GameState(found) => found.map(|found| (found.serial, found.state)),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn what_a_game_keeps_goes_forward_and_only_by_who_serves(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    let own = StateOf::Region(WEST);
    let is = |of, serial: u64, state: &'static [u8]| {
        assert_eq!(kept(scene, of, 0), Some((serial, Bytes::from_static(state))));
        assert_eq!(kept(scene, of, serial), None, "it is no newer than itself");
    };
    assert_eq!(kept(scene, own, 0), None);
    for _ in 0..2 {
        assert_eq!(keep(scene, west, own, 2, b"one"), SaveOutcome::Applied);
        is(own, 1, b"one");
    }
    assert_eq!(keep(scene, west, own, 1, b"late"), SaveOutcome::Older);
    assert_eq!(keep(scene, west, own, 3, b"two"), SaveOutcome::Applied);
    is(own, 2, b"two");
    assert_eq!(keep(scene, west, StateOf::World, 1, b""), SaveOutcome::Applied);
    is(StateOf::World, 1, b"");
    assert_eq!(
        keep(scene, east, StateOf::Region(EAST), 1, b"east"),
        SaveOutcome::Applied
    );
    is(StateOf::Region(EAST), 1, b"east");
    // The next service begins its versions anew, and the one before writes nothing any more.
    let next = scene.serve(B, WEST);
    assert_eq!(keep(scene, west, own, 9, b"dead"), SaveOutcome::Fenced);
    assert_eq!(keep(scene, west, StateOf::World, 9, b"dead"), SaveOutcome::Fenced);
    is(own, 2, b"two");
    assert_eq!(keep(scene, next, own, 1, b"three"), SaveOutcome::Applied);
    assert_eq!(keep(scene, next, StateOf::World, 1, b"new"), SaveOutcome::Applied);
    is(own, 3, b"three");
    is(StateOf::World, 2, b"new");
    // Another region writes the world's from now on, whose epoch is lower; and then the first one again.
    assert!(east.region_epoch < next.region_epoch);
    for _ in 0..2 {
        assert_eq!(
            keep(scene, east, StateOf::World, 1, b"other"),
            SaveOutcome::Applied
        );
        is(StateOf::World, 3, b"other");
    }
    assert_eq!(
        keep(scene, next, StateOf::World, 2, b"back"),
        SaveOutcome::Applied
    );
    is(StateOf::World, 4, b"back");
}

pub(crate) fn a_state_beyond_its_limits_is_refused(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let save = |of, bytes: usize| StoreRequest::SaveGameState {
        serving: west,
        of,
        version: StateVersion(1),
        state: vec![7; bytes].into(),
    };
    let refused = |request| matches!(scene.store.execute(&[request])[..], [Err(StoreError::Invalid(_))]);
    assert!(refused(save(StateOf::World, GAME_STATE_BYTES_MAX + 1)));
    assert!(refused(save(StateOf::Region(EAST), 1)), "that of another region");
    scene.ask(save(StateOf::World, GAME_STATE_BYTES_MAX));
    assert_eq!(
        kept(scene, StateOf::World, 0).unwrap().1.len(),
        GAME_STATE_BYTES_MAX
    );
}
