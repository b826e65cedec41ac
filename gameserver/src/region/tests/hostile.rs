//! A listed server that lies about epochs: its neighbours ask the store, and go on.

use protocol::ids::NodeNumber;
use protocol::message::family::ServerToServer;
use protocol::message::handover::{Passenger, Prepare};
use protocol::message::subscription::{CellUpdates, Serving};

use super::super::*;
use super::bot::Bot;
use super::scene::*;

const EAST: u8 = 0;
const WEST: u8 = 128;

/// Node 2 serves region B, and says so at an epoch that nobody has issued, in every message that names one.
fn lies(region_epoch: u64) -> [ServerToServer; 3] {
    let serving = Serving {
        region: B.0,
        region_epoch,
        ..Serving::default()
    };
    let cells = CellUpdates {
        region: B.0,
        region_epoch,
        ..CellUpdates::default()
    };
    let prepare = Prepare {
        from_region: B.0,
        from_region_epoch: region_epoch,
        to_region: A.0,
        passengers: vec![Passenger {
            user: 99,
            ..Passenger::default()
        }],
        ..Prepare::default()
    };
    [serving.into(), cells.into(), prepare.into()]
}

#[test]
fn a_neighbour_that_makes_up_a_region_epoch_is_refused_and_players_cross_as_before() {
    for lie in [u64::MAX, 1 << 40] {
        for message in lies((1 << 48) + lie / 2) {
            let mut scene = Scene::four();
            let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
            scene.input(A, RegionInput::FromPeer(NodeNumber(2), message));
            scene.settle();
            assert_eq!(scene.counted.get("serving_unissued"), Some(&1));
            bot.walk(&mut scene, EAST, 255);
            bot.live(&mut scene, 1_500);
            assert_eq!(scene.assert_owned_once(bot.user), B);
            bot.walk(&mut scene, WEST, 255);
            bot.live(&mut scene, 2_000);
            assert_eq!(scene.assert_owned_once(bot.user), A);
        }
    }
}

#[test]
fn a_neighbour_that_is_served_anew_is_believed_while_another_lies() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    scene.stop(B);
    for _ in 0..3 {
        let [lie, ..] = lies(u64::MAX);
        scene.input(A, RegionInput::FromPeer(NodeNumber(2), lie));
    }
    scene.start(B);
    scene.link_all();
    scene.settle();
    bot.walk(&mut scene, EAST, 255);
    bot.live(&mut scene, 2_500);
    assert_eq!(scene.assert_owned_once(bot.user), B);
}
