//! Trades: several things for several, both or neither, and nothing is lost when one of the two is not there.

use protocol::ids::*;
use store::request::{DurableCommit, ForgottenGuest};
use store::*;

use crate::scene::*;
use crate::valuables::{id, mint, of_kind};

const KIND: u32 = 4;
const ROUNDS: u64 = 25;
const HOUR_MS: u64 = 3_600_000;

fn trade(counter: u64) -> TradeId {
    TradeId(id(A, 1000 + counter))
}

fn offer(counter: u64, to: UserId, gives: &[u64], wants: &[u64]) -> HoldingChange {
    HoldingChange::Offer(Offer {
        trade: trade(counter),
        to,
        gives: gives.to_vec(),
        wants: wants.to_vec(),
        lasts_ms: HOUR_MS,
    })
}

fn overdue(counter: u64, to: UserId, gives: &[u64]) -> HoldingChange {
    HoldingChange::Offer(Offer {
        trade: trade(counter),
        to,
        gives: gives.to_vec(),
        wants: Vec::new(),
        lasts_ms: 0,
    })
}

fn accept(counter: u64, from: UserId) -> HoldingChange {
    HoldingChange::Accept {
        trade: trade(counter),
        from,
    }
}

fn cancel(counter: u64, from: UserId) -> HoldingChange {
    HoldingChange::Cancel {
        trade: trade(counter),
        from,
    }
}

fn commit(owner: NodeNumber, row: &PlayerRow, version: u64, changes: Vec<HoldingChange>) -> StoreRequest {
    let save = save(row, version);
    StoreRequest::CommitDurable {
        serving: under(owner, row),
        commits: vec![DurableCommit { save, changes }],
    }
}

fn held(scene: &Scene, user: UserId) -> Vec<u64> {
    let held = scene.holdings(StoreRequest::HoldingsOf { user });
    held.iter().map(|holding| holding.id).collect()
}

fn is_applied(reply: &StoreReply) -> bool {
    *reply == StoreReply::Committed(vec![CommitOutcome::Applied])
}

/// Ann in the west has 0 and 1, Bob in the east 2 and 3.
fn two(scene: &Scene) -> (PlayerRow, PlayerRow) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    let (ann, bob) = (scene.spawn(ANN, west), scene.spawn(BOB, east));
    for (owner, row, first) in [(A, &ann, 0), (B, &bob, 2)] {
        let things: Vec<_> = (first..first + 2)
            .map(|counter| mint(owner, counter, KIND))
            .collect();
        assert_eq!(scene.commit(owner, save(row, 2), &things), CommitOutcome::Applied);
    }
    (ann, bob)
}

pub(crate) fn what_is_offered_is_in_the_trade_until_it_is_accepted(scene: &Scene) {
    let (ann, bob) = two(scene);
    let offers = [offer(0, BOB, &[id(A, 0), id(A, 1)], &[id(B, 2)])];
    for _ in 0..2 {
        assert_eq!(scene.commit(A, save(&ann, 3), &offers), CommitOutcome::Applied);
    }
    assert_eq!(held(scene, ANN), Vec::<u64>::new());
    let all = scene.holdings(StoreRequest::AllHoldings { after: None });
    let inside = all
        .iter()
        .filter(|holding| holding.holder == Holder::Trade(trade(0)));
    assert_eq!(inside.count(), 2);
    assert_eq!(of_kind(scene, KIND).in_trades, 2);
    let twice = scene.commit(A, save(&ann, 4), &[offer(1, BOB, &[id(A, 0)], &[])]);
    assert_eq!(twice, CommitOutcome::HolderMismatch(id(A, 0)));
    for _ in 0..2 {
        let accepted = scene.commit(B, save(&bob, 3), &[accept(0, ANN)]);
        assert_eq!(accepted, CommitOutcome::Applied);
    }
    assert_eq!(held(scene, ANN), [id(B, 2)]);
    assert_eq!(held(scene, BOB), [id(A, 0), id(A, 1), id(B, 3)]);
    assert_eq!(of_kind(scene, KIND).in_trades, 0);
    let again = scene.commit(B, save(&bob, 4), &[accept(0, ANN)]);
    assert_eq!(again, CommitOutcome::TradeClosed(trade(0).0));
}

