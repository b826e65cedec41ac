//! Two processes on one store: whoever is first wins, and the other one learns it.

use protocol::ids::*;
use store::request::DurableCommit;
use store::*;

use crate::scene::*;

pub(crate) fn of_two_servers_racing_for_a_player_exactly_one_wins(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let east = scene.serve(B, EAST);
    for user in 100..120 {
        let row = scene.spawn(UserId(user), west);
        scene.ask(StoreRequest::Release {
            owner: A,
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
    let east = scene.serve(B, EAST);
    let ann = scene.spawn(ANN, west);
    let bob = scene.spawn(BOB, east);
    scene.seed(20);
    for gem in 0..20 {
        let take = |owner, row: &PlayerRow| StoreRequest::CommitDurable {
            owner,
            commits: vec![DurableCommit {
                save: save(row, gem + 2),
                changes: vec![HoldingChange::Take {
                    holding: gem,
                    region: WEST,
                }],
            }],
        };
        let (one, two) = both(
            || ask(&scene.store, take(A, &ann)),
            || ask(&scene.other, take(B, &bob)),
        );
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
