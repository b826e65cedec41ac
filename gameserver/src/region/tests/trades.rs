//! Trades over borders: known on both sides, given back when they are not accepted, and not tried again when the store has
//! refused them.

use std::sync::{Arc, Mutex};

use demo::{Command, DemoRules};
use game::{Ctx, GameCommand, GameLogic, HoldingRefused, Offer, Place, World};
use protocol::geometry::Position;
use protocol::ids::UserId;
use store::StoreRequest;
use store::simulated::Fault;

use super::super::*;
use super::bot::Bot;
use super::making::{SWORD, assert_known, count, held_by, is_commit, rules};
use super::scene::*;

/// Ann in A with a sword, Bob beyond the border in B with another.
fn over_the_border(scene: &mut Scene) -> (Bot, Bot, u64, u64) {
    let ann = Bot::join(scene, 5, 126.5, 40.0);
    let bob = Bot::join(scene, 6, 130.0, 40.0);
    let hers = rules(scene, A).mint(ann.user, SWORD, b"hers").unwrap();
    let his = rules(scene, B).mint(bob.user, SWORD, b"his").unwrap();
    scene.run(100);
    (ann, bob, hers, his)
}

#[test]
fn a_trade_over_a_border_is_known_on_both_sides_though_commits_are_in_doubt() {
    for fault in [
        None,
        Some(Fault::UnknownApplied),
        Some(Fault::UnknownLost),
        Some(Fault::Slow(300)),
    ] {
        let mut scene = Scene::four();
        let (ann, bob, hers, his) = over_the_border(&mut scene);
        let offer = Offer {
            to: bob.user,
            place: Place::Ghost(B),
            gives: &[hers],
            wants: &[his],
            lasts_ms: 60_000,
        };
        let trade = rules(&mut scene, A).offer(ann.user, offer).unwrap();
        assert!(scene.player(A, ann.user).holdings.is_empty());
        scene.tick();
        assert_eq!(count(&mut scene).in_trades, 1);
        scene.fault = fault.map(|fault| (is_commit as Kind, fault));
        let accepted = rules(&mut scene, B).accept(bob.user, trade, ann.user, Place::Ghost(A));
        assert_eq!(accepted, Ok(()));
        scene.run(1_000);
        assert_eq!(held_by(&mut scene, ann.user), [his], "{fault:?}");
        assert_eq!(held_by(&mut scene, bob.user), [hers], "{fault:?}");
        assert_known(&mut scene, A, ann.user);
        assert_known(&mut scene, B, bob.user);
        let payload = rules(&mut scene, A)
            .holding(ann.user, his)
            .map(|thing| thing.payload.to_vec());
        assert_eq!(payload, Some(b"his".to_vec()));
        assert_eq!(count(&mut scene).in_trades, 0);
    }
}

#[test]
fn an_offer_that_is_declined_withdrawn_or_too_old_comes_back() {
    let mut scene = Scene::four();
    let (ann, bob, hers, _) = over_the_border(&mut scene);
    let offer = |scene: &mut Scene, lasts_ms| {
        let offer = Offer {
            to: UserId(6),
            place: Place::Ghost(B),
            gives: &[hers],
            wants: &[],
            lasts_ms,
        };
        let trade = rules(scene, A).offer(UserId(5), offer).unwrap();
        scene.tick();
        assert_eq!(count(scene).in_trades, 1);
        trade
    };
    let trade = offer(&mut scene, 60_000);
    let declined = rules(&mut scene, B).cancel(bob.user, trade, ann.user, Place::Ghost(A));
    assert_eq!(declined, Ok(()));
    scene.run(200);
    assert_eq!(scene.player(A, ann.user).holdings, [hers]);
    let trade = offer(&mut scene, 60_000);
    let withdrawn = rules(&mut scene, A).cancel(ann.user, trade, ann.user, Place::Here);
    assert_eq!(withdrawn, Ok(()));
    scene.run(200);
    assert_eq!(scene.player(A, ann.user).holdings, [hers]);
    offer(&mut scene, 300);
    scene.run(200);
    assert_eq!(count(&mut scene).in_trades, 1);
    scene.run(300);
    assert_eq!(scene.player(A, ann.user).holdings, [hers]);
    assert_eq!(count(&mut scene).in_trades, 0);
}

/// What Ann of `over_the_border` offers to Bob, durably.
fn offered(scene: &mut Scene, gives: u64, wants: &[u64], lasts_ms: u64) -> u64 {
    let offer = Offer {
        to: UserId(6),
        place: Place::Ghost(B),
        gives: &[gives],
        wants,
        lasts_ms,
    };
    let trade = rules(scene, A).offer(UserId(5), offer).unwrap();
    scene.tick();
    assert_eq!(count(scene).in_trades, 1);
    trade
}

fn is_cancel(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::CancelOverdue { .. })
}

#[test]
fn the_end_of_an_offer_is_found_by_whoever_has_its_player_then() {
    // Its server starts anew.
    let mut scene = Scene::four();
    let (ann, _, hers, _) = over_the_border(&mut scene);
    offered(&mut scene, hers, &[], 2_000);
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.settle();
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    assert!(scene.player(A, ann.user).holdings.is_empty());
    scene.run(2_500);
    assert_eq!(scene.player(A, ann.user).holdings, [hers], "after a restart");
    // It has crossed a border.
    let mut scene = Scene::four();
    let (mut ann, _, hers, _) = over_the_border(&mut scene);
    offered(&mut scene, hers, &[], 4_000);
    ann.walk(&mut scene, 0, 255);
    ann.live(&mut scene, 1_500);
    assert_eq!(scene.assert_owned_once(ann.user), B);
    assert!(scene.player(B, ann.user).holdings.is_empty());
    scene.run(3_000);
    assert_eq!(scene.player(B, ann.user).holdings, [hers], "after a crossing");
    assert_eq!(count(&mut scene).in_trades, 0);
}