pub(crate) fn an_offer_needs_its_holdings_and_somebody_to_accept(scene: &Scene) {
    let (ann, _) = two(scene);
    let foreign = scene.commit(A, save(&ann, 3), &[offer(0, BOB, &[id(A, 0), id(B, 2)], &[])]);
    assert_eq!(foreign, CommitOutcome::HolderMismatch(id(B, 2)));
    let nobody = scene.commit(A, save(&ann, 3), &[offer(0, UserId(99), &[id(A, 0)], &[])]);
    assert_eq!(nobody, CommitOutcome::NoReceiver(trade(0).0));
    assert_eq!(held(scene, ANN).len(), 2);
    let many: Vec<_> = (0..limits::TRADES_OPEN_MAX as u64)
        .map(|counter| offer(counter, BOB, &[], &[id(B, 2)]))
        .collect();
    assert_eq!(scene.commit(A, save(&ann, 3), &many), CommitOutcome::Applied);
    let more = scene.commit(A, save(&ann, 4), &[offer(20, BOB, &[], &[])]);
    assert_eq!(more, CommitOutcome::TradeClosed(trade(20).0), "so many are open");
    let large = |gives: u64, trade, lasts_ms| {
        let offer = Offer {
            trade,
            to: BOB,
            gives: (0..gives).collect(),
            wants: Vec::new(),
            lasts_ms,
        };
        commit(A, &ann, 4, vec![HoldingChange::Offer(offer)])
    };
    let most = limits::TRADE_HOLDINGS_MAX as u64;
    let refused = [
        large(most + 1, trade(21), 1),
        large(1, TradeId(5), 1),
        large(1, TradeId(id(B, 5)), 1),
        large(1, trade(21), limits::TRADE_LASTS_MS_MAX + 1),
    ];
    for result in scene.store.execute(&refused) {
        assert!(matches!(result, Err(StoreError::Invalid(_))), "{result:?}");
    }
}

pub(crate) fn a_trade_is_accepted_with_all_that_is_wanted_or_not_at_all(scene: &Scene) {
    let (ann, bob) = two(scene);
    let wants = [id(B, 2), id(A, 1)];
    scene.commit(A, save(&ann, 3), &[offer(0, BOB, &[id(A, 0)], &wants)]);
    let lacks = scene.commit(B, save(&bob, 3), &[accept(0, ANN)]);
    assert_eq!(
        lacks,
        CommitOutcome::HolderMismatch(id(A, 1)),
        "Ann has that herself"
    );
    assert_eq!((held(scene, ANN), held(scene, BOB).len()), (vec![id(A, 1)], 2));
    let gift = HoldingChange::Give {
        holding: id(A, 1),
        to: BOB,
    };
    scene.commit(A, save(&ann, 4), &[gift]);
    let other = scene.commit(B, save(&bob, 3), &[accept(0, BOB)]);
    assert_eq!(
        other,
        CommitOutcome::TradeClosed(trade(0).0),
        "it is not Bob's offer"
    );
    assert_eq!(
        scene.commit(B, save(&bob, 3), &[accept(0, ANN)]),
        CommitOutcome::Applied
    );
    assert_eq!(held(scene, ANN), [id(A, 1), id(B, 2)]);
}

