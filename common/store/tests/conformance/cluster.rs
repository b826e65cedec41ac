//! Whatever counts up never gives a number twice, not even after a restored backup.

use protocol::ids::*;
use store::*;

use crate::scene::*;

pub(crate) fn a_probe_is_answered_and_changes_nothing(scene: &Scene) {
    let before = scene.ask(StoreRequest::StoreGeneration);
    assert_eq!(scene.ask(StoreRequest::Probe), StoreReply::Probed);
    assert_eq!(scene.ask(StoreRequest::StoreGeneration), before);
}

pub(crate) fn starts_are_unique_and_grow(scene: &Scene) {
    for start in 1..=3 {
        assert_eq!(
            scene.ask(StoreRequest::StartNode { node: A }),
            StoreReply::Started(Incarnation(start))
        );
    }
    assert_eq!(
        scene.ask(StoreRequest::StartNode { node: B }),
        StoreReply::Started(Incarnation(1))
    );
}

pub(crate) fn region_epochs_grow_with_each_service(scene: &Scene) {
    assert_eq!(scene.serve(A, WEST).region_epoch, RegionEpoch::first(1));
    assert_eq!(scene.serve(A, WEST).region_epoch, RegionEpoch(1 << 48 | 2));
    assert_eq!(scene.serve(B, WEST).region_epoch, RegionEpoch(1 << 48 | 3));
    assert_eq!(scene.serve(B, EAST).region_epoch, RegionEpoch::first(1));
}

pub(crate) fn a_late_request_to_serve_takes_no_region(scene: &Scene) {
    let serve = |node, after| StoreRequest::ServeRegion {
        region: WEST,
        node,
        after,
    };
    let first = scene.ask(serve(A, None));
    assert_eq!(first, StoreReply::Serving(RegionEpoch::first(1)));
    let newest = Serving {
        node: A,
        region: WEST,
        region_epoch: RegionEpoch::first(1),
    };
    for late in [serve(A, None), serve(B, None), serve(B, Some(RegionEpoch(7)))] {
        assert_eq!(scene.ask(late), StoreReply::Service(Some(newest)));
    }
    let second = scene.ask(serve(B, Some(newest.region_epoch)));
    assert_eq!(second, StoreReply::Serving(RegionEpoch(1 << 48 | 2)));
}

pub(crate) fn the_newest_service_of_a_region_can_be_read(scene: &Scene) {
    let service = |region| StoreRequest::ReadService { region };
    assert_eq!(scene.ask(service(WEST)), StoreReply::Service(None));
    scene.serve(A, WEST);
    scene.serve(A, EAST);
    let newest = scene.serve(B, WEST);
    let read = StoreReply::Service(Some(newest));
    assert_eq!(scene.ask(service(WEST)), read);
    assert_eq!(ask(&scene.other, service(WEST)), read);
}

pub(crate) fn a_raised_generation_lifts_every_kind_of_epoch(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    let old = scene.spawn(ANN, west);
    scene.ask(StoreRequest::StartNode { node: A });
    scene.ask(StoreRequest::RaiseSession { user: ANN });
    assert_eq!(
        scene.ask(StoreRequest::RaiseStoreGeneration),
        StoreReply::StoreGeneration(2)
    );
    assert_eq!(
        scene.ask(StoreRequest::StoreGeneration),
        StoreReply::StoreGeneration(2)
    );

    assert_eq!(
        scene.ask(StoreRequest::StartNode { node: A }),
        StoreReply::Started(Incarnation(4098))
    );
    assert_eq!(
        scene.ask(StoreRequest::RaiseSession { user: ANN }),
        StoreReply::Session(SessionGeneration(2 << 48 | 1))
    );
    assert_eq!(
        scene.ask(StoreRequest::NextGuest),
        StoreReply::Guest(UserId((1 << 40) + (1 << 24)))
    );
    // An epoch of the old generation is never counted on: somebody may have got it before the restore.
    let passed = scene.ask(pass(under(A, &old), east, 1, vec![save(&old, 2)]));
    assert_eq!(passed, StoreReply::Refused(vec![old.clone()]));
    let again = scene.serve(A, WEST);
    assert_eq!(again.region_epoch, RegionEpoch::first(2));
    let StoreReply::Activated(row) = scene.ask(activate(&old, again)) else {
        panic!()
    };
    assert_eq!(row.owner_epoch, OwnerEpoch::first(2));
}

pub(crate) fn sessions_and_guests_count_up(scene: &Scene) {
    assert_eq!(
        scene.ask(StoreRequest::ReadSession { user: ANN }),
        StoreReply::Session(SessionGeneration(0))
    );
    for step in 1..=2 {
        let raised = StoreReply::Session(SessionGeneration(1 << 48 | step));
        assert_eq!(scene.ask(StoreRequest::RaiseSession { user: ANN }), raised);
        assert_eq!(scene.ask(StoreRequest::ReadSession { user: ANN }), raised);
    }
    assert_eq!(
        scene.ask(StoreRequest::NextGuest),
        StoreReply::Guest(UserId(1 << 40))
    );
    assert_eq!(
        ask(&scene.other, StoreRequest::NextGuest),
        StoreReply::Guest(UserId((1 << 40) + 1))
    );
}

pub(crate) fn a_holder_is_told_with_the_starts_of_its_node(scene: &Scene) {
    let holder = || scene.ask(StoreRequest::ReadHolder { region: WEST });
    assert_eq!(holder(), StoreReply::Holder(None));
    scene.ask(StoreRequest::StartNode { node: A });
    let service = scene.serve(A, WEST);
    let since = |since, newest| {
        StoreReply::Holder(Some(RegionHolder {
            service,
            since: Incarnation(since),
            newest: Incarnation(newest),
            lease: Some(LiveLease {
                incarnation: Incarnation(newest),
                beat: 0,
            }),
        }))
    };
    assert_eq!(holder(), since(1, 1));
    scene.ask(StoreRequest::StartNode { node: B });
    assert_eq!(holder(), since(1, 1));
    scene.ask(StoreRequest::StartNode { node: A });
    assert_eq!(holder(), since(1, 2), "the process that served has ended");
    let service = scene.serve(B, WEST);
    let StoreReply::Holder(Some(holder)) = holder() else {
        panic!()
    };
    assert_eq!(
        (holder.service, holder.since, holder.newest),
        (service, Incarnation(1), Incarnation(1))
    );
}

pub(crate) fn all_who_share_a_store_see_one_identity(scene: &Scene) {
    assert_eq!(scene.store.identity(), scene.other.identity());
}

pub(crate) fn the_newest_topology_that_was_ever_noted_is_told(scene: &Scene) {
    let note = |version| StoreRequest::NoteTopology {
        version: TopologyVersion(version),
    };
    let newest = |version| StoreReply::NewestTopology(TopologyVersion(version));
    for (noted, told) in [(3, 3), (2, 3), (3, 3), (7, 7), (0, 7)] {
        assert_eq!(scene.ask(note(noted)), newest(told), "{noted}");
    }
    // Among others, and more than one at once.
    let requests = [
        note(8),
        note(8),
        note(9),
        StoreRequest::Probe,
        note(1),
        StoreRequest::RegionsInUse,
        note(u64::MAX),
    ];
    let mut results = scene.store.execute(&requests);
    assert!(
        matches!(results.pop(), Some(Err(StoreError::Invalid(_)))),
        "no column holds it"
    );
    let told: Vec<StoreReply> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        told,
        [
            newest(8),
            newest(8),
            newest(9),
            StoreReply::Probed,
            newest(9),
            StoreReply::Regions(Vec::new())
        ]
    );
}
