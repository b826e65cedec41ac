//! Who may serve, and how a region passes with its players from one node to another.

use protocol::ids::*;
use store::request::DurableCommit;
use store::*;

use crate::scene::*;

/// Of node `A`, which serves both regions: players of `WEST` and one of `EAST`; and one of `B`, who stands in `WEST`.
struct Held {
    lease: Lease,
    west: Serving,
    east: Serving,
    ann: PlayerRow,
    bob: PlayerRow,
    far: PlayerRow,
    others: PlayerRow,
}

const FAR: UserId = UserId(13);
const OTHERS: UserId = UserId(14);

impl Held {
    fn by_a(scene: &Scene) -> Self {
        let before = scene.serve(B, WEST);
        let others = scene.spawn(OTHERS, before);
        let lease = scene.start(A);
        let (west, east) = (scene.serve(A, WEST), scene.serve(A, EAST));
        // One that came in a handover, and was saved since.
        let came = scene.spawn(ANN, east);
        assert_eq!(
            scene.ask(pass(under(A, &came), west, 5, vec![save(&came, 2)])),
            StoreReply::Passed
        );
        Self {
            lease,
            west,
            east,
            ann: scene.row(ANN),
            bob: scene.spawn(BOB, west),
            far: scene.spawn(FAR, east),
            others,
        }
    }

    /// `B` serves `WEST`: everybody of `A` there is `B`'s, one epoch on and otherwise as before; nobody else is touched.
    fn have_passed(&self, scene: &Scene, epoch: RegionEpoch) {
        for before in [&self.ann, &self.bob] {
            let passed = PlayerRow {
                owner: Some(B),
                region_epoch: epoch,
                owner_epoch: before.owner_epoch.next().unwrap(),
                attempt: AttemptId(0),
                ..before.clone()
            };
            assert_eq!(scene.row(before.user), passed);
        }
        for before in [&self.far, &self.others] {
            assert_eq!(&scene.row(before.user), before);
        }
    }

    /// Nothing was changed.
    fn are_as_before(&self, scene: &Scene) {
        for before in [&self.ann, &self.bob, &self.far, &self.others] {
            assert_eq!(&scene.row(before.user), before);
        }
    }
}

fn serving(reply: &StoreReply) -> RegionEpoch {
    match reply {
        StoreReply::Serving(epoch) => *epoch,
        other => panic!("{other:?}"),
    }
}

fn lease_ended(start: u64) -> StoreReply {
    StoreReply::LeaseEnded(Some(Incarnation(start)))
}

pub(crate) fn a_lease_begins_with_a_start_and_counts_its_renewals(scene: &Scene) {
    let stranger = Lease {
        node: A,
        incarnation: Incarnation(1),
    };
    assert_eq!(scene.ask(renew(stranger)), StoreReply::LeaseEnded(None));
    let lease = scene.start(A);
    let other = scene.start(B);
    for beat in 1..=3 {
        assert_eq!(scene.ask(renew(lease)), StoreReply::LeaseRenewed(beat));
    }
    assert_eq!(scene.ask(renew(other)), StoreReply::LeaseRenewed(1));
    scene.serve(A, WEST);
    let live = |beat| {
        Some(LiveLease {
            incarnation: lease.incarnation,
            beat,
        })
    };
    assert_eq!(scene.holder(WEST).live(), live(3));
    assert_eq!(ask(&scene.other, renew(lease)), StoreReply::LeaseRenewed(4));
    assert_eq!(scene.holder(WEST).live(), live(4));
}

pub(crate) fn a_second_start_ends_the_lease_of_the_first(scene: &Scene) {
    let first = scene.start(A);
    scene.serve(A, WEST);
    assert_eq!(scene.ask(renew(first)), StoreReply::LeaseRenewed(1));
    let second = scene.start(A);
    assert_eq!(scene.ask(renew(first)), lease_ended(second.incarnation.0));
    let holder = scene.holder(WEST);
    let lease = LiveLease {
        incarnation: second.incarnation,
        beat: 0,
    };
    assert_eq!(
        (holder.lease, holder.live()),
        (Some(lease), None),
        "the service was the first one's"
    );
    assert_eq!(scene.ask(renew(second)), StoreReply::LeaseRenewed(1));
}

