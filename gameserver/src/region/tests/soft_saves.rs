//! Soft saves: marks in the region, written in rounds, and in nobody's way.

use protocol::ids::UserId;
use store::request::RequestClass;
use store::simulated::Fault;
use store::{PlayerSave, StoreReply, StoreRequest};

use super::super::*;
use super::bot::Bot;
use super::scene::*;

fn is_soft(request: &StoreRequest) -> bool {
    matches!(request.class(), RequestClass::Soft | RequestClass::Turn)
}

#[test]
fn a_save_that_waits_for_its_turn_holds_up_no_crossing() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    bot.live(&mut scene, 2_000);
    scene.fault = Some((is_soft, Fault::Slow(60_000)));
    let now_ms = scene.now.mono_ms;
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    state.players.get_mut(&bot.user).unwrap().writes.mark(now_ms);
    bot.live(&mut scene, 2_000);
    assert!(scene.fault.is_none(), "a save waits");
    bot.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 2_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
}

#[test]
fn whoever_moves_is_written_once_a_second() {
    const SECONDS: u64 = 4;
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let first = scene.row(bot.user).version.0;
    for _ in 0..SECONDS {
        bot.walk(&mut scene, 0, 255);
        bot.live(&mut scene, 1_000);
    }
    let writes = scene.row(bot.user).version.0 - first;
    assert!((SECONDS - 1..=SECONDS + 1).contains(&writes), "{writes} writes");
}

/// The store's side of one region, by hand.
struct ByHand<'s> {
    scene: &'s mut Scene,
}

impl ByHand<'_> {
    fn region(&mut self) -> &mut Region {
        self.scene.regions.get_mut(&A).unwrap()
    }

    fn tick(&mut self) -> (Vec<StoreTicket>, Vec<Vec<PlayerSave>>) {
        self.scene.now.mono_ms += TICK_MS;
        let now = self.scene.now;
        self.region().tick(now, &mut NoClock, &mut NoLimit);
        self.soft_requests()
    }

    /// Tickets of the turns asked for, and the portions to be written.
    fn soft_requests(&mut self) -> (Vec<StoreTicket>, Vec<Vec<PlayerSave>>) {
        let (mut turns, mut portions) = (Vec::new(), Vec::new());
        for effect in self.region().take_effects() {
            match effect {
                RegionEffect::Store(ticket, StoreRequest::SoftTurn) => turns.push(ticket),
                RegionEffect::Store(_, StoreRequest::SavePlayers { saves, .. }) => portions.push(saves),
                _ => {}
            }
        }
        (turns, portions)
    }

    fn give(&mut self, turn: StoreTicket) -> (Vec<StoreTicket>, Vec<Vec<PlayerSave>>) {
        let now = self.scene.now;
        let answer = RegionInput::Store(turn, Ok(StoreReply::SoftTurn));
        self.region().handle(answer, now);
        self.soft_requests()
    }

    fn holders(&mut self) -> usize {
        let players = self.region().state.players.values();
        players.filter(|player| !player.writes.is_settled()).count()
    }

    fn mark(&mut self, users: impl IntoIterator<Item = u64>) {
        let now_ms = self.scene.now.mono_ms;
        for user in users {
            let player = self.region().state.players.get_mut(&UserId(user)).unwrap();
            player.writes.mark(now_ms);
        }
    }
}

#[test]
fn a_round_takes_write_slots_in_portions_and_only_when_its_turn_has_come() {
    let mut scene = Scene::four();
    for user in 1..=150 {
        Bot::join(&mut scene, user, 20.0, 20.0);
    }
    scene.run(3_000);
    let mut by_hand = ByHand { scene: &mut scene };
    by_hand.mark(1..150);
    let mut turns = Vec::new();
    for _ in 0..40 {
        let (asked, portions) = by_hand.tick();
        turns.extend(asked);
        assert_eq!(portions.len(), 0);
    }
    assert_eq!(turns.len(), 1, "asked once, however long it takes");
    assert_eq!(by_hand.holders(), 0, "who only waits holds no slot");
    // Marked after the round began: the next one's.
    by_hand.mark([150]);
    let mut sizes = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(turn) = turns.pop() {
        assert!(sizes.len() < 3, "the round ends: {sizes:?}");
        let (next, portions) = by_hand.give(turn);
        sizes.push(portions.iter().map(Vec::len).sum::<usize>());
        seen.extend(portions.into_iter().flatten().map(|save| save.user.0));
        turns.extend(next);
    }
    assert_eq!(sizes, [64, 64, 21]);
    assert_eq!(seen, (1..150).collect());
    assert_eq!(by_hand.holders(), 149);
}

