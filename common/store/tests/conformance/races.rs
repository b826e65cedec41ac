//! Two processes on one store: whoever is first wins, and the other one learns it.

use bytes::Bytes;
use protocol::ids::*;
use store::request::{DurableCommit, ForgottenGuest};
use store::*;

use crate::scene::*;

pub(crate) fn of_two_servers_racing_for_a_player_exactly_one_wins(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    for user in 100..120 {
        let row = scene.spawn(UserId(user), west);
        scene.ask(StoreRequest::Release {
            serving: under(A, &row),
            save: save(&row, 1),
        });
        let (one, two) = both(
            || ask(&scene.store, activate(&row, west)),
            || ask(&scene.other, activate(&row, east)),
        );
        let won = [&one, &two]
            .into_iter()
            .filter(|reply| matches!(reply, StoreReply::Activated(_)))
            .count();
        assert_eq!(won, 1, "{one:?} {two:?}");
        assert_eq!(
            scene.row(UserId(user)).owner_epoch,
            row.owner_epoch.next().unwrap()
        );
    }
}

pub(crate) fn of_two_takers_of_a_gem_exactly_one_gets_it(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    let bob = scene.spawn(BOB, west);
    scene.seed(20);
    for gem in 0..20 {
        let take = |row: &PlayerRow| StoreRequest::CommitDurable {
            serving: under(A, row),
            commits: vec![DurableCommit {
                save: save(row, gem + 2),
                changes: vec![HoldingChange::Take {
                    holding: gem,
                    region: WEST,
                }],
            }],
        };
        let (one, two) = both(|| ask(&scene.store, take(&ann)), || ask(&scene.other, take(&bob)));
        let got = StoreReply::Committed(vec![CommitOutcome::Applied]);
        let late = StoreReply::Committed(vec![CommitOutcome::HolderMismatch(gem)]);
        assert!(
            (one == got && two == late) || (one == late && two == got),
            "{one:?} {two:?}"
        );
    }
}

pub(crate) fn what_one_process_wrote_the_other_reads(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let row = scene.spawn(ANN, west);
    for version in 2..10 {
        assert_eq!(scene.save(A, save(&row, version)), SaveOutcome::Applied);
        let StoreReply::Player(Some(seen)) = ask(&scene.other, StoreRequest::LoadPlayer { user: ANN }) else {
            panic!();
        };
        assert_eq!(seen.version, StateVersion(version));
    }
}

/// How often each pair meets.
const ROUNDS: u64 = 24;

fn guest(number: u64) -> UserId {
    UserId((1 << 40) + number)
}

fn take(owner: NodeNumber, row: &PlayerRow, version: u64, gem: u64) -> StoreRequest {
    let changes = vec![HoldingChange::Take {
        holding: gem,
        region: WEST,
    }];
    commit(owner, row, version, changes)
}

fn commit(owner: NodeNumber, row: &PlayerRow, version: u64, changes: Vec<HoldingChange>) -> StoreRequest {
    let save = save(row, version);
    StoreRequest::CommitDurable {
        serving: under(owner, row),
        commits: vec![DurableCommit { save, changes }],
    }
}

fn committed(outcome: CommitOutcome) -> StoreReply {
    StoreReply::Committed(vec![outcome])
}

pub(crate) fn of_two_services_that_begin_after_the_same_one_exactly_one_does(scene: &Scene) {
    let mut after = None;
    for _ in 0..ROUNDS {
        let serve = |node| StoreRequest::ServeRegion {
            region: WEST,
            node,
            after,
        };
        let (one, other) = both(|| ask(&scene.store, serve(A)), || ask(&scene.other, serve(B)));
        let (node, epoch, late) = match (one, other) {
            (StoreReply::Serving(epoch), late) => (A, epoch, late),
            (late, StoreReply::Serving(epoch)) => (B, epoch, late),
            neither => panic!("{neither:?}"),
        };
        let newest = Serving {
            node,
            region: WEST,
            region_epoch: epoch,
        };
        assert_eq!(
            late,
            StoreReply::Service(Some(newest)),
            "the late one learns who serves"
        );
        after = Some(epoch);
    }
}

pub(crate) fn an_activation_and_a_crossing_never_both_get_a_player(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    for user in 100..100 + ROUNDS {
        let row = scene.spawn(UserId(user), west);
        let (activated, passed) = both(
            || ask(&scene.store, activate(&row, west)),
            || {
                ask(
                    &scene.other,
                    pass(under(A, &row), east, user, vec![save(&row, 2)]),
                )
            },
        );
        let now = scene.row(row.user);
        assert_eq!(now.owner_epoch, row.owner_epoch.next().unwrap());
        match now.owner {
            Some(B) => assert_eq!((&passed, now.attempt), (&StoreReply::Passed, AttemptId(user))),
            _ => assert_eq!(activated, StoreReply::Activated(now)),
        }
        let won = [
            matches!(activated, StoreReply::Activated(_)),
            passed == StoreReply::Passed,
        ];
        assert_eq!(
            won.iter().filter(|won| **won).count(),
            1,
            "{activated:?} {passed:?}"
        );
    }
}