pub(crate) fn a_region_is_taken_with_its_players_and_the_lease_of_its_holder_ends(scene: &Scene) {
    let held = Held::by_a(scene);
    let taker = scene.start(B);
    scene.ask(renew(held.lease));
    let holder = scene.holder(WEST);
    let epoch = serving(&scene.ask(take_over(taker, holder)));
    assert_eq!(epoch, held.west.region_epoch.next().unwrap());
    held.have_passed(scene, epoch);
    let now = scene.holder(WEST);
    let service = Serving {
        node: B,
        region: WEST,
        region_epoch: epoch,
    };
    assert_eq!((now.service, now.since), (service, taker.incarnation));
    assert_eq!(now.live().map(|lease| lease.incarnation), Some(taker.incarnation));
    assert_eq!(
        scene.ask(renew(held.lease)),
        lease_ended(held.lease.incarnation.0)
    );
    assert_eq!(scene.ask(renew(taker)), StoreReply::LeaseRenewed(1));
    let again = scene.ask(take_over(taker, holder));
    assert_eq!(
        again,
        StoreReply::Holder(Some(scene.holder(WEST))),
        "the repetition of a success shows that it was one"
    );
    held.have_passed(scene, epoch);
}

pub(crate) fn nothing_is_taken_from_who_shows_itself_or_by_who_has_lost_its_lease(scene: &Scene) {
    let held = Held::by_a(scene);
    let taker = scene.start(B);
    let read = scene.holder(WEST);
    let refused = |taker, holder| {
        let said = scene.ask(take_over(taker, holder));
        assert_eq!(said, StoreReply::Holder(Some(scene.holder(WEST))));
        held.are_as_before(scene);
    };
    scene.ask(renew(held.lease));
    refused(taker, read);
    let unaware = RegionHolder { lease: None, ..read };
    refused(taker, unaware);
    let read = scene.holder(WEST);
    let service = Serving {
        region_epoch: read.service.region_epoch.next().unwrap(),
        ..read.service
    };
    refused(taker, RegionHolder { service, ..read });
    let since = Incarnation(7);
    refused(taker, RegionHolder { since, ..read });
    // The same node serves it anew.
    scene.serve(A, WEST);
    refused(taker, read);
    assert!(matches!(
        scene.ask(renew(held.lease)),
        StoreReply::LeaseRenewed(_)
    ));

    let newer = scene.start(B);
    let read = scene.holder(WEST);
    assert_eq!(
        scene.ask(take_over(taker, read)),
        lease_ended(newer.incarnation.0)
    );
    let stranger = Lease {
        node: NodeNumber(3),
        incarnation: Incarnation(1),
    };
    assert_eq!(scene.ask(take_over(stranger, read)), StoreReply::LeaseEnded(None));
    held.are_as_before(scene);
    let nowhere = RegionHolder {
        service: Serving {
            region: RegionNumber(9),
            ..read.service
        },
        ..read
    };
    assert_eq!(scene.ask(take_over(newer, nowhere)), StoreReply::Holder(None));
    assert!(matches!(
        scene.ask(renew(held.lease)),
        StoreReply::LeaseRenewed(_)
    ));
}

pub(crate) fn a_holder_that_wakes_up_writes_nothing(scene: &Scene) {
    let held = Held::by_a(scene);
    scene.seed(2);
    let take = |holding| HoldingChange::Take {
        holding,
        region: WEST,
    };
    assert_eq!(
        scene.commit(A, save(&held.bob, 2), &[take(0)]),
        CommitOutcome::Applied
    );
    let taker = scene.start(B);
    serving(&scene.ask(take_over(taker, scene.holder(WEST))));
    let rows = [scene.row(ANN), scene.row(BOB)];
    is_fenced(scene, &held);
    assert_eq!([scene.row(ANN), scene.row(BOB)], rows);
    let held_by_bob = scene.holdings(StoreRequest::HoldingsOf { user: BOB });
    assert_eq!(held_by_bob.iter().map(|gem| gem.id).collect::<Vec<_>>(), [0]);
    let far = scene.commit(A, save(&held.far, 2), &[]);
    assert_eq!(
        far,
        CommitOutcome::Applied,
        "of its other region it has everybody until somebody takes that one"
    );
}

