//! Ownership changes by conditions on the row and by nothing else.

use protocol::ids::*;
use store::*;

use crate::scene::*;

pub(crate) fn a_player_is_inserted_once_and_only_by_who_serves_its_region(scene: &Scene) {
    let before = scene.serve(A, WEST);
    let west = scene.serve(A, WEST);
    let insert = |serving| StoreRequest::InsertPlayer {
        row: row(ANN, serving),
    };
    assert_eq!(
        scene.ask(insert(before)),
        StoreReply::NotServing(Some(west.region_epoch))
    );
    let nowhere = Serving { region: EAST, ..west };
    assert_eq!(scene.ask(insert(nowhere)), StoreReply::NotServing(None));
    assert_eq!(scene.load(ANN), None);

    let there = scene.spawn(ANN, west);
    assert_eq!(
        there,
        PlayerRow {
            owner_epoch: OwnerEpoch::first(1),
            ..row(ANN, west)
        }
    );
    assert_eq!(scene.ask(insert(west)), StoreReply::Exists(there.clone()));
    assert_eq!(scene.row(ANN), there, "every field comes back as it was written");
    let owner = OwnerRecord {
        node: Some(A),
        region: WEST,
        owner_epoch: there.owner_epoch,
    };
    assert_eq!(
        scene.ask(StoreRequest::ReadOwner { user: ANN }),
        StoreReply::Owner(Some(owner))
    );
}

pub(crate) fn activation_needs_the_expected_epoch_the_current_service_and_no_newer_session(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let row = scene.spawn(ANN, west);
    let refused = StoreReply::Refused(vec![row.clone()]);
    let again = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);

    assert_eq!(scene.ask(activate(&row, west)), refused, "a former service");
    assert_eq!(
        scene.ask(activate(&row, Serving { node: B, ..again })),
        refused,
        "another node's service"
    );
    assert_eq!(
        scene.ask(activate(&row, east)),
        refused,
        "the player stands elsewhere"
    );
    let ahead = PlayerRow {
        owner_epoch: row.owner_epoch.next().unwrap(),
        ..row.clone()
    };
    assert_eq!(
        scene.ask(activate(&ahead, again)),
        refused,
        "another epoch than the row's"
    );
    let mut older = row.clone();
    older.body.binding.attach_no = AttachNo(0);
    assert_eq!(scene.ask(activate(&older, again)), refused, "an older attach");
    assert_eq!(
        scene.ask(activate(
            &PlayerRow {
                user: BOB,
                ..row.clone()
            },
            again
        )),
        StoreReply::Refused(vec![])
    );

    let StoreReply::Activated(active) = scene.ask(activate(&row, again)) else {
        panic!()
    };
    let expected = PlayerRow {
        owner_epoch: OwnerEpoch(1 << 48 | 2),
        region_epoch: again.region_epoch,
        ..row.clone()
    };
    assert_eq!(active, expected);
    assert_eq!(
        scene.ask(activate(&row, again)),
        StoreReply::Refused(vec![active]),
        "the epoch is used up"
    );
}

pub(crate) fn a_new_session_starts_its_numbers_again(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let row = scene.spawn(ANN, west);
    let mut resumed = row.clone();
    resumed.body.binding.attach_no = AttachNo(2);
    let StoreReply::Activated(after) = scene.ask(activate(&resumed, west)) else {
        panic!()
    };
    assert_eq!(
        (after.body.last_input, after.body.last_command),
        (InputNumber(10), CommandNumber(1))
    );
    let mut login = after.clone();
    login.body.binding = Binding {
        session_generation: SessionGeneration(row.body.binding.session_generation.0 + 1),
        attach_no: AttachNo(0),
        proxy: None,
    };
    let StoreReply::Activated(after) = scene.ask(activate(&login, west)) else {
        panic!()
    };
    assert_eq!(
        (after.body.last_input, after.body.last_command),
        (InputNumber(0), CommandNumber(0))
    );
    assert_eq!(after.body.binding, login.body.binding);
    assert_eq!(after.body.chain_hash, row.body.chain_hash, "the chain goes on");
}

