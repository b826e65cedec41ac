//! A proxy with several lanes: each user by its own, subscriptions by each, and nothing of an earlier start is left when
//! a later one comes up.

use protocol::ids::{Lane, Lanes, LiveLane, NodeNumber, ProxyLane, UserId, lane_of};
use protocol::message::family::ServerToProxy;
use protocol::message::player::Inputs;
use protocol::message::subscription::Subscribe;

use super::super::RegionInput;
use super::bot::Bot;
use super::scene::*;
use crate::proxy_lanes::ArrivingLane;

const MANY: u16 = 103;
const TWO: Option<Lanes> = Lanes::new(2);

fn come_up(scene: &mut Scene, number: u8, start: u64) {
    let arriving = ArrivingLane {
        lane: lane(MANY, number, start),
        lanes: TWO.unwrap(),
    };
    scene.input(A, RegionInput::ProxyUp(arriving));
    scene.settle();
}

fn lane_of_user(user: u64, start: u64) -> LiveLane {
    lane(MANY, lane_of(UserId(user), TWO.unwrap()).number(), start)
}

/// A scene with a player of each lane in region `A`, bound to the proxy of two lanes.
fn scene_of_two() -> (Scene, [Bot; 2]) {
    let mut scene = Scene::four();
    come_up(&mut scene, 0, 1);
    come_up(&mut scene, 1, 1);
    let bots = [0, 1].map(|number| {
        let lane = Lane::new(number).unwrap();
        let user = (5..)
            .find(|user| lane_of(UserId(*user), TWO.unwrap()) == lane)
            .unwrap();
        let bot = Bot::join(&mut scene, user, 64.0, 64.0);
        scene.input(A, RegionInput::Join(lane_of_user(user, 1), join(user, 1, 2)));
        scene.settle();
        bot
    });
    (scene, bots)
}

fn bound(scene: &Scene, bot: &Bot) -> Option<LiveLane> {
    scene.player(A, bot.user).bound.lane
}

fn inputs(bot: &Bot) -> Inputs {
    Inputs {
        user: bot.user.0,
        owner_epoch: bot.epoch.0,
        number: 1,
        inputs: vec![vec![0, 0].into()],
    }
}

#[test]
fn every_lane_hears_who_serves_and_gets_its_own_players_outputs() {
    let (mut scene, bots) = scene_of_two();
    for number in 0..2 {
        let at = lane(MANY, number, 1).at;
        let heard = |message: &ServerToProxy| matches!(message, ServerToProxy::Serving(_));
        assert!(
            scene
                .heard
                .iter()
                .any(|(_, to, message)| *to == at && heard(message))
        );
    }
    scene.heard.clear();
    scene.tick();
    for bot in &bots {
        let own = |(_, to, message): &(NodeNumber, ProxyLane, ServerToProxy)| {
            let output = output(message).filter(|output| output.user == bot.user.0)?;
            Some((*to, output.owner_epoch))
        };
        let outputs: Vec<_> = scene.heard.iter().filter_map(own).collect();
        assert_eq!(outputs, [(lane_of_user(bot.user.0, 1).at, bot.epoch.0)]);
    }
}

#[test]
fn a_message_about_a_user_counts_on_its_own_lane_only() {
    let (mut scene, bots) = scene_of_two();
    let [first, second] = [0, 1].map(|number| lane(MANY, number, 1));
    let (right, wrong) = ((first, second), (second, first));
    for (lane, counted) in [(wrong.0, 1), (right.0, 0)] {
        let before = scene.counted.get("player_wrong_lane").copied().unwrap_or(0);
        scene.input(A, RegionInput::FromProxy(lane, inputs(&bots[0]).into()));
        scene.settle();
        let after = scene.counted.get("player_wrong_lane").copied().unwrap_or(0);
        assert_eq!(after - before, counted);
        scene.tick();
        assert_eq!(scene.player(A, bots[0].user).last_input, 1 - counted as u64);
    }
    // A join as well: it would bind the player to a lane that may not speak for it.
    scene.input(A, RegionInput::Join(wrong.1, join(bots[1].user.0, 1, 3)));
    scene.settle();
    assert_eq!(bound(&scene, &bots[1]), Some(right.1));
    assert_eq!(scene.player(A, bots[1].user).bound.attach_no.0, 2);
}