/// `A` tries whatever it may still have on its way for `WEST`.
fn is_fenced(scene: &Scene, held: &Held) {
    for row in [&held.ann, &held.bob] {
        let (user, expected) = (row.user, row.owner_epoch);
        assert_eq!(scene.save(A, save(row, 9)), SaveOutcome::Fenced);
        let drop = HoldingChange::Drop {
            holding: 0,
            region: WEST,
            x: 1.0,
            y: 1.0,
        };
        let take = HoldingChange::Take {
            holding: 1,
            region: WEST,
        };
        for changes in [vec![drop], vec![take], vec![]] {
            assert_eq!(
                scene.commit(A, save(row, 9), &changes),
                CommitOutcome::FencedByEpoch
            );
        }
        let reclaim = StoreRequest::Reclaim {
            user,
            serving: held.west,
            expected,
        };
        let last = save(row, 9);
        let (release, rebind) = (
            StoreRequest::Release {
                serving: held.west,
                save: last.clone(),
            },
            StoreRequest::RebindSession {
                serving: held.west,
                save: last.clone(),
            },
        );
        let there = scene.row(user);
        for late in [
            pass(held.west, held.east, 6, vec![last]),
            release,
            rebind,
            reclaim,
            activate(row, held.west),
            activate(&there, held.west),
        ] {
            assert_eq!(scene.ask(late), StoreReply::Refused(vec![there.clone()]));
        }
    }
    let insert = StoreRequest::InsertPlayer {
        row: row(UserId(99), held.west),
    };
    assert!(matches!(scene.ask(insert), StoreReply::NotServing(Some(_))));
    assert_eq!(scene.load(UserId(99)), None);
}

pub(crate) fn whoever_wants_the_other_regions_of_a_dead_holder_may_take_them(scene: &Scene) {
    let held = Held::by_a(scene);
    let (taker, next) = (scene.start(B), scene.start(NodeNumber(3)));
    let read = scene.holder(EAST);
    // It shows itself once more, which the next taker does not know.
    scene.ask(renew(held.lease));
    serving(&scene.ask(take_over(taker, scene.holder(WEST))));
    let now = scene.holder(EAST);
    assert_eq!((now.service, now.lease), (held.east, None));
    serving(&scene.ask(take_over(next, read)));
    assert_eq!(scene.row(FAR).owner, Some(next.node));
}

pub(crate) fn a_new_start_takes_what_the_one_before_has_held(scene: &Scene) {
    let held = Held::by_a(scene);
    scene.ask(renew(held.lease));
    let read = scene.holder(WEST);
    let itself = StoreRequest::TakeOver {
        taker: held.lease,
        holder: read,
    };
    let refused = scene.store.execute(&[itself]).remove(0);
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    let again = scene.start(A);
    let epoch = serving(&scene.ask(take_over(again, read)));
    let bob = scene.row(BOB);
    assert_eq!(
        (bob.owner, bob.region_epoch, bob.owner_epoch),
        (Some(A), epoch, held.bob.owner_epoch.next().unwrap())
    );
    assert_eq!(scene.ask(renew(again)), StoreReply::LeaseRenewed(1));
    let late = scene.save(A, save(&held.bob, 2));
    assert_eq!(late, SaveOutcome::Fenced, "the process before");
}