pub(crate) fn a_crossing_commits_only_for_the_owner_at_its_epoch(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    let row = scene.spawn(ANN, west);
    let refused = StoreReply::Refused(vec![row.clone()]);
    assert_eq!(
        scene.ask(pass(under(B, &row), east, 5, vec![save(&row, 2)])),
        refused,
        "not the owner"
    );
    let ahead = PlayerRow {
        owner_epoch: row.owner_epoch.next().unwrap(),
        ..row.clone()
    };
    assert_eq!(
        scene.ask(pass(under(A, &ahead), east, 5, vec![save(&ahead, 2)])),
        refused,
        "not the epoch"
    );
    assert_eq!(
        scene.ask(pass(under(A, &row), east, 5, vec![save(&row, 0)])),
        refused,
        "older than the row"
    );

    assert_eq!(
        scene.ask(pass(under(A, &row), east, 5, vec![save(&row, 1)])),
        StoreReply::Passed,
        "as old as the row"
    );
    let there = scene.row(ANN);
    assert_eq!(
        (there.owner, there.region, there.region_epoch),
        (Some(B), EAST, east.region_epoch)
    );
    assert_eq!(
        (there.owner_epoch, there.attempt),
        (OwnerEpoch(1 << 48 | 2), AttemptId(5))
    );
    assert_eq!(there.body, body(1));
    let again = scene.ask(pass(under(A, &row), east, 5, vec![save(&row, 1)]));
    assert_eq!(
        again,
        StoreReply::Refused(vec![there]),
        "the repetition of a success shows that it was one"
    );
}

pub(crate) fn a_crossing_to_a_service_that_has_ended_is_refused(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    let row = scene.spawn(ANN, west);
    scene.serve(B, EAST);
    assert_eq!(
        scene.ask(pass(under(A, &row), east, 5, vec![save(&row, 2)])),
        StoreReply::Refused(vec![row.clone()])
    );
    assert_eq!(scene.row(ANN), row);
}

pub(crate) fn a_group_crosses_together_or_not_at_all(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    let ann = scene.spawn(ANN, west);
    let bob = scene.spawn(BOB, west);
    let stale = PlayerRow {
        owner_epoch: bob.owner_epoch.next().unwrap(),
        ..bob.clone()
    };
    let refused = scene.ask(pass(
        under(A, &ann),
        east,
        9,
        vec![save(&ann, 2), save(&stale, 2)],
    ));
    assert_eq!(refused, StoreReply::Refused(vec![ann.clone(), bob.clone()]));
    assert_eq!(scene.row(ANN), ann, "the first one was taken back");
    assert_eq!(
        scene.ask(pass(under(A, &ann), east, 9, vec![save(&ann, 2), save(&bob, 2)])),
        StoreReply::Passed
    );
    assert_eq!((scene.row(ANN).owner, scene.row(BOB).owner), (Some(B), Some(B)));
}

pub(crate) fn a_reclaimed_epoch_can_never_be_given_away(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    let row = scene.spawn(ANN, west);
    let reclaim = |serving| StoreRequest::Reclaim {
        user: ANN,
        serving,
        expected: row.owner_epoch,
    };
    assert_eq!(
        scene.ask(reclaim(east)),
        StoreReply::Refused(vec![row.clone()]),
        "not its owner"
    );
    let StoreReply::Activated(back) = scene.ask(reclaim(west)) else {
        panic!()
    };
    assert_eq!((back.owner, back.owner_epoch), (Some(A), OwnerEpoch(1 << 48 | 3)));
    let late = scene.ask(pass(under(A, &row), east, 5, vec![save(&row, 2)]));
    assert_eq!(
        late,
        StoreReply::Refused(vec![back]),
        "the lost statement arrives after all"
    );
    assert!(matches!(scene.ask(reclaim(west)), StoreReply::Refused(_)));
}