pub(crate) fn a_trade_is_cancelled_by_either_side_and_by_nobody_else(scene: &Scene) {
    let (ann, bob) = two(scene);
    let eve = scene.spawn(UserId(13), scene.serve(A, RegionNumber(3)));
    let offers = [offer(0, BOB, &[id(A, 0)], &[]), offer(1, BOB, &[id(A, 1)], &[])];
    scene.commit(A, save(&ann, 3), &offers);
    for foreign in [cancel(0, ANN), accept(0, ANN)] {
        let refused = scene.commit(A, save(&eve, 2), &[foreign]);
        assert_eq!(refused, CommitOutcome::TradeClosed(trade(0).0));
    }
    let declined = scene.commit(B, save(&bob, 3), &[cancel(0, ANN)]);
    assert_eq!(declined, CommitOutcome::Applied);
    assert_eq!(held(scene, ANN), [id(A, 0)]);
    let withdrawn = scene.commit(A, save(&ann, 4), &[cancel(1, ANN)]);
    assert_eq!(withdrawn, CommitOutcome::Applied);
    assert_eq!(held(scene, ANN), [id(A, 0), id(A, 1)]);
    let gone = scene.commit(B, save(&bob, 4), &[accept(1, ANN)]);
    assert_eq!(gone, CommitOutcome::TradeClosed(trade(1).0));
}

pub(crate) fn overdue_trades_cannot_be_accepted_and_end_with_the_next_activation(scene: &Scene) {
    let (ann, bob) = two(scene);
    let offers = [overdue(0, BOB, &[id(A, 0)]), offer(1, BOB, &[id(A, 1)], &[])];
    scene.commit(A, save(&ann, 3), &offers);
    let late = scene.commit(B, save(&bob, 3), &[accept(0, ANN)]);
    assert_eq!(late, CommitOutcome::TradeClosed(trade(0).0));
    assert_eq!(of_kind(scene, KIND).in_trades, 2, "nobody has looked yet");
    let sweep = || scene.ask(StoreRequest::CancelOverdue { user: ANN });
    assert_eq!(sweep(), StoreReply::TradesCancelled(1));
    assert_eq!(sweep(), StoreReply::TradesCancelled(0));
    assert_eq!(held(scene, ANN), [id(A, 0)]);
    scene.commit(A, save(&ann, 4), &[overdue(2, BOB, &[id(A, 0)])]);
    let west = Serving {
        node: A,
        region: WEST,
        region_epoch: ann.region_epoch,
    };
    let refused = scene.ask(activate(&bob, west));
    assert!(matches!(refused, StoreReply::Refused(_)));
    assert_eq!(held(scene, ANN), Vec::<u64>::new());
    let activated = scene.ask(activate(&ann, west));
    assert!(matches!(activated, StoreReply::Activated(_)));
    assert_eq!(held(scene, ANN), [id(A, 0)]);
    assert_eq!(of_kind(scene, KIND).in_trades, 1, "one is not overdue");
}

