//! A region changes hands while somebody else wants it, or while whoever has it still writes: in either order, whoever takes it has
//! everybody who is there, and nothing comes after that.

use protocol::ids::*;
use store::request::DurableCommit;
use store::*;

use crate::scene::*;

/// How often each pair meets.
const ROUNDS: u64 = 24;
const C: NodeNumber = NodeNumber(3);

/// `A` serves `WEST` with a player of its own; `B` may take it.
struct Round {
    victim: Lease,
    west: Serving,
    row: PlayerRow,
    taker: Lease,
    holder: RegionHolder,
}

impl Round {
    fn new(scene: &Scene, number: u64) -> Self {
        let (victim, taker) = (scene.start(A), scene.start(B));
        let west = scene.serve(A, WEST);
        Self {
            victim,
            west,
            row: scene.spawn(UserId(100 + number), west),
            taker,
            holder: scene.holder(WEST),
        }
    }

    fn take(&self) -> StoreRequest {
        take_over(self.taker, self.holder)
    }

    /// Takes the region over while somebody asks for something else; what is read of it then is the last that there is to know.
    fn against(&self, scene: &Scene, request: StoreRequest) -> StoreReply {
        let user = self.row.user;
        let follow = || {
            let taken = ask(&scene.other, self.take());
            let seen = ask(&scene.other, StoreRequest::LoadPlayer { user });
            let lying = ask(&scene.other, StoreRequest::HoldingsOnGround { region: WEST });
            (taken, seen, lying)
        };
        let (said, (taken, seen, lying)) = both(|| ask(&scene.store, request), follow);
        let StoreReply::Serving(epoch) = taken else {
            panic!("{taken:?}");
        };
        assert_eq!(seen, StoreReply::Player(scene.load(user)), "{said:?}");
        let now = scene.ask(StoreRequest::HoldingsOnGround { region: WEST });
        assert_eq!(lying, now, "{said:?}");
        self.is_consistent(scene, user, epoch);
        said
    }

    /// Whoever is in the region and has an owner is its server's.
    fn is_consistent(&self, scene: &Scene, user: UserId, epoch: RegionEpoch) {
        match scene.load(user) {
            Some(row) if row.region == WEST && row.owner.is_some() => {
                assert_eq!((row.owner, row.region_epoch), (Some(self.taker.node), epoch));
            }
            _ => {}
        }
    }
}

pub(crate) fn of_two_takers_of_a_region_exactly_one_gets_it(scene: &Scene) {
    for number in 0..ROUNDS {
        let round = Round::new(scene, number);
        let other = scene.start(C);
        let (one, two) = both(
            || ask(&scene.store, round.take()),
            || ask(&scene.other, take_over(other, round.holder)),
        );
        let now = scene.holder(WEST);
        let (won, late) = match now.service.node {
            B => (one, two),
            _ => (two, one),
        };
        assert_eq!(won, StoreReply::Serving(now.service.region_epoch));
        assert_eq!(
            late,
            StoreReply::Holder(Some(now)),
            "the late one learns who serves"
        );
        let row = scene.row(round.row.user);
        assert_eq!(row.owner, Some(now.service.node));
        assert_eq!(row.owner_epoch, round.row.owner_epoch.next().unwrap());
    }
}

pub(crate) fn of_two_who_take_from_each_other_exactly_one_does(scene: &Scene) {
    for _ in 0..ROUNDS {
        let (a, b) = (scene.start(A), scene.start(B));
        scene.serve(A, WEST);
        scene.serve(B, EAST);
        let (west, east) = (scene.holder(WEST), scene.holder(EAST));
        let (one, two) = both(
            || ask(&scene.store, take_over(b, west)),
            || ask(&scene.other, take_over(a, east)),
        );
        let (won, late) = match (&one, &two) {
            (StoreReply::Serving(_), late) => (b, late),
            (late, _) => (a, late),
        };
        let lost = if won == b { a } else { b };
        assert_eq!(
            late,
            &StoreReply::LeaseEnded(Some(lost.incarnation)),
            "{one:?} {two:?}"
        );
        assert_eq!(scene.ask(renew(won)), StoreReply::LeaseRenewed(1));
    }
}

pub(crate) fn a_holder_is_taken_from_or_has_shown_itself(scene: &Scene) {
    for number in 0..ROUNDS {
        let round = Round::new(scene, number);
        let (renewed, taken) = both(
            || ask(&scene.store, renew(round.victim)),
            || ask(&scene.other, round.take()),
        );
        let now = scene.holder(WEST);
        if renewed == StoreReply::LeaseRenewed(1) {
            assert_eq!((taken, now.service), (StoreReply::Holder(Some(now)), round.west));
            assert_eq!(scene.row(round.row.user), round.row);
        } else {
            assert_eq!(renewed, StoreReply::LeaseEnded(Some(round.victim.incarnation)));
            assert_eq!(taken, StoreReply::Serving(now.service.region_epoch));
        }
    }
}

pub(crate) fn a_start_and_a_takeover_of_the_one_before_never_both_count(scene: &Scene) {
    for number in 0..ROUNDS {
        let round = Round::new(scene, number);
        let next = take_over(scene.start(C), round.holder);
        let (started, taken) = both(
            || ask(&scene.store, StoreRequest::StartNode { node: A }),
            || ask(&scene.other, next),
        );
        let StoreReply::Started(incarnation) = started else {
            panic!("{started:?}")
        };
        assert!(matches!(taken, StoreReply::Serving(_)), "{taken:?}");
        let newest = Lease { node: A, incarnation };
        assert_eq!(
            scene.ask(renew(newest)),
            StoreReply::LeaseRenewed(1),
            "the lease that was ended is the older one"
        );
    }
}

