//! Ownership changes by conditions on the row and by nothing else.

use protocol::ids::*;
use store::*;

use crate::scene::*;

pub(crate) async fn a_player_is_inserted_once_and_only_by_who_serves_its_region(scene: &Scene) {
    let before = scene.serve(A, WEST).await;
    let west = scene.serve(A, WEST).await;
    let insert = |serving| StoreRequest::InsertPlayer {
        row: row(ANN, serving),
    };
    assert_eq!(
        scene.ask(insert(before)).await,
        StoreReply::NotServing(Some(west.region_epoch))
    );
    let nowhere = Serving { region: EAST, ..west };
    assert_eq!(scene.ask(insert(nowhere)).await, StoreReply::NotServing(None));
    assert_eq!(scene.load(ANN).await, None);

    let there = scene.spawn(ANN, west).await;
    assert_eq!(
        there,
        PlayerRow {
            owner_epoch: OwnerEpoch::first(1),
            ..row(ANN, west)
        }
    );
    assert_eq!(scene.ask(insert(west)).await, StoreReply::Exists(there.clone()));
    assert_eq!(
        scene.row(ANN).await,
        there,
        "every field comes back as it was written"
    );
    let owner = OwnerRecord {
        node: Some(A),
        region: WEST,
        owner_epoch: there.owner_epoch,
    };
    assert_eq!(
        scene.ask(StoreRequest::ReadOwner { user: ANN }).await,
        StoreReply::Owner(Some(owner))
    );
}

pub(crate) async fn activation_needs_the_expected_epoch_the_current_service_and_no_newer_session(
    scene: &Scene,
) {
    let west = scene.serve(A, WEST).await;
    let row = scene.spawn(ANN, west).await;
    let refused = StoreReply::Refused(vec![row.clone()]);
    let again = scene.serve(A, WEST).await;
    let east = scene.serve(B, EAST).await;

    assert_eq!(scene.ask(activate(&row, west)).await, refused, "a former service");
    assert_eq!(
        scene.ask(activate(&row, Serving { node: B, ..again })).await,
        refused,
        "another node's service"
    );
    assert_eq!(
        scene.ask(activate(&row, east)).await,
        refused,
        "the player stands elsewhere"
    );
    let ahead = PlayerRow {
        owner_epoch: row.owner_epoch.next().unwrap(),
        ..row.clone()
    };
    assert_eq!(
        scene.ask(activate(&ahead, again)).await,
        refused,
        "another epoch than the row's"
    );
    let mut older = row.clone();
    older.body.binding.attach_no = AttachNo(0);
    assert_eq!(
        scene.ask(activate(&older, again)).await,
        refused,
        "an older attach"
    );
    assert_eq!(
        scene
            .ask(activate(
                &PlayerRow {
                    user: BOB,
                    ..row.clone()
                },
                again
            ))
            .await,
        StoreReply::Refused(vec![])
    );

    let StoreReply::Activated(active) = scene.ask(activate(&row, again)).await else {
        panic!()
    };
    let expected = PlayerRow {
        owner_epoch: OwnerEpoch(1 << 48 | 2),
        region_epoch: again.region_epoch,
        ..row.clone()
    };
    assert_eq!(active, expected);
    assert_eq!(
        scene.ask(activate(&row, again)).await,
        StoreReply::Refused(vec![active]),
        "the epoch is used up"
    );
}

pub(crate) async fn a_new_session_starts_its_numbers_again(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let row = scene.spawn(ANN, west).await;
    let mut resumed = row.clone();
    resumed.body.binding.attach_no = AttachNo(2);
    let StoreReply::Activated(after) = scene.ask(activate(&resumed, west)).await else {
        panic!()
    };
    assert_eq!(
        (after.body.last_input, after.body.last_command),
        (InputNumber(10), CommandNumber(1))
    );
    let mut login = after.clone();
    login.body.binding = Binding {
        session_generation: SessionGeneration(4),
        attach_no: AttachNo(0),
        proxy: None,
    };
    let StoreReply::Activated(after) = scene.ask(activate(&login, west)).await else {
        panic!()
    };
    assert_eq!(
        (after.body.last_input, after.body.last_command),
        (InputNumber(0), CommandNumber(0))
    );
    assert_eq!(after.body.binding, login.body.binding);
    assert_eq!(after.body.chain_hash, row.body.chain_hash, "the chain goes on");
}

pub(crate) async fn a_crossing_commits_only_for_the_owner_at_its_epoch(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let east = scene.serve(B, EAST).await;
    let row = scene.spawn(ANN, west).await;
    let refused = StoreReply::Refused(vec![row.clone()]);
    assert_eq!(
        scene.ask(pass(B, east, 5, vec![save(&row, 2)])).await,
        refused,
        "not the owner"
    );
    let ahead = PlayerRow {
        owner_epoch: row.owner_epoch.next().unwrap(),
        ..row.clone()
    };
    assert_eq!(
        scene.ask(pass(A, east, 5, vec![save(&ahead, 2)])).await,
        refused,
        "not the epoch"
    );
    assert_eq!(
        scene.ask(pass(A, east, 5, vec![save(&row, 0)])).await,
        refused,
        "older than the row"
    );

    assert_eq!(
        scene.ask(pass(A, east, 5, vec![save(&row, 1)])).await,
        StoreReply::Passed,
        "as old as the row"
    );
    let there = scene.row(ANN).await;
    assert_eq!(
        (there.owner, there.region, there.region_epoch),
        (Some(B), EAST, east.region_epoch)
    );
    assert_eq!(
        (there.owner_epoch, there.attempt),
        (OwnerEpoch(1 << 48 | 2), AttemptId(5))
    );
    assert_eq!(there.body, body(1));
    let again = scene.ask(pass(A, east, 5, vec![save(&row, 1)])).await;
    assert_eq!(
        again,
        StoreReply::Refused(vec![there]),
        "the repetition of a success shows that it was one"
    );
}

