//! The CAS of a handover without an answer: only the row, or a second CAS, says what became of it.

use protocol::ids::UserId;
use protocol::message::player::{Leave, LeaveReason};
use store::StoreRequest;
use store::simulated::Fault;

use super::super::*;
use super::bot::Bot;
use super::scene::*;

fn is_pass(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::PassPlayers { .. })
}

fn cross(fault: Fault) -> (Scene, Bot) {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    scene.fault = Some((is_pass, fault));
    bot.walk(&mut scene, 0, 255);
    (scene, bot)
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_in_the_row() {
    let (mut scene, mut bot) = cross(Fault::UnknownApplied);
    let epoch = bot.epoch;
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    assert_eq!(bot.epoch, epoch.next().unwrap());
    assert_eq!(scene.counted["handover_doubt"], 1);
}

#[test]
fn a_commit_that_never_happened_is_burnt_before_the_player_goes_on() {
    for fault in [Fault::UnknownLost, Fault::UnknownLate(150)] {
        let (mut scene, mut bot) = cross(fault);
        let epoch = bot.epoch;
        while !scene.counted.contains_key("handover_doubt") {
            bot.live(&mut scene, 50);
        }
        bot.listen(&mut scene);
        let (region, now, _) = scene.active(bot.user)[0];
        assert_eq!((region, now.0), (A, epoch.0 + 2), "taken back two epochs on");
        assert_eq!(bot.epoch, now, "and the bot follows");
        bot.live(&mut scene, 3_000);
        assert_eq!(scene.assert_owned_once(bot.user), B, "it crosses after all");
    }
}

#[test]
fn a_slow_store_freezes_only_the_one_who_crosses() {
    let mut scene = Scene::four();
    let mut other = Bot::join(&mut scene, 6, 20.0, 20.0);
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    scene.fault = Some((is_pass, Fault::Slow(1_500)));
    bot.walk(&mut scene, 0, 255);
    other.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 1_000);
    assert_eq!(
        scene.regions[&A].status().frozen,
        1,
        "no answer is no reason to go on"
    );
    assert!(scene.active(other.user)[0].2.x > 24.0);
    bot.live(&mut scene, 2_000);
    assert_eq!(scene.assert_owned_once(UserId(5)), B);
}

#[test]
fn a_store_that_is_away_holds_players_inside_and_lets_them_cross_later() {
    let (mut scene, mut bot) = cross(Fault::Unavailable);
    bot.live(&mut scene, 700);
    assert_eq!(scene.counted["handover_store"], 1);
    assert_eq!(scene.assert_owned_once(bot.user), A);
    bot.live(&mut scene, 2_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
}

#[test]
fn an_owner_that_the_row_has_left_behind_lets_go() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    bot.live(&mut scene, 1_200);
    let row = scene.row(bot.user);
    // Somebody restarted the region behind our back.
    let serve = StoreRequest::ServeRegion {
        region: A,
        node: bot.node,
        after: Some(scene.regions[&A].epoch()),
    };
    let Ok(StoreReply::Serving(region_epoch)) = scene.store.apply(&serve) else {
        panic!()
    };
    let activate = StoreRequest::Activate {
        user: bot.user,
        serving: store::Serving {
            node: bot.node,
            region: A,
            region_epoch,
        },
        expected: row.owner_epoch,
        binding: row.body.binding,
    };
    scene.store.apply(&activate).unwrap();
    bot.walk(&mut scene, 0, 255);
    scene.run(1_200);
    assert!(scene.active(bot.user).is_empty());
    assert_eq!(scene.counted["player_fenced"], 1);
    assert_eq!(scene.counted["superseded"], 1, "and its process hears of it");
}

#[test]
fn a_logout_that_may_take_effect_late_does_so_before_anybody_goes_on() {
    let is_release: Kind = |request| matches!(request, StoreRequest::Release { .. });
    for fault in [Fault::UnknownLate(150), Fault::UnknownLost, Fault::UnknownApplied] {
        let mut scene = Scene::four();
        let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
        bot.live(&mut scene, 100);
        scene.fault = Some((is_release, fault));
        let session = scene.player(A, bot.user).session_key();
        let leave = Leave {
            user: bot.user.0,
            session: Some(session),
            reason: LeaveReason::Logout.into(),
        };
        scene.proxy_says(bot.node, PROXY, leave);
        scene.tick();
        scene.heard.clear();
        scene.input(A, RegionInput::Join(PROXY, join(5, 2, 1)));
        scene.run(50);
        assert!(
            scene.take_heard(joined).is_empty(),
            "its epoch may be gone any moment"
        );
        scene.run(1_000);
        scene.input(A, RegionInput::Join(PROXY, join(5, 2, 1)));
        scene.run(1_000);
        assert_eq!(scene.assert_owned_once(bot.user), A);
        assert!(scene.player(A, bot.user).epoch > bot.epoch);
        assert!(!scene.counted.contains_key("player_fenced"));
    }
}
