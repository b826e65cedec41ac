//! What rules make and destroy: each thing once, counted in the same step, and on the ground only where its writer serves.

use bytes::Bytes;
use protocol::ids::*;
use store::request::DurableCommit;
use store::*;

use crate::scene::*;

const SWORD: u32 = 4;
const COIN: u32 = 5;
const ROUNDS: u64 = 25;

/// The `counter`th thing that a node makes.
pub(crate) fn id(node: NodeNumber, counter: u64) -> u64 {
    holding::minted_id(node, Incarnation(1), counter as u32).unwrap()
}

pub(crate) fn mint(node: NodeNumber, counter: u64, kind: u32) -> HoldingChange {
    HoldingChange::Mint {
        holding: id(node, counter),
        kind,
        payload: Bytes::from(format!("{counter}")),
    }
}

fn burn(holding: u64) -> HoldingChange {
    HoldingChange::Burn { holding }
}

fn lay(node: NodeNumber, counter: u64) -> GroundChange {
    GroundChange::Mint {
        holding: id(node, counter),
        kind: COIN,
        payload: Bytes::from_static(b"shiny"),
        x: 1.5,
        y: 2.5,
    }
}

fn ground(serving: Serving, version: u64, changes: Vec<GroundChange>) -> StoreRequest {
    StoreRequest::CommitGround {
        serving,
        version: StateVersion(version),
        changes,
    }
}

pub(crate) fn of_kind(scene: &Scene, kind: u32) -> HoldingCount {
    let StoreReply::HoldingCounts(counts) = scene.ask(StoreRequest::CountHoldings) else {
        panic!();
    };
    assert!(counts.iter().all(HoldingCount::adds_up), "{counts:?}");
    let found = counts.into_iter().find(|count| count.kind == kind);
    found.unwrap_or(HoldingCount::none(kind))
}

use store::reply::HoldingCount;

fn lying(scene: &Scene, region: RegionNumber) -> Vec<u64> {
    let lying = scene.holdings(StoreRequest::HoldingsOnGround { region });
    lying.iter().map(|holding| holding.id).collect()
}

pub(crate) fn what_is_minted_is_there_once_with_its_payload_and_is_counted(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    let changes = [mint(A, 0, SWORD), mint(A, 1, COIN)];
    for _ in 0..2 {
        assert_eq!(scene.commit(A, save(&ann, 2), &changes), CommitOutcome::Applied);
    }
    let sword = Holding {
        id: id(A, 0),
        kind: SWORD,
        holder: Holder::User(ANN),
        payload: Bytes::from_static(b"0"),
    };
    let held = scene.holdings(StoreRequest::HoldingsOf { user: ANN });
    assert_eq!((held.len(), &held[0]), (2, &sword));
    let count = of_kind(scene, SWORD);
    assert_eq!((count.held, count.minted, count.seeded), (1, 1, 0));
    // The id was given: it is in one place, whatever a mistake asks for.
    let again = scene.commit(A, save(&ann, 3), &[mint(A, 0, COIN)]);
    assert_eq!(again, CommitOutcome::HolderMismatch(id(A, 0)));
    assert_eq!(of_kind(scene, COIN).minted, 1);
}

pub(crate) fn what_is_burned_is_gone_and_is_counted(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let (ann, bob) = (scene.spawn(ANN, west), scene.spawn(BOB, west));
    scene.commit(A, save(&ann, 2), &[mint(A, 0, SWORD), mint(A, 1, SWORD)]);
    let foreign = scene.commit(A, save(&bob, 2), &[burn(id(A, 0))]);
    assert_eq!(foreign, CommitOutcome::HolderMismatch(id(A, 0)));
    for _ in 0..2 {
        let burned = scene.commit(A, save(&ann, 3), &[burn(id(A, 0))]);
        assert_eq!(burned, CommitOutcome::Applied);
    }
    let count = of_kind(scene, SWORD);
    assert_eq!((count.held, count.minted, count.burned), (1, 2, 1));
    let gone = scene.commit(A, save(&ann, 4), &[burn(id(A, 0))]);
    assert_eq!(gone, CommitOutcome::HolderMismatch(id(A, 0)));
    // Made and destroyed in one step.
    let both = scene.commit(A, save(&ann, 4), &[mint(A, 2, COIN), burn(id(A, 2))]);
    assert_eq!(both, CommitOutcome::Applied);
    let count = of_kind(scene, COIN);
    assert_eq!((count.held, count.minted, count.burned), (0, 1, 1));
}

