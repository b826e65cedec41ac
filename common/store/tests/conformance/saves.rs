//! Soft saves: only the owner's, only newer ones, and each for itself.

use bytes::Bytes;
use protocol::ids::*;
use store::*;

use crate::scene::*;

pub(crate) async fn who_does_not_own_cannot_save(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let row = scene.spawn(ANN, west).await;
    assert_eq!(
        scene.save(B, save(&row, 2)).await,
        SaveOutcome::Fenced,
        "another node"
    );
    let StoreReply::Activated(active) = scene.ask(activate(&row, west)).await else {
        panic!()
    };
    assert_eq!(
        scene.save(A, save(&row, 9)).await,
        SaveOutcome::Fenced,
        "the same node, before it was restarted"
    );
    assert_eq!(scene.row(ANN).await, active);
    assert_eq!(scene.save(A, save(&active, 2)).await, SaveOutcome::Applied);
    assert_eq!(
        scene.save(A, save(&PlayerRow { user: BOB, ..active }, 2)).await,
        SaveOutcome::Fenced,
        "no row"
    );
}

pub(crate) async fn saves_that_overtake_each_other_never_roll_back(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let row = scene.spawn(ANN, west).await;
    assert_eq!(scene.save(A, save(&row, 3)).await, SaveOutcome::Applied);
    assert_eq!(scene.save(A, save(&row, 2)).await, SaveOutcome::Older);
    assert_eq!(scene.save(A, save(&row, 3)).await, SaveOutcome::Older);
    let kept = scene.row(ANN).await;
    assert_eq!((kept.version, kept.body), (StateVersion(3), body(3)));
}

pub(crate) async fn one_bad_save_of_a_batch_hurts_no_other(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let ann = scene.spawn(ANN, west).await;
    let bob = scene.spawn(BOB, west).await;
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
        scene.ask(StoreRequest::SavePlayers { owner: A, saves }).await,
        StoreReply::Saved(outcomes.to_vec())
    );
}

pub(crate) async fn what_breaks_a_limit_is_refused_alone(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let row = scene.spawn(ANN, west).await;
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
        pass(A, west, 1, vec![]),
        saves(save(&row, 2), 1),
    ];
    let results = scene.store.execute(requests).await;
    let invalid = |result: &StoreResult| matches!(result, Err(StoreError::Invalid(_)));
    assert_eq!(results.len(), 6);
    assert!(results[..5].iter().all(invalid), "{results:?}");
    assert_eq!(results[5], Ok(StoreReply::Saved(vec![SaveOutcome::Applied])));
}
