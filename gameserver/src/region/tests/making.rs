//! What rules make, destroy and lay down: durable once, counted, and undone where the store refuses.

use demo::{Command, Event};
use game::{Ctx as _, HoldingRefused, Offer, Place};
use protocol::geometry::Position;
use protocol::ids::UserId;
use store::reply::HoldingCount;
use store::simulated::{Fault, FaultPlan, FaultRates};
use store::{Holder, Holding, StoreReply, StoreRequest};

use super::super::state::RegionState;
use super::super::*;
use super::bot::Bot;
use super::scene::*;

pub(super) const SWORD: u32 = 7;
const HERE: Position = Position { x: 61.0, y: 41.0 };

pub(super) fn rules(scene: &mut Scene, region: RegionNumber) -> &mut RegionState {
    &mut scene.regions.get_mut(&region).unwrap().state
}

pub(super) fn held_by(scene: &mut Scene, user: UserId) -> Vec<u64> {
    let Ok(StoreReply::Belongings(has)) = scene.store.apply(&StoreRequest::HoldingsOf { user }) else {
        panic!()
    };
    has.holdings.iter().map(|holding| holding.id).collect()
}

/// Of swords; and whatever was made and not destroyed is somewhere.
pub(super) fn count(scene: &mut Scene) -> HoldingCount {
    let Ok(StoreReply::HoldingCounts(counts)) = scene.store.apply(&StoreRequest::CountHoldings) else {
        panic!()
    };
    assert!(counts.iter().all(HoldingCount::adds_up), "{counts:?}");
    let found = counts.into_iter().find(|count| count.kind == SWORD);
    found.unwrap_or(HoldingCount::none(SWORD))
}

/// Memory holds what the store says.
pub(super) fn assert_known(scene: &mut Scene, region: RegionNumber, user: UserId) {
    let held = held_by(scene, user);
    assert_eq!(scene.player(region, user).holdings.to_vec(), held);
}

fn is_ground_commit(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::CommitGround { .. })
}

pub(super) fn is_commit(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::CommitDurable { .. })
}

#[test]
fn what_any_callback_makes_is_durable_with_the_tick_and_can_be_laid_down_taken_and_destroyed() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    let user = bot.user;
    let sword = rules(&mut scene, A).mint(user, SWORD, b"sharp").unwrap();
    let thing = rules(&mut scene, A)
        .holding(user, sword)
        .map(|thing| (thing.kind, thing.payload.to_vec()));
    assert_eq!(thing, Some((SWORD, b"sharp".to_vec())), "memory knows it at once");
    assert!(held_by(&mut scene, user).is_empty());
    scene.tick();
    assert_eq!(held_by(&mut scene, user), [sword]);

    assert_eq!(
        rules(&mut scene, A).drop(user, sword, Position { x: 200.0, y: 41.0 }),
        Err(HoldingRefused::Elsewhere)
    );
    rules(&mut scene, A).drop(user, sword, HERE).unwrap();
    assert!(
        !rules(&mut scene, A).ground.has(sword),
        "it lies there once that is durable"
    );
    scene.tick();
    assert!(rules(&mut scene, A).ground.has(sword));
    assert_eq!(count(&mut scene).on_ground, 1);
    bot.command(&mut scene, &Command::Collect { thing: sword });
    bot.live(&mut scene, 100);
    assert_eq!(bot.events.last(), Some(&Event::Collected { thing: sword }));
    let payload = rules(&mut scene, A)
        .holding(user, sword)
        .map(|thing| thing.payload.to_vec());
    assert_eq!(payload, Some(b"sharp".to_vec()));

    rules(&mut scene, A).burn(user, sword).unwrap();
    assert_eq!(
        rules(&mut scene, A).burn(user, sword),
        Err(HoldingRefused::NotThere)
    );
    scene.tick();
    let counted = count(&mut scene);
    assert_eq!((counted.held, counted.minted, counted.burned), (0, 1, 1));
    assert_known(&mut scene, A, user);
}