pub(crate) fn a_crossing_and_its_reclaim_never_both_apply(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    for user in 100..100 + ROUNDS {
        let row = scene.spawn(UserId(user), west);
        let reclaim = StoreRequest::Reclaim {
            user: row.user,
            serving: west,
            expected: row.owner_epoch,
        };
        let (passed, reclaimed) = both(
            || {
                ask(
                    &scene.store,
                    pass(under(A, &row), east, user, vec![save(&row, 2)]),
                )
            },
            || ask(&scene.other, reclaim),
        );
        let now = scene.row(row.user);
        let steps = now.owner_epoch.0 - row.owner_epoch.0;
        match passed {
            StoreReply::Passed => assert_eq!((now.owner, steps), (Some(B), 1), "{reclaimed:?}"),
            _ => assert_eq!((reclaimed, steps), (StoreReply::Activated(now), 2)),
        }
    }
}

/// Another server takes the region over, and a player with it, while the old one still writes.
pub(crate) fn a_commit_is_in_the_row_that_a_new_owner_gets_or_is_fenced(scene: &Scene) {
    scene.seed(ROUNDS);
    for gem in 0..ROUNDS {
        let west = scene.serve(A, WEST);
        let row = scene.spawn(UserId(100 + gem), west);
        let take_over = || {
            let serve = StoreRequest::ServeRegion {
                region: WEST,
                node: B,
                after: Some(west.region_epoch),
            };
            let StoreReply::Serving(region_epoch) = ask(&scene.other, serve) else {
                panic!("nobody else serves");
            };
            let serving = Serving {
                node: B,
                region_epoch,
                ..west
            };
            match ask(&scene.other, activate(&row, serving)) {
                StoreReply::Activated(row) => row,
                other => panic!("{other:?}"),
            }
        };
        let (said, taken) = both(|| ask(&scene.store, take(A, &row, 2, gem)), take_over);
        let holdings = scene.holdings(StoreRequest::HoldingsOf { user: row.user });
        if said == committed(CommitOutcome::Applied) {
            assert_eq!((taken.version, holdings.len()), (StateVersion(2), 1));
        } else {
            assert_eq!(said, committed(CommitOutcome::FencedByEpoch));
            assert_eq!((taken.version, holdings.len()), (StateVersion(1), 0));
        }
    }
}

pub(crate) fn nobody_is_activated_under_a_service_that_another_one_has_followed(scene: &Scene) {
    for user in 100..100 + ROUNDS {
        let west = scene.serve(A, WEST);
        let row = scene.spawn(UserId(user), west);
        let serve = StoreRequest::ServeRegion {
            region: WEST,
            node: B,
            after: Some(west.region_epoch),
        };
        // The new owner reads what it has got as soon as it serves: whatever comes later must have been refused.
        let follow = || {
            let served = ask(&scene.other, serve);
            (
                served,
                ask(&scene.other, StoreRequest::LoadPlayer { user: row.user }),
            )
        };
        let (activated, (served, seen)) = both(|| ask(&scene.store, activate(&row, west)), follow);
        assert!(matches!(served, StoreReply::Serving(_)), "{served:?}");
        assert_eq!(seen, StoreReply::Player(scene.load(row.user)));
        let got = matches!(activated, StoreReply::Activated(_));
        assert_eq!(got, scene.row(row.user).owner_epoch > row.owner_epoch);
    }
}

pub(crate) fn a_guest_comes_back_or_is_forgotten(scene: &Scene) {
    let west = scene.serve(A, WEST);
    scene.seed(ROUNDS);
    for number in 0..ROUNDS {
        let row = scene.spawn(guest(number), west);
        assert_eq!(
            ask(&scene.store, take(A, &row, 2, number)),
            committed(CommitOutcome::Applied)
        );
        scene.ask(StoreRequest::Release {
            serving: under(A, &row),
            save: save(&row, 3),
        });
        let forget = StoreRequest::ForgetGuests {
            serving: west,
            idle_ms: 0,
            guests: vec![ForgottenGuest {
                user: row.user,
                owner_epoch: row.owner_epoch,
                x: 1.5,
                y: 2.5,
            }],
        };
        let (forgotten, activated) = both(
            || ask(&scene.store, forget),
            || ask(&scene.other, activate(&row, west)),
        );
        let StoreReply::Forgotten { guests, holdings } = forgotten else {
            panic!("{forgotten:?}")
        };
        let held = scene.holdings(StoreRequest::HoldingsOf { user: row.user }).len();
        match scene.load(row.user) {
            Some(row) => assert_eq!((activated, guests, held), (StoreReply::Activated(row), 0, 1)),
            None => assert_eq!(
                (activated, guests, held, holdings.len()),
                (StoreReply::Refused(Vec::new()), 1, 0, 1)
            ),
        }
    }
}

