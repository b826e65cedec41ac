//! Soft saves: only the owner's, only newer ones, and each for itself.

use bytes::Bytes;
use protocol::ids::*;
use store::*;

use crate::scene::*;

pub(crate) fn who_does_not_own_cannot_save(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let row = scene.spawn(ANN, west);
    assert_eq!(scene.save(B, save(&row, 2)), SaveOutcome::Fenced, "another node");
    let StoreReply::Activated(active) = scene.ask(activate(&row, west)) else {
        panic!()
    };
    assert_eq!(
        scene.save(A, save(&row, 9)),
        SaveOutcome::Fenced,
        "the same node, before it was restarted"
    );
    assert_eq!(scene.row(ANN), active);
    assert_eq!(scene.save(A, save(&active, 2)), SaveOutcome::Applied);
    assert_eq!(
        scene.save(A, save(&PlayerRow { user: BOB, ..active }, 2)),
        SaveOutcome::Fenced,
        "no row"
    );
}

pub(crate) fn saves_that_overtake_each_other_never_roll_back(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let row = scene.spawn(ANN, west);
    assert_eq!(scene.save(A, save(&row, 3)), SaveOutcome::Applied);
    assert_eq!(scene.save(A, save(&row, 2)), SaveOutcome::Older);
    assert_eq!(scene.save(A, save(&row, 3)), SaveOutcome::Older);
    let kept = scene.row(ANN);
    assert_eq!((kept.version, kept.body), (StateVersion(3), body(3)));
}

pub(crate) fn one_bad_save_of_a_batch_hurts_no_other(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    let bob = scene.spawn(BOB, west);
    let stale = PlayerRow {
        owner_epoch: OwnerEpoch(7),
        ..ann.clone()
    };
    let saves = vec![save(&stale, 9), save(&bob, 2), save(&bob, 2), save(&ann, 2)];
    let outcomes = [
        SaveOutcome::Fenced,
        SaveOutcome::Applied,
        SaveOutcome::Older,
        SaveOutcome::Applied,
    ];
    assert_eq!(
        scene.ask(StoreRequest::SavePlayers { owner: A, saves }),
        StoreReply::Saved(outcomes.to_vec())
    );
}

pub(crate) fn what_breaks_a_limit_is_refused_alone(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let row = scene.spawn(ANN, west);
    let mut large = save(&row, 2);
    large.body.state = Bytes::from(vec![0; limits::STATE_BYTES_MAX + 1]);
    let saves = |save: PlayerSave, count| StoreRequest::SavePlayers {
        owner: A,
        saves: vec![save; count],
    };
    let huge = save(
        &PlayerRow {
            user: UserId(u64::MAX),
            ..row.clone()
        },
        2,
    );
    let requests = vec![
        saves(large, 1),
        saves(save(&row, 2), 65),
        saves(huge, 1),
        saves(save(&row, u64::MAX), 1),
        pass(west, west, 1, vec![]),
        StoreRequest::CloseRegion {
            serving: west,
            ground: vec![(1, EAST), (1, WEST)],
        },
        saves(save(&row, 2), 1),
    ];
    let results = scene.store.execute(&requests);
    let invalid = |result: &StoreResult| matches!(result, Err(StoreError::Invalid(_)));
    assert_eq!(results.len(), 7);
    assert!(results[..6].iter().all(invalid), "{results:?}");
    assert_eq!(results[6], Ok(StoreReply::Saved(vec![SaveOutcome::Applied])));
}