pub(crate) fn a_commit_that_mints_too_much_or_the_wrong_leaves_nothing(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    let half = scene.commit(A, save(&ann, 2), &[mint(A, 0, SWORD), burn(77)]);
    assert_eq!(half, CommitOutcome::HolderMismatch(77));
    assert_eq!(scene.row(ANN), ann);
    assert_eq!(of_kind(scene, SWORD), HoldingCount::none(SWORD));
    let of = |changes| StoreRequest::CommitDurable {
        serving: under(A, &ann),
        commits: vec![DurableCommit {
            save: save(&ann, 2),
            changes,
        }],
    };
    let payload = |bytes| HoldingChange::Mint {
        holding: id(A, 0),
        kind: SWORD,
        payload: Bytes::from(vec![7; bytes]),
    };
    let seeded = HoldingChange::Mint {
        holding: 5,
        kind: SWORD,
        payload: Bytes::new(),
    };
    let too_much = [
        of(vec![payload(limits::HOLDING_PAYLOAD_BYTES_MAX + 1)]),
        of(vec![mint(B, 0, SWORD)]),
        of(vec![seeded]),
        of((0..65).map(|counter| mint(A, counter, SWORD)).collect()),
    ];
    for result in scene.store.execute(&too_much) {
        assert!(matches!(result, Err(StoreError::Invalid(_))), "{result:?}");
    }
    let most: Vec<_> = (1..64).map(|counter| mint(A, counter, SWORD)).collect();
    let most = [most, vec![payload(limits::HOLDING_PAYLOAD_BYTES_MAX)]].concat();
    assert_eq!(scene.commit(A, save(&ann, 2), &most), CommitOutcome::Applied);
    assert_eq!(of_kind(scene, SWORD).held, 64);
}

pub(crate) fn ground_changes_under_the_service_and_its_version(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let committed = StoreReply::GroundCommitted;
    let first = ground(west, 1, vec![lay(A, 0), lay(A, 1)]);
    for _ in 0..2 {
        assert_eq!(scene.ask(first.clone()), committed(CommitOutcome::Applied));
    }
    assert_eq!(lying(scene, WEST), [id(A, 0), id(A, 1)]);
    let missing = ground(west, 2, vec![lay(A, 2), GroundChange::Burn { holding: id(A, 9) }]);
    let mismatch = committed(CommitOutcome::HolderMismatch(id(A, 9)));
    assert_eq!(scene.ask(missing), mismatch);
    let burn = ground(west, 2, vec![GroundChange::Burn { holding: id(A, 0) }]);
    assert_eq!(scene.ask(burn.clone()), committed(CommitOutcome::Applied));
    assert_eq!(scene.ask(first), committed(CommitOutcome::Older), "it comes late");
    assert_eq!(lying(scene, WEST), [id(A, 1)]);
    let count = of_kind(scene, COIN);
    assert_eq!((count.on_ground, count.minted, count.burned), (1, 2, 1));
    // The next service counts anew, and of the former nothing comes any more.
    let again = scene.serve(A, WEST);
    for late in [burn, ground(west, 3, vec![lay(A, 3)])] {
        assert_eq!(scene.ask(late), committed(CommitOutcome::FencedByEpoch));
    }
    let next = ground(again, 1, vec![lay(A, 4)]);
    assert_eq!(scene.ask(next), committed(CommitOutcome::Applied));
    assert_eq!(lying(scene, WEST), [id(A, 1), id(A, 4)]);
    // Seeding does not mind.
    scene.seed(1);
    assert_eq!(lying(scene, WEST), [0, id(A, 1), id(A, 4)]);
}

pub(crate) fn whoever_does_not_serve_the_region_lays_nothing_there(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    let ann = scene.spawn(ANN, west);
    scene.commit(A, save(&ann, 2), &[mint(A, 0, SWORD)]);
    let drop = |region| HoldingChange::Drop {
        holding: id(A, 0),
        region,
        x: 0.5,
        y: 0.5,
    };
    let foreign = scene.commit(A, save(&ann, 3), &[drop(EAST)]);
    assert_eq!(foreign, CommitOutcome::FencedByEpoch);
    // The region was served anew, by the same node: it has read the ground, and this comes late.
    let again = scene.serve(A, WEST);
    let late = scene.commit(A, save(&ann, 3), &[drop(WEST)]);
    assert_eq!(late, CommitOutcome::FencedByEpoch);
    let StoreReply::Activated(ann) = scene.ask(activate(&ann, again)) else {
        panic!();
    };
    assert_eq!(
        scene.commit(A, save(&ann, 3), &[drop(WEST)]),
        CommitOutcome::Applied
    );
    let fenced = StoreReply::GroundCommitted(CommitOutcome::FencedByEpoch);
    let mine = Serving { node: A, ..east };
    assert_eq!(scene.ask(ground(mine, 1, vec![lay(A, 1)])), fenced);
    assert_eq!(lying(scene, EAST), Vec::<u64>::new());
}

pub(crate) fn what_lies_is_taken_where_its_taker_stands_and_from_nowhere_else(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    let (ann, bob) = (scene.spawn(ANN, west), scene.spawn(BOB, east));
    scene.seed(2);
    let take = HoldingChange::Take {
        holding: 0,
        region: WEST,
    };
    let from_afar = scene.commit(B, save(&bob, 2), std::slice::from_ref(&take));
    assert_eq!(from_afar, CommitOutcome::FencedByEpoch, "he stands in the east");
    // The region has another service than the one that has the player.
    let newer = scene.serve(A, WEST);
    let late = scene.commit(A, save(&ann, 2), std::slice::from_ref(&take));
    assert_eq!(late, CommitOutcome::FencedByEpoch, "its ground is read by now");
    assert_eq!(lying(scene, WEST), [0, 1]);
    let StoreReply::Activated(ann) = scene.ask(activate(&ann, newer)) else {
        panic!();
    };
    assert_eq!(scene.commit(A, save(&ann, 2), &[take]), CommitOutcome::Applied);
    assert_eq!(lying(scene, WEST), [1]);
}