#[test]
fn what_a_region_lays_on_its_ground_is_there_once_whatever_the_store_answers() {
    for fault in [
        Fault::Slow(120),
        Fault::UnknownApplied,
        Fault::UnknownLost,
        Fault::UnknownLate(100),
        Fault::Unavailable,
    ] {
        let mut scene = Scene::four();
        let _bot = Bot::join(&mut scene, 5, 60.0, 40.0);
        scene.fault = Some((is_ground_commit, fault));
        let coin = rules(&mut scene, A).lay(SWORD, b"", HERE).unwrap();
        scene.tick();
        let other = rules(&mut scene, A).lay(SWORD, b"", HERE).unwrap();
        scene.run(1_000);
        let counted = count(&mut scene);
        assert_eq!((counted.on_ground, counted.minted), (2, 2), "{fault:?}");
        let ground = &rules(&mut scene, A).ground;
        assert!(ground.has(coin) && ground.has(other));
        rules(&mut scene, A).sweep(coin).unwrap();
        assert_eq!(rules(&mut scene, A).sweep(coin), Err(HoldingRefused::NotThere));
        scene.run(100);
        assert_eq!(count(&mut scene).on_ground, 1, "{fault:?}");
    }
}

#[test]
fn a_server_that_dies_takes_back_what_was_not_committed_and_doubles_nothing() {
    for fault in [None, Some(Fault::UnknownApplied), Some(Fault::UnknownLate(300))] {
        let mut scene = Scene::four();
        let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
        scene.fault = fault.map(|fault| (is_ground_commit as Kind, fault));
        rules(&mut scene, A).lay(SWORD, b"", HERE).unwrap();
        scene.tick();
        // Not committed: at most once is also not at all.
        rules(&mut scene, A).mint(bot.user, SWORD, b"").unwrap();
        scene.stop(A);
        scene.start(A);
        scene.link_all();
        scene.settle();
        scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
        scene.settle();
        scene.run(500);
        let counted = count(&mut scene);
        let laid = u64::from(!matches!(fault, Some(Fault::UnknownLate(_))));
        assert_eq!((counted.on_ground, counted.held), (laid, 0), "{fault:?}");
        let shown = rules(&mut scene, A).ground.holdings().count() as u64;
        let Ok(StoreReply::Holdings(lying)) =
            scene.store.apply(&StoreRequest::HoldingsOnGround { region: A })
        else {
            panic!()
        };
        assert_eq!(shown, lying.len() as u64, "{fault:?}");
        assert_known(&mut scene, A, bot.user);
    }
}

#[test]
fn a_refusal_undoes_what_that_player_did_and_nobody_elses() {
    let mut scene = Scene::four();
    let (ann, bob) = (
        Bot::join(&mut scene, 5, 60.0, 40.0),
        Bot::join(&mut scene, 6, 62.0, 40.0),
    );
    let phantom = Holding {
        id: 9_999_999,
        kind: SWORD,
        holder: Holder::Ground {
            region: A,
            x: 61.0,
            y: 41.0,
        },
        payload: bytes::Bytes::new(),
    };
    scene.input(A, RegionInput::Fallen(vec![phantom]));
    let state = rules(&mut scene, A);
    let kept = state.mint(bob.user, SWORD, b"").unwrap();
    state.mint(ann.user, SWORD, b"").unwrap();
    state.take(ann.user, 9_999_999).unwrap();
    scene.run(200);
    assert_eq!(scene.counted.get("commit_refused"), Some(&1));
    assert!(held_by(&mut scene, ann.user).is_empty());
    assert_eq!(held_by(&mut scene, bob.user), [kept]);
    for user in [ann.user, bob.user] {
        assert_eq!(scene.assert_owned_once(user), A);
        assert_known(&mut scene, A, user);
    }
    assert!(!rules(&mut scene, A).ground.has(9_999_999));
    count(&mut scene);
}