/// Asked again, the store has nothing more to cancel: what it has done before is known all the same.
#[test]
fn an_end_of_an_offer_without_an_answer_is_known_all_the_same() {
    for fault in [
        Fault::UnknownApplied,
        Fault::UnknownLost,
        Fault::UnknownLate(100),
        Fault::Unavailable,
    ] {
        let mut scene = Scene::four();
        let (ann, _, hers, _) = over_the_border(&mut scene);
        offered(&mut scene, hers, &[], 300);
        // No look at the border may make up for it.
        scene.player_mut(A, ann.user).was_at_rim = false;
        scene.fault = Some((is_cancel, fault));
        scene.run(2_000);
        assert_eq!(count(&mut scene).in_trades, 0, "{fault:?}");
        assert_eq!(scene.player(A, ann.user).holdings, [hers], "{fault:?}");
    }
}

#[test]
fn what_an_accepted_offer_has_brought_is_known_far_from_the_border_though_the_news_is_lost() {
    const PERIOD_MS: u64 = 4_000;
    let mut scene = Scene::four();
    let (ann, bob, hers, his) = over_the_border(&mut scene);
    let trade = offered(&mut scene, hers, &[his], 60_000);
    scene.place(A, ann.user, 60.0, 40.0);
    scene.run(PERIOD_MS);
    let player = scene.player_mut(A, ann.user);
    (player.was_at_rim, player.knows_rim) = (false, false);
    scene.lose.insert(0x71, 1);
    let accepted = rules(&mut scene, B).accept(bob.user, trade, ann.user, Place::Ghost(A));
    assert_eq!(accepted, Ok(()));
    scene.run(PERIOD_MS + 100);
    assert_eq!(scene.lose.get(&0x71), Some(&0), "the news was lost");
    assert_known(&mut scene, A, ann.user);
    assert_eq!(scene.player(A, ann.user).holdings, [his]);
}

#[test]
fn a_trade_that_cannot_be_done_is_refused_once_and_then_by_memory() {
    let mut scene = Scene::four();
    let (ann, bob, hers, his) = over_the_border(&mut scene);
    let wants = [his, 4];
    let offer = Offer {
        to: bob.user,
        place: Place::Ghost(B),
        gives: &[hers],
        wants: &wants,
        lasts_ms: 60_000,
    };
    let trade = rules(&mut scene, A).offer(ann.user, offer).unwrap();
    scene.tick();
    let accept = |scene: &mut Scene| rules(scene, B).accept(UserId(6), trade, UserId(5), Place::Ghost(A));
    assert_eq!(accept(&mut scene), Ok(()));
    scene.run(100);
    assert_eq!(scene.counted.get("commit_refused"), Some(&1));
    assert_eq!(scene.assert_owned_once(bob.user), B);
    assert_eq!(
        accept(&mut scene),
        Err(HoldingRefused::NotNow),
        "a command that is applied again is told"
    );
    assert_known(&mut scene, B, bob.user);
    assert_eq!(count(&mut scene).in_trades, 1);
    scene.run(1_100);
    assert_eq!(accept(&mut scene), Ok(()), "later it may be another world");
}

/// Rules of which every durable command accepts an offer that there never was, and what they were told each time.
struct Stubborn(Arc<Mutex<Vec<Result<(), HoldingRefused>>>>);

impl GameLogic for Stubborn {
    fn spawn_point(&self, world: &World, user: UserId) -> Position {
        DemoRules::default().spawn_point(world, user)
    }

    fn kind_of_player(&self) -> u16 {
        DemoRules::default().kind_of_player()
    }

    fn command(&mut self, ctx: &mut dyn Ctx, command: GameCommand<'_>) {
        let said = ctx.accept(command.user, 1 << 62, UserId(6), Place::Here);
        self.0.lock().unwrap().push(said);
    }
}

/// However long the player's way back from its row takes: memory knows no better then, but which command it was.
#[test]
fn a_command_that_the_store_has_refused_is_not_tried_again_though_the_store_is_slow() {
    let said = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&said);
    let make: MakeRules = Arc::new(move || Box::new(Stubborn(Arc::clone(&all))));
    let mut scene = Scene::playing(world([1, 2, 3, 4]), make);
    let mut bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    let gem = 1;
    bot.command(&mut scene, &Command::Collect { thing: gem });
    for _ in 0..3 {
        let is_activation: Kind = |request| matches!(request, StoreRequest::Activate { .. });
        scene.fault = Some((is_activation, Fault::Slow(1_500)));
        bot.live(&mut scene, 2_500);
    }
    assert_eq!(scene.counted.get("commit_refused"), Some(&1));
    assert_eq!(*said.lock().unwrap(), [Ok(()), Err(HoldingRefused::NotNow)]);
    assert_eq!(bot.acked, 1, "it is over, and told");
    // The next command is another one.
    bot.command(&mut scene, &Command::Collect { thing: gem });
    scene.fault = None;
    bot.live(&mut scene, 500);
    assert_eq!(said.lock().unwrap()[2..], [Ok(()), Err(HoldingRefused::NotNow)]);
    assert_eq!(bot.acked, 2);
}