pub(crate) fn a_world_that_began_with_things_counts_them(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    scene.seed(3);
    let take = HoldingChange::Take {
        holding: 0,
        region: WEST,
    };
    scene.commit(A, save(&ann, 2), &[take]);
    scene.commit(A, save(&ann, 3), &[burn(0), mint(A, 0, 7)]);
    let count = of_kind(scene, 7);
    let counts = (count.held, count.on_ground, count.in_trades);
    assert_eq!(counts, (1, 2, 0));
    assert_eq!((count.seeded, count.minted, count.burned), (3, 1, 1));
}

/// Makes, lays down, takes, gives and destroys at random, much of it impossible: what is there is what was made and not destroyed.
pub(crate) fn sums_hold_under_random_commits(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let users = [UserId(1), UserId(2), UserId(3)];
    let rows = users.map(|user| scene.spawn(user, west));
    scene.seed(4);
    let mut dice = 0x1234_5678_9abc_def1_u64;
    let mut roll = |sides: u64| {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut applied = 0;
    for step in 0..60 {
        let mut commits = Vec::new();
        for _ in 0..3 {
            let mut changes = Vec::new();
            for _ in 0..=roll(2) {
                let holding = if roll(4) == 0 { roll(4) } else { id(A, roll(30)) };
                changes.push(match roll(6) {
                    0 | 1 => mint(A, roll(30), SWORD),
                    2 => burn(holding),
                    3 => HoldingChange::Give {
                        holding,
                        to: users[roll(3) as usize],
                    },
                    4 => HoldingChange::Take {
                        holding,
                        region: WEST,
                    },
                    _ => HoldingChange::Drop {
                        holding,
                        region: WEST,
                        x: 0.5,
                        y: 0.5,
                    },
                });
            }
            let save = save(&rows[roll(3) as usize], step + 2);
            commits.push(DurableCommit { save, changes });
        }
        let StoreReply::Committed(outcomes) = scene.ask(StoreRequest::CommitDurable {
            serving: west,
            commits,
        }) else {
            panic!();
        };
        let done = |outcome: &&CommitOutcome| **outcome == CommitOutcome::Applied;
        applied += outcomes.iter().filter(done).count();
        of_kind(scene, SWORD);
    }
    assert!(applied > 20, "only {applied} commits were possible");
}

pub(crate) fn of_two_who_burn_one_thing_exactly_one_does(scene: &Scene) {
    let west = scene.serve(A, WEST);
    for round in 0..ROUNDS {
        let ann = scene.spawn(UserId(100 + round), west);
        scene.commit(A, save(&ann, 2), &[mint(A, round, SWORD)]);
        let drop = HoldingChange::Drop {
            holding: id(A, round),
            region: WEST,
            x: 0.5,
            y: 0.5,
        };
        scene.commit(A, save(&ann, 3), &[drop]);
        let holding = id(A, round);
        let take = StoreRequest::CommitDurable {
            serving: under(A, &ann),
            commits: vec![DurableCommit {
                save: save(&ann, 4),
                changes: vec![HoldingChange::Take {
                    holding,
                    region: WEST,
                }],
            }],
        };
        let sweep = ground(west, round + 1, vec![GroundChange::Burn { holding }]);
        let (taken, swept) = both(|| ask(&scene.store, take), || ask(&scene.other, sweep));
        let is_taken = taken == StoreReply::Committed(vec![CommitOutcome::Applied]);
        let is_swept = swept == StoreReply::GroundCommitted(CommitOutcome::Applied);
        assert!(is_taken != is_swept, "{taken:?} {swept:?}");
        of_kind(scene, SWORD);
    }
}

/// Another server takes the region over and reads its ground while the old one still lays something there.
pub(crate) fn ground_that_is_written_while_the_region_is_taken_is_read_or_fenced(scene: &Scene) {
    for round in 0..ROUNDS {
        let west = scene.serve(A, WEST);
        let take = || {
            let serve = StoreRequest::ServeRegion {
                region: WEST,
                node: B,
                after: Some(west.region_epoch),
            };
            let served = ask(&scene.other, serve);
            assert!(matches!(served, StoreReply::Serving(_)), "{served:?}");
            ask(&scene.other, StoreRequest::HoldingsOnGround { region: WEST })
        };
        let write = ground(west, 1, vec![lay(A, round)]);
        let (said, read) = both(|| ask(&scene.store, write), take);
        let StoreReply::Holdings(read) = read else {
            panic!("{read:?}")
        };
        let is_read = read.iter().any(|holding| holding.id == id(A, round));
        let is_written = said == StoreReply::GroundCommitted(CommitOutcome::Applied);
        assert_eq!(is_read, is_written, "{said:?}");
    }
}