pub(crate) fn a_gift_to_a_guest_who_is_forgotten_is_not_lost(scene: &Scene) {
    let west = scene.serve(A, WEST);
    scene.seed(ROUNDS);
    let ann = scene.spawn(ANN, west);
    for number in 0..ROUNDS {
        let row = scene.spawn(guest(number), west);
        let version = 2 + 2 * number;
        assert_eq!(
            ask(&scene.store, take(A, &ann, version, number)),
            committed(CommitOutcome::Applied)
        );
        scene.ask(StoreRequest::Release {
            serving: under(A, &row),
            save: save(&row, 2),
        });
        let gift = HoldingChange::Give {
            holding: number,
            to: row.user,
        };
        let forget = StoreRequest::ForgetGuests {
            serving: west,
            idle_ms: 0,
            guests: vec![ForgottenGuest {
                user: row.user,
                owner_epoch: row.owner_epoch,
                x: 1.5,
                y: 2.5,
            }],
        };
        let (given, forgotten) = both(
            || ask(&scene.store, commit(A, &ann, version + 1, vec![gift])),
            || ask(&scene.other, forget),
        );
        assert_eq!(scene.load(row.user), None, "{forgotten:?}");
        let lying = scene.holdings(StoreRequest::HoldingsOnGround { region: WEST });
        let fell = lying.iter().any(|holding| holding.id == number);
        let held = scene.holdings(StoreRequest::HoldingsOf { user: ANN });
        let kept = held.iter().any(|holding| holding.id == number);
        assert_eq!(given == committed(CommitOutcome::Applied), fell, "{given:?}");
        assert_ne!(kept, fell);
    }
}

pub(crate) fn a_user_that_comes_twice_at_once_gets_one_row(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    for user in 100..100 + ROUNDS {
        let insert = |serving| StoreRequest::InsertPlayer {
            row: row(UserId(user), serving),
        };
        let (one, other) = both(
            || ask(&scene.store, insert(west)),
            || ask(&scene.other, insert(east)),
        );
        let now = scene.row(UserId(user));
        let pair = (StoreReply::Inserted(now.clone()), StoreReply::Exists(now));
        assert!(
            (&one, &other) == (&pair.0, &pair.1) || (&other, &one) == (&pair.0, &pair.1),
            "{one:?} {other:?}"
        );
    }
}

pub(crate) fn a_region_that_is_seeded_twice_at_once_has_its_holdings_once(scene: &Scene) {
    for region in 1..=ROUNDS as u32 {
        let region = RegionNumber(region);
        let seed = |seed| StoreRequest::SeedHoldings {
            region,
            seed,
            holdings: (0..5)
                .map(|id| Holding {
                    id: u64::from(region.0) * 100 + id,
                    kind: 7,
                    holder: Holder::Ground {
                        region,
                        x: 0.5,
                        y: 0.5,
                    },
                    payload: Bytes::new(),
                })
                .collect(),
        };
        let (one, other) = both(|| ask(&scene.store, seed(1)), || ask(&scene.other, seed(2)));
        assert_eq!(one, other);
        assert_eq!(scene.holdings(StoreRequest::HoldingsOnGround { region }).len(), 5);
    }
}

pub(crate) fn no_number_is_given_twice(scene: &Scene) {
    let mut given = std::collections::BTreeSet::new();
    let requests = [
        StoreRequest::NextGuest,
        StoreRequest::RaiseSession { user: ANN },
        StoreRequest::StartNode { node: A },
        StoreRequest::RaiseStoreGeneration,
    ];
    // In both orders, so that each waits for what the other one has.
    let mut backwards = requests.to_vec();
    backwards.reverse();
    for _ in 0..ROUNDS {
        let (one, other) = both(
            || scene.store.execute(&requests),
            || scene.other.execute(&backwards),
        );
        for result in one.into_iter().chain(other) {
            assert!(given.insert(format!("{:?}", result.unwrap())));
        }
    }
}

/// Batches that want the same rows in opposite orders, as two servers send them that see the same crowd.
pub(crate) fn batches_that_cross_each_other_all_go_through(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    scene.seed(2);
    let (ann, bob) = (scene.spawn(ANN, west), scene.spawn(BOB, east));
    let take = |holding| HoldingChange::Take {
        holding,
        region: WEST,
    };
    let gift = HoldingChange::Give { holding: 1, to: BOB };
    let one_each = commit(A, &ann, 2, vec![take(0), take(1), gift]);
    assert_eq!(ask(&scene.store, one_each), committed(CommitOutcome::Applied));
    for round in 1..=ROUNDS {
        let version = 1 + 2 * round;
        let give = |from: &PlayerRow, to: &PlayerRow, owner, gem| {
            let gift = |holding, to| HoldingChange::Give { holding, to };
            [
                commit(owner, from, version, vec![gift(gem, to.user)]),
                commit(owner, from, version + 1, vec![]),
            ]
        };
        // Each gives away what it got in the round before.
        let (of_ann, of_bob) = if round % 2 == 1 { (0, 1) } else { (1, 0) };
        let (one, other) = both(
            || scene.store.execute(&give(&ann, &bob, A, of_ann)),
            || scene.other.execute(&give(&bob, &ann, B, of_bob)),
        );
        for result in one.into_iter().chain(other) {
            assert_eq!(result, Ok(committed(CommitOutcome::Applied)), "round {round}");
        }
    }
}