pub(crate) fn who_has_offered_learns_when_the_first_of_it_ends(scene: &Scene) {
    let (ann, bob) = two(scene);
    let ends_ms = || match scene.ask(StoreRequest::HoldingsOf { user: ANN }) {
        StoreReply::Belongings(has) => has.offer_ends_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(ends_ms(), None);
    scene.commit(A, save(&ann, 3), &[offer(0, BOB, &[id(A, 0)], &[])]);
    let within = HOUR_MS - 600_000..=HOUR_MS;
    assert!(ends_ms().is_some_and(|ends_ms| within.contains(&ends_ms)));
    scene.commit(A, save(&ann, 4), &[overdue(1, BOB, &[id(A, 1)])]);
    assert_eq!(ends_ms(), Some(0), "one is over");
    scene.ask(StoreRequest::CancelOverdue { user: ANN });
    assert!(ends_ms().is_some_and(|ends_ms| within.contains(&ends_ms)));
    let accepted = scene.commit(B, save(&bob, 3), &[accept(0, ANN)]);
    assert_eq!((accepted, ends_ms()), (CommitOutcome::Applied, None));
}

pub(crate) fn offers_of_who_is_not_there_are_found_when_they_are_overdue(scene: &Scene) {
    let (ann, bob) = two(scene);
    let found = |since_ms| scene.ask(StoreRequest::OverdueOffers { since_ms });
    let offers = [overdue(0, BOB, &[id(A, 0)]), offer(1, BOB, &[id(A, 1)], &[])];
    scene.commit(A, save(&ann, 3), &offers);
    let of_bob = HoldingChange::Offer(Offer {
        trade: TradeId(id(B, 1_000)),
        to: ANN,
        gives: vec![id(B, 2)],
        wants: Vec::new(),
        lasts_ms: HOUR_MS,
    });
    let offered = scene.commit(B, save(&bob, 3), &[of_bob]);
    assert_eq!(offered, CommitOutcome::Applied);
    scene.ask(StoreRequest::Release {
        serving: under(A, &ann),
        save: save(&ann, 4),
    });
    assert_eq!(
        found(HOUR_MS),
        StoreReply::Offerers(Vec::new()),
        "not for so long"
    );
    assert_eq!(found(0), StoreReply::Offerers(vec![ANN]), "once, and nobody else");
    let cancel = StoreRequest::CancelOverdue { user: ANN };
    assert_eq!(scene.ask(cancel), StoreReply::TradesCancelled(1));
    assert_eq!(held(scene, ANN), [id(A, 0)], "what is not overdue stays");
    assert_eq!(found(0), StoreReply::Offerers(Vec::new()));
}

fn guest(number: u64) -> UserId {
    UserId((1 << 40) + number)
}

fn forget(serving: Serving, row: &PlayerRow) -> StoreRequest {
    StoreRequest::ForgetGuests {
        serving,
        idle_ms: 0,
        guests: vec![ForgottenGuest {
            user: row.user,
            owner_epoch: row.owner_epoch,
            x: 1.5,
            y: 2.5,
        }],
    }
}

pub(crate) fn a_forgotten_guest_gets_its_offers_back_first(scene: &Scene) {
    let west = scene.serve(A, WEST);
    let (row, bob) = (scene.spawn(guest(1), west), scene.spawn(BOB, west));
    let things = [
        mint(A, 0, KIND),
        mint(A, 1, KIND),
        offer(0, BOB, &[id(A, 1)], &[]),
    ];
    assert_eq!(scene.commit(A, save(&row, 2), &things), CommitOutcome::Applied);
    scene.ask(StoreRequest::Release {
        serving: under(A, &row),
        save: save(&row, 3),
    });
    let StoreReply::Forgotten { guests, holdings } = scene.ask(forget(west, &row)) else {
        panic!();
    };
    let ids: Vec<u64> = holdings.iter().map(|holding| holding.id).collect();
    assert_eq!((guests, ids), (1, vec![id(A, 0), id(A, 1)]));
    let gone = scene.commit(A, save(&bob, 2), &[accept(0, guest(1))]);
    assert_eq!(gone, CommitOutcome::TradeClosed(trade(0).0));
    assert_eq!(of_kind(scene, KIND).on_ground, 2);
}

/// Ann is in a handover, or nobody's: Bob accepts all the same.
pub(crate) fn who_offers_may_be_owned_by_anybody_meanwhile(scene: &Scene) {
    let (ann, bob) = two(scene);
    scene.commit(A, save(&ann, 3), &[offer(0, BOB, &[id(A, 0)], &[id(B, 2)])]);
    let east = Serving {
        node: B,
        region: EAST,
        region_epoch: bob.region_epoch,
    };
    let passed = scene.ask(pass(under(A, &ann), east, 1, vec![save(&ann, 4)]));
    assert_eq!(passed, StoreReply::Passed);
    let accepted = scene.commit(B, save(&bob, 3), &[accept(0, ANN)]);
    assert_eq!(accepted, CommitOutcome::Applied);
    assert_eq!(held(scene, ANN), [id(A, 1), id(B, 2)]);
}

pub(crate) fn a_trade_is_accepted_or_cancelled(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    for round in 0..ROUNDS {
        let ann = scene.spawn(UserId(100 + round), west);
        let bob = scene.spawn(UserId(200 + round), east);
        let thing = id(A, round);
        let offers = [mint(A, round, KIND), offer(round, bob.user, &[thing], &[])];
        assert_eq!(scene.commit(A, save(&ann, 2), &offers), CommitOutcome::Applied);
        let withdraw = commit(A, &ann, 3, vec![cancel(round, ann.user)]);
        let take = commit(B, &bob, 2, vec![accept(round, ann.user)]);
        let (one, other) = both(|| ask(&scene.store, withdraw), || ask(&scene.other, take));
        assert!(is_applied(&one) != is_applied(&other), "{one:?} {other:?}");
        let who = if is_applied(&one) { ann.user } else { bob.user };
        assert_eq!(held(scene, who), [thing]);
    }
}

pub(crate) fn of_two_trades_that_want_one_thing_exactly_one_is_accepted(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    for round in 0..ROUNDS {
        let [ann, eve] = [100, 200].map(|first| scene.spawn(UserId(first + round), west));
        let bob = scene.spawn(UserId(300 + round), east);
        let wanted = id(B, round);
        scene.commit(B, save(&bob, 2), &[mint(B, round, KIND)]);
        for (row, counter) in [(&ann, 2 * round), (&eve, 2 * round + 1)] {
            let offers = [offer(counter, bob.user, &[], &[wanted])];
            assert_eq!(scene.commit(A, save(row, 2), &offers), CommitOutcome::Applied);
        }
        let first = commit(B, &bob, 3, vec![accept(2 * round, ann.user)]);
        let second = commit(B, &bob, 4, vec![accept(2 * round + 1, eve.user)]);
        let (one, other) = both(|| ask(&scene.store, first), || ask(&scene.other, second));
        assert!(is_applied(&one) != is_applied(&other), "{one:?} {other:?}");
        let who = if is_applied(&one) { ann.user } else { eve.user };
        assert_eq!(held(scene, who), [wanted]);
    }
}

/// Each accepts the other's offer at the same moment, as two servers do.
pub(crate) fn trades_that_cross_each_other_all_go_through(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    let (ann, bob) = (scene.spawn(ANN, west), scene.spawn(BOB, east));
    for round in 0..ROUNDS {
        let version = 2 + 3 * round;
        let back = TradeId(id(B, 2000 + round));
        let offers = [mint(A, round, KIND), offer(round, BOB, &[id(A, round)], &[])];
        scene.commit(A, save(&ann, version), &offers);
        let offer = Offer {
            trade: back,
            to: ANN,
            gives: vec![id(B, round)],
            wants: Vec::new(),
            lasts_ms: HOUR_MS,
        };
        let offers = [mint(B, round, KIND), HoldingChange::Offer(offer)];
        scene.commit(B, save(&bob, version), &offers);
        let from_bob = HoldingChange::Accept {
            trade: back,
            from: BOB,
        };
        let (one, other) = both(
            || ask(&scene.store, commit(A, &ann, version + 1, vec![from_bob])),
            || {
                ask(
                    &scene.other,
                    commit(B, &bob, version + 1, vec![accept(round, ANN)]),
                )
            },
        );
        assert!(is_applied(&one) && is_applied(&other), "{one:?} {other:?}");
    }
    let count = of_kind(scene, KIND);
    assert_eq!((count.held, count.in_trades), (2 * ROUNDS, 0));
}

pub(crate) fn an_offer_of_a_guest_who_is_forgotten_is_not_lost(scene: &Scene) {
    let (west, east) = (scene.serve(A, WEST), scene.serve(B, EAST));
    for round in 0..ROUNDS {
        let row = scene.spawn(guest(round), west);
        let bob = scene.spawn(UserId(200 + round), east);
        let thing = id(A, round);
        let offers = [mint(A, round, KIND), offer(round, bob.user, &[thing], &[])];
        scene.commit(A, save(&row, 2), &offers);
        scene.ask(StoreRequest::Release {
            serving: under(A, &row),
            save: save(&row, 3),
        });
        let take = commit(B, &bob, 2, vec![accept(round, row.user)]);
        let (taken, forgotten) = both(
            || ask(&scene.store, take),
            || ask(&scene.other, forget(west, &row)),
        );
        assert_eq!(scene.load(row.user), None, "{forgotten:?}");
        let is_held = held(scene, bob.user) == [thing];
        assert_eq!(is_applied(&taken), is_held, "{taken:?}");
        of_kind(scene, KIND);
    }
}