#[test]
fn a_lane_that_ends_makes_its_own_players_link_dead_and_leaves_the_others() {
    let (mut scene, bots) = scene_of_two();
    scene.input(A, RegionInput::ProxyDown(lane(MANY, 0, 1)));
    scene.settle();
    assert_eq!(bound(&scene, &bots[0]), None);
    assert!(scene.player(A, bots[0].user).linkdead_since_ms.is_some());
    assert_eq!(bound(&scene, &bots[1]), Some(lane(MANY, 1, 1)));
}

#[test]
fn a_later_start_on_any_lane_ends_all_players_and_wishes_of_the_earlier_one() {
    let (mut scene, bots) = scene_of_two();
    let cell = scene.regions[&A].state.cells.index(0).0;
    let before = scene.regions[&A].status().subscriptions;
    for number in 0..2 {
        let subscribe = Subscribe {
            region: A.0,
            region_epoch: scene.regions[&A].epoch().0,
            cells: vec![cell],
        };
        scene.input(A, RegionInput::FromProxy(lane(MANY, number, 1), subscribe.into()));
    }
    assert_eq!(scene.regions[&A].status().subscriptions, before + 2);
    come_up(&mut scene, 1, 2);
    assert_eq!(bots.each_ref().map(|bot| bound(&scene, bot)), [None, None]);
    assert_eq!(scene.regions[&A].status().subscriptions, before);

    // What the dead process had still said counts for nothing, and its links' ends end nobody.
    let user = bots[1].user.0;
    scene.input(
        A,
        RegionInput::FromProxy(lane(MANY, 1, 1), inputs(&bots[1]).into()),
    );
    assert_eq!(scene.player(A, bots[1].user).last_input, 0);
    scene.input(A, RegionInput::Join(lane_of_user(user, 2), join(user, 1, 3)));
    scene.settle();
    assert_eq!(bound(&scene, &bots[1]), Some(lane(MANY, 1, 2)));
    scene.input(A, RegionInput::ProxyDown(lane(MANY, 1, 1)));
    assert_eq!(bound(&scene, &bots[1]), Some(lane(MANY, 1, 2)));
}

#[test]
fn of_two_joins_with_one_number_the_one_of_the_same_node_is_the_same_again() {
    let (mut scene, bots) = scene_of_two();
    let user = bots[0].user.0;
    scene.heard.clear();
    scene.input(A, RegionInput::Join(OTHER_PROXY, join(user, 1, 2)));
    scene.settle();
    assert_eq!(scene.take_heard(refused).len(), 1);
    scene.input(A, RegionInput::Join(lane_of_user(user, 1), join(user, 1, 2)));
    scene.settle();
    assert_eq!(scene.take_heard(joined).len(), 1);
}

#[test]
fn a_player_that_arrives_is_bound_to_the_lane_of_its_proxy() {
    let (mut scene, mut bots) = scene_of_two();
    for number in 0..2 {
        let arriving = ArrivingLane {
            lane: lane(MANY, number, 1),
            lanes: TWO.unwrap(),
        };
        scene.input(B, RegionInput::ProxyUp(arriving));
    }
    for bot in &mut bots {
        scene.place(A, bot.user, 130.0, 64.0);
    }
    scene.run(500);
    for bot in &bots {
        assert_eq!(scene.assert_owned_once(bot.user), B);
        let bound = scene.player(B, bot.user).bound;
        assert_eq!(bound.lane, Some(lane_of_user(bot.user.0, 1)));
        assert_eq!(scene.row(bot.user).body.binding.proxy, Some(NodeNumber(MANY)));
    }
}
