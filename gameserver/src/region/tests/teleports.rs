//! Players whom the rules put somewhere else, near and far, and all that may come in between.

use std::sync::Arc;

use game::Ctx as _;
use game::limits::{CELL_ENTITIES_MAX, TELEPORT_MS_MAX};
use protocol::geometry::Position;
use protocol::ids::{NodeNumber, RegionNumber, UserId};

use super::super::*;
use super::bot::Bot;
use super::scene::*;

const PREPARE: u8 = 0x60;
const PREPARED: u8 = 0x61;
const COMMIT: u8 = 0x63;
const DONE: u8 = 0x64;
const D: RegionNumber = RegionNumber(4);

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

fn teleport(scene: &mut Scene, region: RegionNumber, user: UserId, to: Position) {
    scene.regions.get_mut(&region).unwrap().state.teleport(user, to);
}

/// Region A loses its memory, and the player joins anew.
fn restart(scene: &mut Scene, bot: &Bot) {
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.settle();
    scene.input(A, RegionInput::Join(PROXY, join(bot.user.0, 1, 1)));
    scene.settle();
}

/// Four regions side by side, each on a server of its own; only neighbours are linked.
fn row() -> Scene {
    let row = world([1, 2, 3, 4]).to_toml();
    let row = row
        .replace("size = [256, 256]", "size = [512, 128]")
        .replace("columns = 2\nrows = 2", "columns = 4\nrows = 1");
    let mut scene = Scene::of(Arc::new(topology::parse("row.toml", &row).unwrap()));
    for (one, other) in [(1, 3), (1, 4), (2, 4)] {
        for (of, gone) in [(one, other), (other, one)] {
            scene.input(RegionNumber(of), RegionInput::PeerDown(NodeNumber(gone as u16)));
        }
    }
    scene.settle();
    scene
}

#[test]
fn within_its_region_a_player_is_there_at_once_and_its_client_hears_of_the_jump() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    bot.live(&mut scene, 100);
    let before = scene.take_heard(output).last().unwrap().discontinuity;
    teleport(&mut scene, A, bot.user, at(100.0, 90.0));
    assert_eq!(scene.active(bot.user)[0].2, at(100.0, 90.0));
    bot.live(&mut scene, 50);
    let after = scene.take_heard(output).last().unwrap().discontinuity;
    assert_ne!(after, before);
    bot.live(&mut scene, 1_500);
    assert_eq!(
        scene.take_heard(output).last().unwrap().discontinuity,
        after,
        "once"
    );
    // A crash is another one, and takes nothing back that a second has passed for.
    restart(&mut scene, &bot);
    bot.live(&mut scene, 2_000);
    assert_eq!(scene.active(bot.user)[0].2, at(100.0, 90.0));
    assert!(scene.take_heard(output).last().unwrap().discontinuity > after);
}

#[test]
fn into_another_region_a_player_plays_on_until_it_is_there() {
    for servers in [[1, 2, 3, 4], [1, 1, 2, 2]] {
        let mut scene = Scene::new(servers);
        let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
        bot.live(&mut scene, 100);
        let before = scene.take_heard(output).last().unwrap().discontinuity;
        scene.lose.insert(PREPARE, 1);
        teleport(&mut scene, A, bot.user, at(200.0, 230.0));
        assert_eq!(scene.active(bot.user)[0].2, at(20.0, 20.0), "its body stays");
        for _ in 0..20 {
            bot.live(&mut scene, 50);
            assert_eq!(scene.active(bot.user).len(), 1, "on {servers:?}");
        }
        assert_eq!(scene.assert_owned_once(bot.user), D);
        assert_eq!(scene.active(bot.user)[0].2, at(200.0, 230.0));
        assert!(scene.take_heard(output).last().unwrap().discontinuity > before);
        bot.walk(&mut scene, 0, 255);
        bot.live(&mut scene, 1_000);
        assert!(scene.active(bot.user)[0].2.x > 204.0, "it walks there");
        bot.live(&mut scene, 31_000);
        for region in scene.regions.values() {
            let status = region.status();
            assert_eq!((status.handovers, status.store_waiting), (0, 0));
        }
        assert_eq!(scene.counted.get("teleport_failed"), None);
    }
}

#[test]
fn any_one_message_of_a_teleport_may_be_lost_or_doubled() {
    for family in [PREPARE, PREPARED, COMMIT, DONE] {
        for lost in [0, 1, 3] {
            let mut scene = Scene::four();
            let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
            scene.lose.insert(family, lost);
            if lost == 0 {
                scene.double.insert(family);
            }
            teleport(&mut scene, A, bot.user, at(200.0, 20.0));
            bot.live(&mut scene, 4_000);
            assert_eq!(
                scene.assert_owned_once(bot.user),
                B,
                "{lost} of {family:#04x} lost"
            );
            assert_eq!(scene.active(bot.user)[0].2, at(200.0, 20.0));
        }
    }
}

