//! One region walks: inputs, commands, cells and outputs.

use std::collections::BTreeSet;

use protocol::ids::{RegionNumber, UserId};
use protocol::message::family::ServerToProxy;
use protocol::message::player::Inputs;

use super::bot::Bot;
use super::scene::*;
use super::view::{View, subscribe};
use crate::region::RegionInput;

#[test]
fn a_player_walks_and_every_cell_it_crosses_is_seen_without_a_gap() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    subscribe(&mut scene);
    let mut view = View::default();
    scene.tick();
    assert_eq!(view.update(&mut scene), 16, "a keyframe for each cell");
    bot.walk(&mut scene, 0, 255);
    for _ in 0..100 {
        scene.tick();
        view.update(&mut scene);
        assert_eq!(view.players().len(), 1, "seen in exactly one cell");
    }
    let (_, _, at) = scene.active(bot.user)[0];
    assert!(
        (at.x - 50.0).abs() < 0.2 && (at.y - 20.0).abs() < 0.2,
        "walked 30 units in 5 s: {at:?}"
    );
    assert_eq!(view.players()[0].0, scene.topology.world().grid().cell_at(at));
}

#[test]
fn a_subscriber_hears_what_changes_and_starts_again_with_keyframes_when_it_asks_again() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    subscribe(&mut scene);
    bot.walk(&mut scene, 0, 255);
    scene.run(200);
    scene.heard.clear();
    scene.tick();
    let mut view = View::default();
    let changed = scene.take_heard(|message| match message {
        ServerToProxy::CellUpdates(updates) => Some(updates.cells.len()),
        _ => None,
    });
    assert_eq!(changed, [1], "only the cell with the walker changed");
    subscribe(&mut scene);
    scene.tick();
    assert_eq!(view.update(&mut scene), 16);
}

#[test]
fn the_newest_input_has_the_last_word_and_its_number_never_goes_back() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let send = |scene: &mut Scene, number, speeds: &[u8]| {
        let inputs = Inputs {
            user: 5,
            owner_epoch: bot.epoch.0,
            number,
            inputs: speeds.iter().map(|speed| vec![0, *speed].into()).collect(),
        };
        scene.proxy_says(bot.node, PROXY, inputs);
    };
    send(&mut scene, 3, &[30, 20, 10]);
    send(&mut scene, 2, &[99]);
    scene.tick();
    let outputs = scene.take_heard(output);
    let own = demo::OwnState::parse(&outputs.last().unwrap().own).unwrap();
    assert_eq!((outputs.last().unwrap().input_ack, own.walk.speed), (3, 30));
    send(&mut scene, 1, &[99]);
    scene.tick();
    assert_eq!(scene.take_heard(output).last().unwrap().input_ack, 3);
}

#[test]
fn soft_commands_are_applied_once_in_order_and_a_gap_is_never_skipped() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    for emote in 1..=3 {
        bot.command(&mut scene, &demo::Command::Emote(emote));
    }
    bot.live(&mut scene, 50);
    assert_eq!(bot.acked, 3);
    let before = scene.player(A, bot.user).commands.chain_hash();
    assert_eq!(before, bot.chain);
    let mut skipping = |number| {
        let command = protocol::message::player::Command {
            user: 5,
            owner_epoch: bot.epoch.0,
            number,
            class: 0,
            body: demo::Command::Emote(9).encode(),
            session_generation: bot.login,
        };
        scene.heard.clear();
        scene.proxy_says(bot.node, PROXY, command);
        scene.tick();
        let acks = scene.take_heard(|message| match message {
            ServerToProxy::CommandAck(ack) => Some(ack.number),
            _ => None,
        });
        (acks, scene.player(A, bot.user).commands.chain_hash())
    };
    assert_eq!(
        skipping(5),
        (vec![3], before),
        "after a gap the proxy hears where to go on"
    );
    assert_eq!(skipping(2), (vec![3], before), "repetitions change nothing");
}

#[test]
fn what_somebody_else_says_about_a_player_is_refused_and_counted() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let inputs = |epoch| Inputs {
        user: 5,
        owner_epoch: epoch,
        number: 9,
        inputs: vec![vec![0, 255].into()],
    };
    scene.proxy_says(bot.node, OTHER_PROXY, inputs(bot.epoch.0));
    scene.proxy_says(bot.node, PROXY, inputs(bot.epoch.0 - 1));
    scene.tick();
    assert_eq!(scene.counted["player_wrong_proxy"], 1);
    assert_eq!(scene.counted["player_stale_epoch"], 1);
    assert_eq!(scene.player(A, bot.user).last_input, 0);
}

#[test]
fn a_census_finds_those_it_asks_for_and_tells_whether_something_of_them_is_under_way() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    Bot::join(&mut scene, 6, 24.0, 20.0);
    let asked = BTreeSet::from([UserId(5), UserId(99)]);
    let found = |scene: &Scene| -> Vec<(u64, RegionNumber, bool)> {
        let regions = scene.regions.values();
        let found = regions.flat_map(|region| region.whereabouts(&asked).collect::<Vec<_>>());
        found
            .map(|one| (one.user.0, one.region, one.is_settled))
            .collect()
    };
    bot.live(&mut scene, 3_000);
    assert_eq!(found(&scene), [(5, A, true)]);
    // The first is written at once; the second waits for the next round.
    for emote in [1, 2] {
        bot.command(&mut scene, &demo::Command::Emote(emote));
        bot.live(&mut scene, 50);
    }
    assert_eq!(found(&scene), [(5, A, false)], "the store has not got it yet");
    bot.live(&mut scene, 3_000);
    assert_eq!(found(&scene), [(5, A, true)]);
    let (region, newcomer) = (scene.regions.get_mut(&A).unwrap(), join(99, 1, 1));
    region.handle(RegionInput::Join(PROXY, newcomer), scene.now);
    assert_eq!(found(&scene), [(5, A, true), (99, A, false)], "it joins");
}