pub(crate) async fn a_crossing_to_a_service_that_has_ended_is_refused(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let east = scene.serve(B, EAST).await;
    let row = scene.spawn(ANN, west).await;
    scene.serve(B, EAST).await;
    assert_eq!(
        scene.ask(pass(A, east, 5, vec![save(&row, 2)])).await,
        StoreReply::Refused(vec![row.clone()])
    );
    assert_eq!(scene.row(ANN).await, row);
}

pub(crate) async fn a_group_crosses_together_or_not_at_all(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let east = scene.serve(B, EAST).await;
    let ann = scene.spawn(ANN, west).await;
    let bob = scene.spawn(BOB, west).await;
    let stale = PlayerRow {
        owner_epoch: bob.owner_epoch.next().unwrap(),
        ..bob.clone()
    };
    let refused = scene
        .ask(pass(A, east, 9, vec![save(&ann, 2), save(&stale, 2)]))
        .await;
    assert_eq!(refused, StoreReply::Refused(vec![ann.clone(), bob.clone()]));
    assert_eq!(scene.row(ANN).await, ann, "the first one was taken back");
    assert_eq!(
        scene
            .ask(pass(A, east, 9, vec![save(&ann, 2), save(&bob, 2)]))
            .await,
        StoreReply::Passed
    );
    assert_eq!(
        (scene.row(ANN).await.owner, scene.row(BOB).await.owner),
        (Some(B), Some(B))
    );
}

pub(crate) async fn a_reclaimed_epoch_can_never_be_given_away(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let east = scene.serve(B, EAST).await;
    let row = scene.spawn(ANN, west).await;
    let reclaim = |serving| StoreRequest::Reclaim {
        user: ANN,
        serving,
        expected: row.owner_epoch,
    };
    assert_eq!(
        scene.ask(reclaim(east)).await,
        StoreReply::Refused(vec![row.clone()]),
        "not its owner"
    );
    let StoreReply::Activated(back) = scene.ask(reclaim(west)).await else {
        panic!()
    };
    assert_eq!((back.owner, back.owner_epoch), (Some(A), OwnerEpoch(1 << 48 | 3)));
    let late = scene.ask(pass(A, east, 5, vec![save(&row, 2)])).await;
    assert_eq!(
        late,
        StoreReply::Refused(vec![back]),
        "the lost statement arrives after all"
    );
    assert!(matches!(scene.ask(reclaim(west)).await, StoreReply::Refused(_)));
}

pub(crate) async fn a_released_player_belongs_to_nobody_until_activated(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let east = scene.serve(B, EAST).await;
    let row = scene.spawn(ANN, west).await;
    let release = |owner, version| StoreRequest::Release {
        owner,
        save: save(&row, version),
    };
    assert_eq!(
        scene.ask(release(B, 2)).await,
        StoreReply::Refused(vec![row.clone()])
    );
    assert_eq!(
        scene.ask(release(A, 0)).await,
        StoreReply::Refused(vec![row.clone()])
    );
    assert_eq!(scene.ask(release(A, 2)).await, StoreReply::Released);
    let free = scene.row(ANN).await;
    assert_eq!(
        (free.owner, free.owner_epoch, free.version),
        (None, row.owner_epoch, StateVersion(2))
    );
    assert_eq!(
        scene.ask(release(A, 2)).await,
        StoreReply::Refused(vec![free.clone()]),
        "shows that it was done"
    );
    assert_eq!(scene.save(A, save(&row, 3)).await, SaveOutcome::Fenced);
    assert!(matches!(
        scene.ask(pass(A, east, 5, vec![save(&row, 3)])).await,
        StoreReply::Refused(_)
    ));
    let StoreReply::Activated(back) = scene.ask(activate(&free, east)).await else {
        panic!()
    };
    assert_eq!((back.owner, back.region), (Some(B), EAST));
}

pub(crate) async fn a_rebind_never_goes_back_to_an_older_session(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let row = scene.spawn(ANN, west).await;
    let rebind = |version, attach_no| {
        let mut save = save(&row, version);
        save.body.binding.attach_no = AttachNo(attach_no);
        StoreRequest::RebindSession { owner: A, save }
    };
    assert_eq!(scene.ask(rebind(2, 5)).await, StoreReply::Rebound);
    let bound = scene.row(ANN).await;
    assert_eq!(bound.body.binding.attach_no, AttachNo(5));
    assert_eq!(
        scene.ask(rebind(3, 4)).await,
        StoreReply::Refused(vec![bound.clone()])
    );
    assert_eq!(
        scene.ask(rebind(2, 6)).await,
        StoreReply::Refused(vec![bound]),
        "no newer version"
    );
    assert_eq!(
        scene.ask(rebind(3, 5)).await,
        StoreReply::Rebound,
        "the same attach again"
    );
}
