//! Durable commands: exactly once, and every gem in exactly one place.

use bytes::Bytes;
use protocol::ids::*;
use store::request::DurableCommit;
use store::*;

use crate::scene::*;

fn take(holding: u64) -> HoldingChange {
    HoldingChange::Take {
        holding,
        region: WEST,
    }
}

fn give(holding: u64, to: UserId) -> HoldingChange {
    HoldingChange::Give { holding, to }
}

pub(crate) fn a_commit_moves_row_and_holdings_together_or_not_at_all(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    scene.seed(3);
    let missing = scene.commit(A, save(&ann, 2), &[take(0), take(1), take(77)]);
    assert_eq!(missing, CommitOutcome::HolderMismatch(77));
    assert_eq!(scene.row(ANN), ann, "the row was taken back");
    assert_eq!(
        scene
            .holdings(StoreRequest::HoldingsOnGround { region: WEST })
            .len(),
        3,
        "and the gems"
    );

    assert_eq!(
        scene.commit(A, save(&ann, 2), &[take(0), take(1)]),
        CommitOutcome::Applied
    );
    assert_eq!(scene.row(ANN).body, body(2));
    let chains = scene.ask(StoreRequest::ReadChains {
        users: vec![BOB, ANN],
    });
    let chain = reply::Chain {
        user: ANN,
        last_command: CommandNumber(2),
        chain_hash: [2; 32],
    };
    assert_eq!(chains, StoreReply::Chains(vec![chain]));
}

pub(crate) fn a_dropped_holding_lies_on_the_ground_and_is_counted_there(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    scene.seed(3);
    scene.commit(A, save(&ann, 2), &[take(0), take(1)]);
    let drop = |region| HoldingChange::Drop {
        holding: 0,
        region,
        x: 1.5,
        y: -2.5,
    };
    let elsewhere = scene.commit(A, save(&ann, 3), &[drop(EAST)]);
    assert_eq!(elsewhere, CommitOutcome::FencedByEpoch);
    assert_eq!(
        scene.commit(A, save(&ann, 3), &[drop(WEST)]),
        CommitOutcome::Applied
    );
    let dropped = Holding {
        id: 0,
        kind: 7,
        holder: Holder::Ground {
            region: WEST,
            x: 1.5,
            y: -2.5,
        },
        payload: Bytes::new(),
    };
    assert_eq!(
        scene.holdings(StoreRequest::HoldingsOnGround { region: WEST })[0],
        dropped
    );
    let held = Holding {
        id: 1,
        kind: 7,
        holder: Holder::User(ANN),
        payload: Bytes::new(),
    };
    assert_eq!(scene.holdings(StoreRequest::HoldingsOf { user: ANN }), [held]);
    let counts = StoreReply::HoldingCounts(vec![reply::HoldingCount {
        kind: 7,
        held: 1,
        on_ground: 2,
        seeded: 3,
        ..Default::default()
    }]);
    assert_eq!(scene.ask(StoreRequest::CountHoldings), counts);
}

pub(crate) fn a_repeated_commit_changes_nothing_and_is_answered_the_same(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    scene.seed(1);
    for _ in 0..2 {
        assert_eq!(scene.commit(A, save(&ann, 2), &[take(0)]), CommitOutcome::Applied);
    }
    let mut different = save(&ann, 2);
    different.body.chain_hash = [9; 32];
    assert_eq!(
        scene.commit(A, different, &[]),
        CommitOutcome::Older,
        "other commands under the same version"
    );
    assert_eq!(scene.commit(A, save(&ann, 1), &[]), CommitOutcome::Older);
}

pub(crate) fn a_fenced_commit_moves_no_holding(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    scene.seed(1);
    assert_eq!(
        scene.commit(B, save(&ann, 2), &[take(0)]),
        CommitOutcome::FencedByEpoch
    );
    scene.ask(activate(&ann, west));
    assert_eq!(
        scene.commit(A, save(&ann, 2), &[take(0)]),
        CommitOutcome::FencedByEpoch
    );
    assert_eq!(scene.holdings(StoreRequest::HoldingsOf { user: ANN }), []);
}

/// A row keeps owner and epoch when its region is served anew, until it is activated there: only the service tells who is over.
pub(crate) fn a_durable_write_is_made_under_the_current_service_of_its_row(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(A, EAST));
    let row = scene.spawn(ANN, west);
    let commit = |serving, row: &PlayerRow, version| {
        let commits = vec![DurableCommit {
            save: save(row, version),
            changes: Vec::new(),
        }];
        match scene.ask(StoreRequest::CommitDurable { serving, commits }) {
            StoreReply::Committed(outcomes) => outcomes[0],
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        commit(east, &row, 2),
        CommitOutcome::FencedByEpoch,
        "another region of its node"
    );
    assert_eq!(commit(west, &row, 2), CommitOutcome::Applied);
    // Another process of the node begins.
    let anew = scene.serve(A, WEST);
    let before = scene.row(ANN);
    for serving in [west, anew, east] {
        assert_eq!(
            commit(serving, &row, 3),
            CommitOutcome::FencedByEpoch,
            "{serving:?}"
        );
        let save = save(&row, 3);
        for write in [
            pass(serving, east, 5, vec![save.clone()]),
            StoreRequest::Release {
                serving,
                save: save.clone(),
            },
            StoreRequest::RebindSession { serving, save },
        ] {
            let refused = StoreReply::Refused(vec![before.clone()]);
            assert_eq!(scene.ask(write), refused, "{serving:?}");
        }
    }
    assert_eq!(
        commit(west, &row, 2),
        CommitOutcome::Applied,
        "what was written is answered as the first time"
    );
    assert_eq!(scene.row(ANN), before);
    let StoreReply::Activated(row) = scene.ask(activate(&row, anew)) else {
        panic!("it may be activated");
    };
    assert_eq!(commit(anew, &row, 3), CommitOutcome::Applied);
    assert_eq!(
        scene.ask(pass(anew, east, 5, vec![save(&row, 3)])),
        StoreReply::Passed
    );
}