#[test]
fn a_far_region_is_found_in_the_store_and_linked_first() {
    let mut scene = row();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    teleport(&mut scene, A, bot.user, at(500.0, 100.0));
    bot.live(&mut scene, 500);
    assert_eq!(scene.assert_owned_once(bot.user), A);
    assert_eq!(
        scene.regions[&A].status().frozen,
        0,
        "it is not held up meanwhile"
    );
    assert_eq!(scene.wanted, [(NodeNumber(1), NodeNumber(4))]);
    let before = scene.active(bot.user)[0].2;
    bot.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 500);
    assert_ne!(scene.active(bot.user)[0].2, before);
    scene.input(A, RegionInput::PeerUp(NodeNumber(4)));
    scene.input(D, RegionInput::PeerUp(NodeNumber(1)));
    bot.live(&mut scene, 500);
    assert_eq!(scene.assert_owned_once(bot.user), D);
    // Back again, and it is as it was before.
    teleport(&mut scene, D, bot.user, at(20.0, 20.0));
    bot.live(&mut scene, 500);
    assert_eq!(scene.assert_owned_once(bot.user), A);
    assert_eq!(scene.counted.get("teleport_failed"), None);
}

#[test]
fn who_cannot_be_put_anywhere_stays_and_the_rules_hear_why() {
    let mut scene = row();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let failed = |scene: &Scene| scene.counted.get("teleport_failed").copied().unwrap_or(0);
    for nowhere in [at(-1.0, 5.0), at(600.0, 5.0), at(f32::NAN, 5.0)] {
        let before = failed(&scene);
        teleport(&mut scene, A, bot.user, nowhere);
        scene.settle();
        assert_eq!(failed(&scene), before + 1);
    }
    teleport(&mut scene, A, bot.user, at(500.0, 100.0));
    bot.live(&mut scene, TELEPORT_MS_MAX - 500);
    assert_eq!(failed(&scene), 3, "a link may come yet");
    bot.live(&mut scene, 1_000);
    assert_eq!(failed(&scene), 4);
    scene.input(A, RegionInput::PeerUp(NodeNumber(4)));
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.assert_owned_once(bot.user), A, "it is over");
}

#[test]
fn a_full_cell_takes_nobody_and_a_place_that_is_kept_is_nobody_elses() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let there = at(200.0, 20.0);
    let fill = |scene: &mut Scene, count: usize| {
        let state = &mut scene.regions.get_mut(&B).unwrap().state;
        (0..count)
            .filter_map(|_| state.spawn(9, there, &[]))
            .collect::<Vec<_>>()
    };
    let filled = fill(&mut scene, 2 * CELL_ENTITIES_MAX);
    assert!(filled.len() > CELL_ENTITIES_MAX / 2);
    teleport(&mut scene, A, bot.user, there);
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.assert_owned_once(bot.user), A);
    assert_eq!(
        (
            scene.counted["teleport_failed"],
            scene.counted["handover_refused"]
        ),
        (1, 1)
    );
    // One place is left, and kept as soon as it is promised.
    let first = filled[0];
    scene.regions.get_mut(&B).unwrap().state.despawn(first);
    scene.lose.insert(PREPARED, 1);
    teleport(&mut scene, A, bot.user, there);
    bot.live(&mut scene, 50);
    assert_eq!(fill(&mut scene, 1), []);
    bot.live(&mut scene, 1_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
}

#[test]
fn a_crash_forgets_no_destination_that_was_saved() {
    let mut scene = row();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    teleport(&mut scene, A, bot.user, at(500.0, 100.0));
    bot.live(&mut scene, 1_500);
    restart(&mut scene, &bot);
    bot.live(&mut scene, 3_000);
    assert_eq!(scene.assert_owned_once(bot.user), D);
    assert_eq!(scene.active(bot.user)[0].2, at(500.0, 100.0));
}

#[test]
fn companions_come_along() {
    let mut scene = Scene::four();
    let mut bots = [5, 6].map(|user| Bot::join(&mut scene, user, 20.0, 20.0));
    let [rider, mount] = [bots[0].user, bots[1].user];
    scene
        .regions
        .get_mut(&A)
        .unwrap()
        .state
        .travel_with(rider, &[mount]);
    teleport(&mut scene, A, rider, at(200.0, 20.0));
    for _ in 0..20 {
        bots.iter_mut().for_each(|bot| bot.listen(&mut scene));
        scene.tick();
    }
    for user in [rider, mount] {
        assert_eq!(scene.assert_owned_once(user), B);
        assert_eq!(scene.active(user)[0].2, at(200.0, 20.0));
    }
}