pub(crate) fn a_crossing_out_of_a_region_is_over_before_it_is_taken_or_refused(scene: &Scene) {
    for number in 0..ROUNDS {
        let round = Round::new(scene, number);
        let east = scene.serve(C, EAST);
        let crossing = pass(under(A, &round.row), east, 5, vec![save(&round.row, 2)]);
        let said = round.against(scene, crossing);
        let row = scene.row(round.row.user);
        let expected = match said {
            StoreReply::Passed => (Some(C), EAST, StateVersion(2)),
            _ => (Some(B), WEST, StateVersion(1)),
        };
        assert_eq!((row.owner, row.region, row.version), expected, "{said:?}");
    }
}

pub(crate) fn who_crosses_into_a_region_is_taken_with_it_or_refused(scene: &Scene) {
    for number in 0..ROUNDS {
        let round = Round::new(scene, number);
        let east = scene.serve(C, EAST);
        let user = UserId(1000 + number);
        let comer = scene.spawn(user, east);
        let arriving = Round {
            row: comer.clone(),
            ..round
        };
        let said = arriving.against(
            scene,
            pass(under(C, &comer), arriving.west, 5, vec![save(&comer, 2)]),
        );
        let row = scene.row(user);
        match said {
            StoreReply::Passed => assert_eq!((row.owner, row.attempt), (Some(B), AttemptId(0))),
            _ => assert_eq!(row, comer),
        }
    }
}

pub(crate) fn a_commit_is_over_before_a_region_is_taken_or_fenced(scene: &Scene) {
    scene.seed(ROUNDS);
    for gem in 0..ROUNDS {
        let round = Round::new(scene, gem);
        let commit = |version, change| StoreRequest::CommitDurable {
            serving: under(A, &round.row),
            commits: vec![DurableCommit {
                save: save(&round.row, version),
                changes: vec![change],
            }],
        };
        let take = HoldingChange::Take {
            holding: gem,
            region: WEST,
        };
        let applied = StoreReply::Committed(vec![CommitOutcome::Applied]);
        assert_eq!(scene.ask(commit(2, take)), applied);
        let drop = HoldingChange::Drop {
            holding: gem,
            region: WEST,
            x: 1.0,
            y: 1.0,
        };
        let said = round.against(scene, commit(3, drop));
        let row = scene.row(round.row.user);
        let held = scene.holdings(StoreRequest::HoldingsOf { user: row.user }).len();
        if said == applied {
            assert_eq!((row.version, held), (StateVersion(3), 0));
        } else {
            assert_eq!(said, StoreReply::Committed(vec![CommitOutcome::FencedByEpoch]));
            assert_eq!((row.version, held), (StateVersion(2), 1));
        }
    }
}

pub(crate) fn who_is_activated_in_a_region_is_taken_with_it_or_refused(scene: &Scene) {
    for number in 0..ROUNDS {
        let round = Round::new(scene, number);
        let release = StoreRequest::Release {
            serving: under(A, &round.row),
            save: save(&round.row, 2),
        };
        assert_eq!(scene.ask(release), StoreReply::Released);
        let said = round.against(scene, activate(&round.row, round.west));
        let row = scene.row(round.row.user);
        match said {
            StoreReply::Activated(_) => assert_eq!(row.owner, Some(B)),
            _ => assert_eq!((row.owner, row.owner_epoch), (None, round.row.owner_epoch)),
        }
    }
}

pub(crate) fn who_is_inserted_in_a_region_is_taken_with_it_or_refused(scene: &Scene) {
    for number in 0..ROUNDS {
        let round = Round::new(scene, number);
        let comer = row(UserId(1000 + number), round.west);
        let arriving = Round {
            row: comer.clone(),
            ..round
        };
        let said = arriving.against(scene, StoreRequest::InsertPlayer { row: comer.clone() });
        let owner = scene.load(comer.user).map(|row| row.owner);
        match said {
            StoreReply::Inserted(_) => assert_eq!(owner, Some(Some(B))),
            StoreReply::NotServing(_) => assert_eq!(owner, None),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn a_region_that_is_given_and_taken_at_once_changes_hands_once(scene: &Scene) {
    for number in 0..ROUNDS {
        let round = Round::new(scene, number);
        scene.start(C);
        let give = StoreRequest::GiveRegion {
            from: round.west,
            to: C,
        };
        let (given, taken) = both(|| ask(&scene.store, give), || ask(&scene.other, round.take()));
        let now = scene.holder(WEST);
        let serving = StoreReply::Serving(now.service.region_epoch);
        match now.service.node {
            C => assert_eq!((given, taken), (serving, StoreReply::Holder(Some(now)))),
            _ => assert_eq!((taken, given), (serving, StoreReply::Service(Some(now.service)))),
        }
        let row = scene.row(round.row.user);
        assert_eq!(row.owner, Some(now.service.node));
        assert_eq!(row.owner_epoch, round.row.owner_epoch.next().unwrap());
    }
}