pub(crate) fn a_region_that_is_no_more_has_no_players_and_nothing_lies_there(scene: &Scene) {
    let in_use = || scene.ask(StoreRequest::RegionsInUse);
    let regions = |regions: &[RegionNumber]| StoreReply::Regions(regions.to_vec());
    assert_eq!(in_use(), regions(&[]));
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    let (ann, bob) = (scene.spawn(ANN, west), scene.spawn(BOB, east));
    assert_eq!(in_use(), regions(&[WEST, EAST]));
    scene.seed(3);
    let on_ground = |region| scene.holdings(StoreRequest::HoldingsOnGround { region });
    let lying = on_ground(WEST);
    assert_eq!(lying.len(), 3);
    let taken_over = scene.serve(B, WEST);
    let close = |serving, named: &[(u64, RegionNumber)]| {
        let ground = named.to_vec();
        scene.ask(StoreRequest::CloseRegion { serving, ground })
    };
    assert_eq!(
        close(west, &[]),
        StoreReply::NotServing(Some(taken_over.region_epoch))
    );
    assert_eq!((scene.row(ANN), on_ground(WEST).len()), (ann.clone(), 3));
    let closed = |players, holdings| StoreReply::RegionClosed { players, holdings };
    let [first, second, third] = [0, 1, 2].map(|place: usize| lying[place].id);
    assert_eq!(
        close(taken_over, &[(first, EAST), (second, EAST), (77, EAST)]),
        closed(1, 2)
    );
    assert_eq!(
        close(taken_over, &[(first, EAST)]),
        closed(0, 0),
        "it lies there no more"
    );
    assert_eq!(on_ground(EAST).len(), 2);
    assert_eq!(close(taken_over, &[(third, EAST)]), closed(0, 1));
    assert_eq!((in_use(), scene.row(BOB)), (regions(&[EAST]), bob));
    let free = scene.row(ANN);
    assert_eq!((free.owner, free.owner_epoch), (None, ann.owner_epoch));
    let late = scene.save(A, save(&ann, 3));
    assert_eq!(late, SaveOutcome::Fenced, "whoever had it writes nothing more");
    let StoreReply::Activated(back) = scene.ask(activate(&free, east)) else {
        panic!()
    };
    assert_eq!((back.owner, back.region), (Some(B), EAST));
}

pub(crate) fn a_released_player_belongs_to_nobody_until_activated(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    let row = scene.spawn(ANN, west);
    let release = |owner, version| StoreRequest::Release {
        serving: under(owner, &row),
        save: save(&row, version),
    };
    assert_eq!(scene.ask(release(B, 2)), StoreReply::Refused(vec![row.clone()]));
    assert_eq!(scene.ask(release(A, 0)), StoreReply::Refused(vec![row.clone()]));
    assert_eq!(scene.ask(release(A, 2)), StoreReply::Released);
    let free = scene.row(ANN);
    assert_eq!(
        (free.owner, free.owner_epoch, free.version),
        (None, row.owner_epoch, StateVersion(2))
    );
    assert_eq!(
        scene.ask(release(A, 2)),
        StoreReply::Refused(vec![free.clone()]),
        "shows that it was done"
    );
    assert_eq!(scene.save(A, save(&row, 3)), SaveOutcome::Fenced);
    assert!(matches!(
        scene.ask(pass(under(A, &row), east, 5, vec![save(&row, 3)])),
        StoreReply::Refused(_)
    ));
    let StoreReply::Activated(back) = scene.ask(activate(&free, east)) else {
        panic!()
    };
    assert_eq!((back.owner, back.region), (Some(B), EAST));
}

pub(crate) fn a_rebind_never_goes_back_to_an_older_session(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let row = scene.spawn(ANN, west);
    let rebind = |version, attach_no| {
        let mut save = save(&row, version);
        save.body.binding.attach_no = AttachNo(attach_no);
        StoreRequest::RebindSession { serving: west, save }
    };
    assert_eq!(scene.ask(rebind(2, 5)), StoreReply::Rebound);
    let bound = scene.row(ANN);
    assert_eq!(bound.body.binding.attach_no, AttachNo(5));
    assert_eq!(scene.ask(rebind(3, 4)), StoreReply::Refused(vec![bound.clone()]));
    assert_eq!(
        scene.ask(rebind(2, 6)),
        StoreReply::Refused(vec![bound]),
        "no newer version"
    );
    assert_eq!(
        scene.ask(rebind(3, 5)),
        StoreReply::Rebound,
        "the same attach again"
    );
}