/// What a client makes up goes no further than here: a store refuses it without an answer of its own for that player.
#[test]
fn numbers_that_no_store_has_are_nobodys() {
    let mut scene = Scene::four();
    let user = Bot::join(&mut scene, 5, 60.0, 40.0).user;
    let state = rules(&mut scene, A);
    let sword = state.mint(user, SWORD, b"").unwrap();
    let (none, huge) = (Err(HoldingRefused::NotThere), u64::MAX);
    for (trade, from) in [(huge, UserId(6)), (1, UserId(huge))] {
        assert_eq!(state.accept(user, trade, from, Place::Here), none);
        assert_eq!(state.cancel(user, trade, from, Place::Here), none);
    }
    assert_eq!(state.give(user, sword, UserId(huge), Place::Here), none);
    let offer = |to, wants| Offer {
        to,
        place: Place::Here,
        gives: &[],
        wants,
        lasts_ms: 1_000,
    };
    for offer in [offer(UserId(huge), &[]), offer(UserId(6), &[huge])] {
        assert_eq!(state.offer(user, offer), Err(HoldingRefused::NotThere));
    }
    scene.tick();
    assert_eq!(held_by(&mut scene, user), [sword]);
}

#[test]
fn what_a_region_has_done_to_its_ground_is_not_written_down_before_all_of_it_is() {
    let mut scene = Scene::four();
    let one_more = game::limits::HOLDING_CHANGES_MAX + 1;
    for _ in 0..one_more {
        rules(&mut scene, A).lay(SWORD, b"", HERE).unwrap();
    }
    assert_eq!(scene.regions[&A].status().ground_unwritten, one_more);
    scene.tick();
    assert_eq!(scene.regions[&A].status().ground_unwritten, 1);
    scene.run(100);
    assert_eq!(scene.regions[&A].status().ground_unwritten, 0);
    assert_eq!(count(&mut scene).on_ground as usize, one_more);
}

#[test]
fn a_whole_crowd_is_rewarded_in_one_tick() {
    let mut scene = Scene::four();
    let crowd = 1 + store::limits::BATCH_ROWS_MAX as u64;
    let users: Vec<UserId> = (0..crowd)
        .map(|user| Bot::join(&mut scene, 5 + user, 60.0, 40.0).user)
        .collect();
    for user in users {
        rules(&mut scene, A).mint(user, SWORD, b"").unwrap();
    }
    scene.tick();
    assert_eq!(count(&mut scene).minted, crowd);
}

#[test]
fn what_was_taken_behind_a_commit_that_is_refused_lies_where_it_lay() {
    let mut scene = Scene::four();
    let user = Bot::join(&mut scene, 5, 60.0, 40.0).user;
    let coin = rules(&mut scene, A).lay(SWORD, b"", HERE).unwrap();
    scene.run(100);
    let nowhere = UserId(77);
    let sword = rules(&mut scene, A).mint(user, SWORD, b"").unwrap();
    scene.run(100);
    scene.fault = Some((is_commit, Fault::Slow(120)));
    rules(&mut scene, A)
        .give(user, sword, nowhere, Place::Here)
        .unwrap();
    scene.tick();
    rules(&mut scene, A).take(user, coin).unwrap();
    assert!(!rules(&mut scene, A).ground.has(coin));
    scene.run(1_000);
    assert_eq!(scene.counted.get("commit_refused"), Some(&1));
    assert_eq!(held_by(&mut scene, user), [sword]);
    assert!(rules(&mut scene, A).ground.has(coin));
    assert_known(&mut scene, A, user);
}