pub(crate) fn a_gift_needs_giver_and_receiver(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let ann = scene.spawn(ANN, west);
    scene.seed(1);
    assert_eq!(
        scene.commit(A, save(&ann, 2), &[give(0, BOB)]),
        CommitOutcome::HolderMismatch(0)
    );
    assert_eq!(scene.commit(A, save(&ann, 2), &[take(0)]), CommitOutcome::Applied);
    assert_eq!(
        scene.commit(A, save(&ann, 3), &[give(0, BOB)]),
        CommitOutcome::NoReceiver(0)
    );
    scene.spawn(BOB, west);
    assert_eq!(
        scene.commit(A, save(&ann, 3), &[give(0, BOB)]),
        CommitOutcome::Applied
    );
    assert_eq!(
        scene.commit(A, save(&ann, 4), &[give(0, BOB)]),
        CommitOutcome::HolderMismatch(0)
    );
    assert_eq!(scene.holdings(StoreRequest::HoldingsOf { user: BOB }).len(), 1);
}

pub(crate) fn a_region_is_seeded_once(scene: &Scene) {
    // Who is to hold something has a row.
    let west = scene.serve(A, WEST);
    scene.spawn(ANN, west);
    let gem = Holding {
        id: 5,
        kind: 7,
        holder: Holder::User(ANN),
        payload: Bytes::new(),
    };
    let twice = StoreRequest::SeedHoldings {
        region: WEST,
        seed: 1,
        holdings: vec![gem.clone(), gem.clone()],
    };
    assert!(matches!(
        scene.store.execute(&[twice])[0],
        Err(StoreError::Invalid(_))
    ));
    scene.seed(4);
    let again = |region, holdings| StoreRequest::SeedHoldings {
        region,
        seed: 100,
        holdings,
    };
    assert_eq!(
        scene.ask(again(WEST, vec![gem.clone()])),
        StoreReply::Seeded(99),
        "tells what it was seeded with"
    );
    // On a former map its place lay in another region, and somebody may have carried it off since.
    let known = Holding { id: 2, ..gem.clone() };
    let other = Holding { id: 9, ..gem };
    assert_eq!(
        scene.ask(again(EAST, vec![known.clone(), other])),
        StoreReply::Seeded(100)
    );
    let page = scene.holdings(StoreRequest::AllHoldings { after: Some(1) });
    assert_ne!(page[0].holder, known.holder, "it stays where it is");
    assert_eq!(
        page.iter().map(|holding| holding.id).collect::<Vec<_>>(),
        [2, 3, 9]
    );
}

/// Takes, gives and drops at random, many of them impossible: all gems are always there, each once.
pub(crate) fn gems_are_conserved_under_random_commits(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let users = [UserId(1), UserId(2), UserId(3)];
    let mut rows = Vec::new();
    for user in users {
        rows.push(scene.spawn(user, west));
    }
    scene.seed(8);
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |sides: u64| {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut applied = 0;
    for step in 0..40 {
        let commits: Vec<DurableCommit> = (0..4)
            .map(|_| {
                let changes = (0..=roll(2)).map(|_| match roll(3) {
                    0 => take(roll(8)),
                    1 => give(roll(8), users[roll(3) as usize]),
                    _ => HoldingChange::Drop {
                        holding: roll(8),
                        region: WEST,
                        x: 0.0,
                        y: 0.0,
                    },
                });
                let changes = changes.collect();
                DurableCommit {
                    changes,
                    save: save(&rows[roll(3) as usize], step + 2),
                }
            })
            .collect();
        let StoreReply::Committed(outcomes) = scene.ask(StoreRequest::CommitDurable {
            serving: west,
            commits,
        }) else {
            panic!();
        };
        applied += outcomes
            .iter()
            .filter(|outcome| **outcome == CommitOutcome::Applied)
            .count();
        let all = scene.holdings(StoreRequest::AllHoldings { after: None });
        assert_eq!(
            all.iter().map(|holding| holding.id).collect::<Vec<_>>(),
            (0..8).collect::<Vec<_>>()
        );
    }
    assert!(applied > 20, "only {applied} commits were possible");
}