pub(crate) fn a_region_is_given_with_its_players(scene: &Scene) {
    let held = Held::by_a(scene);
    let give = |from, to| scene.ask(StoreRequest::GiveRegion { from, to });
    let receiver = scene.start(B);
    assert_eq!(give(held.west, NodeNumber(3)), StoreReply::LeaseEnded(None));
    let others = Serving {
        region_epoch: held.west.region_epoch.next().unwrap(),
        ..held.west
    };
    assert_eq!(give(others, B), StoreReply::Service(Some(held.west)));
    held.are_as_before(scene);

    let epoch = serving(&give(held.west, B));
    held.have_passed(scene, epoch);
    assert_eq!(scene.holder(WEST).since, receiver.incarnation);
    assert_eq!(
        scene.ask(renew(held.lease)),
        StoreReply::LeaseRenewed(1),
        "who gives serves on elsewhere"
    );
    let now = scene.holder(WEST).service;
    assert_eq!(give(held.west, B), StoreReply::Service(Some(now)));
    assert_eq!(
        give(held.west, NodeNumber(3)),
        StoreReply::Service(Some(now)),
        "that is said first"
    );
    scene.seed(2);
    is_fenced(scene, &held);
    held.have_passed(scene, epoch);
}

pub(crate) fn who_has_lost_its_lease_is_given_nothing(scene: &Scene) {
    let held = Held::by_a(scene);
    let (b, next) = (scene.start(B), scene.start(NodeNumber(3)));
    scene.serve(B, RegionNumber(3));
    serving(&scene.ask(take_over(next, scene.holder(RegionNumber(3)))));
    let give = StoreRequest::GiveRegion {
        from: held.west,
        to: B,
    };
    assert_eq!(scene.ask(give), lease_ended(b.incarnation.0));
    assert_eq!(
        scene.ask(take_over(b, scene.holder(WEST))),
        lease_ended(b.incarnation.0)
    );
    held.are_as_before(scene);
}

pub(crate) fn leases_outlive_a_raised_generation_and_epochs_begin_anew(scene: &Scene) {
    let held = Held::by_a(scene);
    let taker = scene.start(B);
    let read = scene.holder(WEST);
    scene.ask(StoreRequest::RaiseStoreGeneration);
    let starts_skipped = 1 << 12;
    let now = scene.holder(WEST);
    assert_eq!(
        now,
        RegionHolder {
            newest: Incarnation(held.lease.incarnation.0 + starts_skipped),
            ..read
        }
    );
    let epoch = serving(&scene.ask(take_over(taker, read)));
    assert_eq!(epoch, RegionEpoch::first(2));
    assert_eq!(scene.row(BOB).owner_epoch, OwnerEpoch::first(2));
    assert_eq!(scene.row(FAR), held.far);
    assert_eq!(
        scene.ask(renew(held.lease)),
        lease_ended(held.lease.incarnation.0)
    );
    assert_eq!(scene.ask(renew(taker)), StoreReply::LeaseRenewed(1));
}

pub(crate) fn requests_about_leases_go_with_others_in_one_batch(scene: &Scene) {
    let held = Held::by_a(scene);
    let taker = scene.start(B);
    let commit = |row: &PlayerRow| StoreRequest::CommitDurable {
        serving: under(A, row),
        commits: vec![DurableCommit {
            save: save(row, 3),
            changes: Vec::new(),
        }],
    };
    let committed = |outcome| Ok(StoreReply::Committed(vec![outcome]));
    let (west, east) = (scene.holder(WEST), scene.holder(EAST));
    let said = scene.store.execute(&[
        commit(&held.bob),
        StoreRequest::ReadHolder { region: WEST },
        take_over(taker, west),
        take_over(taker, east),
        renew(held.lease),
        commit(&held.ann),
        StoreRequest::LoadPlayer { user: BOB },
    ]);
    let next = |serving: Serving| Ok(StoreReply::Serving(serving.region_epoch.next().unwrap()));
    let expected = [
        committed(CommitOutcome::Applied),
        Ok(StoreReply::Holder(Some(west))),
        next(held.west),
        next(held.east),
        Ok(lease_ended(held.lease.incarnation.0)),
        committed(CommitOutcome::FencedByEpoch),
        Ok(StoreReply::Player(Some(scene.row(BOB)))),
    ];
    assert_eq!(said, expected);
    let bob = scene.row(BOB);
    assert_eq!((bob.owner, bob.version), (Some(B), StateVersion(3)));
}