#[test]
fn whoever_is_beyond_the_margin_or_not_active_when_the_turn_comes_is_left_out() {
    let mut scene = Scene::four();
    for user in 1..=4 {
        Bot::join(&mut scene, user, 20.0, 20.0);
    }
    scene.run(3_000);
    let mut by_hand = ByHand { scene: &mut scene };
    by_hand.mark(1..=4);
    let (turns, _) = by_hand.tick();
    let players = &mut by_hand.region().state.players;
    players.get_mut(&UserId(4)).unwrap().phase = player::Phase::Unanswered;
    // At the margin, and a little beyond it.
    by_hand.scene.place(A, UserId(2), 129.0, 40.0);
    by_hand.scene.place(A, UserId(3), 129.25, 40.0);
    let (_, portions) = by_hand.give(turns[0]);
    let users: Vec<u64> = portions.into_iter().flatten().map(|save| save.user.0).collect();
    assert_eq!((turns.len(), users), (1, vec![1, 2]));
    for user in [3, 4] {
        let left = by_hand.scene.player(A, UserId(user));
        assert!(left.writes.is_settled() && left.writes.is_unsaved());
    }
}

#[test]
fn a_turn_that_is_not_given_is_asked_for_again() {
    let mut scene = Scene::four();
    Bot::join(&mut scene, 1, 20.0, 20.0);
    scene.run(3_000);
    let mut by_hand = ByHand { scene: &mut scene };
    by_hand.mark([1]);
    let (turns, _) = by_hand.tick();
    let now = by_hand.scene.now;
    let answer = RegionInput::Store(turns[0], Err(StoreError::Unavailable("away".to_owned())));
    by_hand.region().handle(answer, now);
    let again: Vec<_> = (0..5).flat_map(|_| by_hand.tick().0).collect();
    assert_eq!(again.len(), 1);
    let (_, portions) = by_hand.give(again[0]);
    assert_eq!(portions.len(), 1);
}

#[test]
fn a_save_that_fails_is_made_again() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    bot.live(&mut scene, 3_000);
    let before = scene.row(bot.user).version;
    let is_save: fn(&StoreRequest) -> bool = |request| matches!(request, StoreRequest::SavePlayers { .. });
    scene.fault = Some((is_save, Fault::Unavailable));
    let mut by_hand = ByHand { scene: &mut scene };
    by_hand.mark([5]);
    scene.run(500);
    assert!(scene.fault.is_none() && scene.row(bot.user).version == before);
    scene.run(2_000);
    assert!(scene.row(bot.user).version > before);
    assert_eq!(scene.regions[&A].status().unsaved, 0);
}

#[test]
fn a_drain_goes_on_until_nothing_is_marked() {
    let mut scene = Scene::four();
    for user in 1..=100 {
        Bot::join(&mut scene, user, 20.0, 20.0);
    }
    scene.run(100);
    let now_ms = scene.now.mono_ms;
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    for player in state.players.values_mut() {
        player.writes.mark(now_ms);
    }
    scene.input(A, RegionInput::Drain);
    scene.tick();
    let status = scene.regions[&A].status();
    assert_eq!(
        (status.unsaved, status.store_waiting),
        (0, 0),
        "no pause between rounds"
    );
}

#[test]
fn a_drain_tries_again_for_as_long_as_it_lasts_and_does_not_storm_a_store_that_fails() {
    let mut scene = Scene::four();
    Bot::join(&mut scene, 1, 20.0, 20.0);
    scene.run(3_000);
    scene.input(A, RegionInput::Drain);
    ByHand { scene: &mut scene }.mark([1]);
    let mut tries = 0;
    // A second of ticks, each with every answer at once.
    for _ in 0..1_000 / TICK_MS {
        scene.now.mono_ms += TICK_MS;
        let now = scene.now;
        let region = scene.regions.get_mut(&A).unwrap();
        region.tick(now, &mut NoClock, &mut NoLimit);
        let mut effects = region.take_effects();
        while let Some(effect) = effects.pop() {
            let (ticket, answer) = match effect {
                RegionEffect::Store(ticket, StoreRequest::SoftTurn) => (ticket, Ok(StoreReply::SoftTurn)),
                RegionEffect::Store(ticket, StoreRequest::SavePlayers { .. }) => {
                    tries += 1;
                    (ticket, Err(StoreError::Full("the disk".to_owned())))
                }
                _ => continue,
            };
            region.handle(RegionInput::Store(ticket, answer), now);
            effects.extend(region.take_effects());
        }
    }
    assert_eq!(tries, 5, "a pause of a fifth of a second after each");
    assert_eq!(scene.regions[&A].status().unsaved, 1);
}
