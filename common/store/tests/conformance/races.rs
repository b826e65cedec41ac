//! Two processes on one store: whoever is first wins, and the other one learns it.

use protocol::ids::*;
use store::request::DurableCommit;
use store::*;

use crate::scene::*;

pub(crate) async fn of_two_servers_racing_for_a_player_exactly_one_wins(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let east = scene.serve(B, EAST).await;
    for user in 100..120 {
        let row = scene.spawn(UserId(user), west).await;
        scene
            .ask(StoreRequest::Release {
                owner: A,
                save: save(&row, 1),
            })
            .await;
        let (one, two) = tokio::join!(
            ask(&scene.store, activate(&row, west)),
            ask(&scene.other, activate(&row, east))
        );
        let won = [&one, &two]
            .into_iter()
            .filter(|reply| matches!(reply, StoreReply::Activated(_)))
            .count();
        assert_eq!(won, 1, "{one:?} {two:?}");
        assert_eq!(
            scene.row(UserId(user)).await.owner_epoch,
            row.owner_epoch.next().unwrap()
        );
    }
}

pub(crate) async fn of_two_takers_of_a_gem_exactly_one_gets_it(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let east = scene.serve(B, EAST).await;
    let ann = scene.spawn(ANN, west).await;
    let bob = scene.spawn(BOB, east).await;
    scene.seed(20).await;
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
        let (one, two) = tokio::join!(ask(&scene.store, take(A, &ann)), ask(&scene.other, take(B, &bob)));
        let got = StoreReply::Committed(vec![CommitOutcome::Applied]);
        let late = StoreReply::Committed(vec![CommitOutcome::HolderMismatch(gem)]);
        assert!(
            (one == got && two == late) || (one == late && two == got),
            "{one:?} {two:?}"
        );
    }
}

pub(crate) async fn what_one_process_wrote_the_other_reads(scene: &Scene) {
    let west = scene.serve(A, WEST).await;
    let row = scene.spawn(ANN, west).await;
    for version in 2..10 {
        assert_eq!(scene.save(A, save(&row, version)).await, SaveOutcome::Applied);
        let StoreReply::Player(Some(seen)) = ask(&scene.other, StoreRequest::LoadPlayer { user: ANN }).await
        else {
            panic!();
        };
        assert_eq!(seen.version, StateVersion(version));
    }
}