#[test]
fn rules_are_told_why_not() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    let user = bot.user;
    let state = rules(&mut scene, A);
    let long = [0; 257];
    assert_eq!(state.mint(user, SWORD, &long), Err(HoldingRefused::Limit));
    assert_eq!(state.lay(SWORD, &long, HERE), Err(HoldingRefused::Limit));
    assert_eq!(state.mint(UserId(99), SWORD, b""), Err(HoldingRefused::NotThere));
    assert_eq!(
        state.lay(SWORD, b"", Position { x: -1.0, y: 0.0 }),
        Err(HoldingRefused::Elsewhere)
    );
    for _ in 0..game::limits::HOLDING_CHANGES_MAX {
        state.mint(user, SWORD, b"").unwrap();
    }
    assert_eq!(state.mint(user, SWORD, b""), Err(HoldingRefused::TooMany));
    state.commanding = Some((user, game::CommandKind::Soft, 1));
    assert_eq!(state.mint(user, SWORD, b""), Err(HoldingRefused::NotDurable));
    state.commanding = Some((UserId(6), game::CommandKind::Durable, 1));
    assert_eq!(state.mint(user, SWORD, b""), Err(HoldingRefused::NotDurable));
    assert_eq!(state.lay(SWORD, b"", HERE), Err(HoldingRefused::NotDurable));
    assert_eq!(state.sweep(1), Err(HoldingRefused::NotDurable));
    state.commanding = None;
    let twice = Offer {
        to: UserId(6),
        place: Place::Here,
        gives: &[1, 1],
        wants: &[],
        lasts_ms: 1_000,
    };
    assert_eq!(state.offer(user, twice), Err(HoldingRefused::Limit));
    let hers = Offer { gives: &[1], ..twice };
    assert_eq!(state.offer(user, hers), Err(HoldingRefused::TooMany));
    scene.tick();
    let state = rules(&mut scene, A);
    assert_eq!(state.offer(user, hers), Err(HoldingRefused::NotThere));
    scene.tick();
    assert_eq!(count(&mut scene).held, 64);
}

/// What the store says of the ground is long on its way, while something there is taken or destroyed.
#[test]
fn an_old_answer_about_the_ground_brings_nothing_back() {
    for (way, commit_ms) in [("taken", 1), ("being taken", 400), ("destroyed", 1)] {
        let mut scene = Scene::four();
        let user = Bot::join(&mut scene, 5, 60.0, 40.0).user;
        let coin = rules(&mut scene, A).lay(SWORD, b"", HERE).unwrap();
        scene.run(100);
        rules(&mut scene, A).read_ground();
        let effects = scene.regions.get_mut(&A).unwrap().take_effects();
        let [RegionEffect::Store(ticket, look)] = effects.as_slice() else {
            panic!("{effects:?}")
        };
        let answer = scene.store.apply(look);
        let is_either: Kind = |request| is_commit(request) || is_ground_commit(request);
        scene.fault = Some((is_either, Fault::Slow(commit_ms)));
        match way {
            "destroyed" => rules(&mut scene, A).sweep(coin).unwrap(),
            _ => rules(&mut scene, A).take(user, coin).unwrap(),
        }
        scene.run(200);
        scene.input(A, RegionInput::Store(*ticket, answer));
        assert!(!rules(&mut scene, A).ground.has(coin), "{way}");
        scene.run(500);
        assert!(!rules(&mut scene, A).ground.has(coin), "{way}");
        assert_eq!(count(&mut scene).on_ground, 0, "{way}");
    }
}

/// The rules do something with the player in every tick, and no write is answered within one.
#[test]
fn rules_that_never_rest_keep_nobody_from_crossing_or_leaving_and_no_region_from_draining() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    let leaver = Bot::join(&mut scene, 6, 60.0, 40.0).user;
    scene.player_mut(A, leaver).logout = true;
    let rates = FaultRates {
        slow: 1_000,
        ..FaultRates::default()
    };
    scene.store.set_faults(FaultPlan {
        rates,
        ..FaultPlan::default()
    });
    bot.walk(&mut scene, 0, 255);
    for _ in 0..60 {
        for user in [bot.user, leaver] {
            let _ = rules(&mut scene, A).mint(user, SWORD, b"");
        }
        bot.live(&mut scene, TICK_MS);
    }
    assert_eq!(scene.assert_owned_once(bot.user), B);
    assert!(!rules(&mut scene, A).players.contains_key(&leaver));
    scene.input(B, RegionInput::Drain);
    let none = Err(HoldingRefused::NotNow);
    assert_eq!(rules(&mut scene, B).mint(bot.user, SWORD, b""), none);
    let there = Position { x: 140.0, y: 41.0 };
    assert_eq!(rules(&mut scene, B).lay(SWORD, b"", there), none);
}
