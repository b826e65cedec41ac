//! Whatever counts up never gives a number twice, not even after a restored backup.

use protocol::ids::*;
use store::*;

use crate::scene::*;

pub(crate) async fn starts_are_unique_and_grow(scene: &Scene) {
    for start in 1..=3 {
        assert_eq!(
            scene.ask(StoreRequest::StartNode { node: A }).await,
            StoreReply::Started(Incarnation(start))
        );
    }
    assert_eq!(
        scene.ask(StoreRequest::StartNode { node: B }).await,
        StoreReply::Started(Incarnation(1))
    );
}

pub(crate) async fn region_epochs_grow_with_each_service(scene: &Scene) {
    assert_eq!(scene.serve(A, WEST).await.region_epoch, RegionEpoch::first(1));
    assert_eq!(scene.serve(A, WEST).await.region_epoch, RegionEpoch(1 << 48 | 2));
    assert_eq!(scene.serve(B, WEST).await.region_epoch, RegionEpoch(1 << 48 | 3));
    assert_eq!(scene.serve(B, EAST).await.region_epoch, RegionEpoch::first(1));
}

pub(crate) async fn a_late_request_to_serve_takes_no_region(scene: &Scene) {
    let serve = |node, after| StoreRequest::ServeRegion {
        region: WEST,
        node,
        after,
    };
    let first = scene.ask(serve(A, None)).await;
    assert_eq!(first, StoreReply::Serving(RegionEpoch::first(1)));
    let newest = Serving {
        node: A,
        region: WEST,
        region_epoch: RegionEpoch::first(1),
    };
    for late in [serve(A, None), serve(B, None), serve(B, Some(RegionEpoch(7)))] {
        assert_eq!(scene.ask(late).await, StoreReply::Service(Some(newest)));
    }
    let second = scene.ask(serve(B, Some(newest.region_epoch))).await;
    assert_eq!(second, StoreReply::Serving(RegionEpoch(1 << 48 | 2)));
}

pub(crate) async fn the_newest_service_of_a_region_can_be_read(scene: &Scene) {
    let service = |region| StoreRequest::ReadService { region };
    assert_eq!(scene.ask(service(WEST)).await, StoreReply::Service(None));
    scene.serve(A, WEST).await;
    scene.serve(A, EAST).await;
    let newest = scene.serve(B, WEST).await;
    let read = StoreReply::Service(Some(newest));
    assert_eq!(scene.ask(service(WEST)).await, read);
    assert_eq!(ask(&scene.other, service(WEST)).await, read);
}

pub(crate) async fn a_raised_generation_lifts_every_kind_of_epoch(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let east = scene.serve(B, EAST).await;
    let old = scene.spawn(ANN, west).await;
    scene.ask(StoreRequest::StartNode { node: A }).await;
    scene.ask(StoreRequest::RaiseSession { user: ANN }).await;
    assert_eq!(
        scene.ask(StoreRequest::RaiseStoreGeneration).await,
        StoreReply::StoreGeneration(2)
    );
    assert_eq!(
        scene.ask(StoreRequest::StoreGeneration).await,
        StoreReply::StoreGeneration(2)
    );

    assert_eq!(
        scene.ask(StoreRequest::StartNode { node: A }).await,
        StoreReply::Started(Incarnation(4098))
    );
    assert_eq!(
        scene.ask(StoreRequest::RaiseSession { user: ANN }).await,
        StoreReply::Session(SessionGeneration(2 << 48 | 1))
    );
    assert_eq!(
        scene.ask(StoreRequest::NextGuest).await,
        StoreReply::Guest(UserId((1 << 40) + (1 << 24)))
    );
    // An epoch of the old generation is never counted on: somebody may have got it before the restore.
    let passed = scene.ask(pass(A, east, 1, vec![save(&old, 2)])).await;
    assert_eq!(passed, StoreReply::Refused(vec![old.clone()]));
    let again = scene.serve(A, WEST).await;
    assert_eq!(again.region_epoch, RegionEpoch::first(2));
    let StoreReply::Activated(row) = scene.ask(activate(&old, again)).await else {
        panic!()
    };
    assert_eq!(row.owner_epoch, OwnerEpoch::first(2));
}

pub(crate) async fn sessions_and_guests_count_up(scene: &Scene) {
    assert_eq!(
        scene.ask(StoreRequest::ReadSession { user: ANN }).await,
        StoreReply::Session(SessionGeneration(0))
    );
    for step in 1..=2 {
        let raised = StoreReply::Session(SessionGeneration(1 << 48 | step));
        assert_eq!(scene.ask(StoreRequest::RaiseSession { user: ANN }).await, raised);
        assert_eq!(scene.ask(StoreRequest::ReadSession { user: ANN }).await, raised);
    }
    assert_eq!(
        scene.ask(StoreRequest::NextGuest).await,
        StoreReply::Guest(UserId(1 << 40))
    );
    assert_eq!(
        ask(&scene.other, StoreRequest::NextGuest).await,
        StoreReply::Guest(UserId((1 << 40) + 1))
    );
}

pub(crate) async fn stale_guests_go_and_nobody_else(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    scene.seed(1).await;
    let guest = |number: u64| UserId((1 << 40) + number);
    for user in [ANN, guest(1), guest(2), guest(3)] {
        let row = scene.spawn(user, west).await;
        if user == guest(2) {
            let take = HoldingChange::Take {
                holding: 0,
                region: WEST,
            };
            assert_eq!(
                scene.commit(A, save(&row, 2), &[take]).await,
                CommitOutcome::Applied
            );
        }
        if user != guest(3) {
            scene
                .ask(StoreRequest::Release {
                    owner: A,
                    save: save(&row, 2),
                })
                .await;
        }
    }
    let delete = |idle_ms| StoreRequest::DeleteStaleGuests { idle_ms };
    assert_eq!(
        scene.ask(delete(3_600_000)).await,
        StoreReply::Deleted(0),
        "nobody is that old"
    );
    assert_eq!(
        scene.ask(delete(0)).await,
        StoreReply::Deleted(1),
        "one is owned, one holds a gem, one is no guest"
    );
    assert_eq!(scene.load(guest(1)).await, None);
    scene.serve(A, WEST).await;
    assert_eq!(
        scene.ask(delete(0)).await,
        StoreReply::Deleted(1),
        "the owner of this one was restarted"
    );
    assert_eq!(scene.load(guest(3)).await, None);
}
