//! Rules that are older than what they are to read, and rules of another game.

use game::Edition;
use protocol::Code;
use protocol::ids::{NodeNumber, RegionNumber};
use protocol::message::family::{ServerToProxy, ServerToServer};
use protocol::message::subscription;

use super::super::*;
use super::bot::Bot;
use super::scene::*;

/// Region A begins anew with rules of this version; the others stay as they are.
fn upgrade(scene: &mut Scene, region: RegionNumber, version: u32) {
    scene.version = version;
    scene.stop(region);
    scene.start(region);
    scene.link_all();
    scene.settle();
}

fn refused(scene: &mut Scene) -> Vec<u32> {
    let refused = |message: &ServerToProxy| match message {
        ServerToProxy::JoinRefused(refused) => Some(refused.code),
        _ => None,
    };
    scene.take_heard(refused)
}

#[test]
fn ms_14_newer_rules_take_players_over_and_older_ones_do_not_get_them_back() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    upgrade(&mut scene, A, 2);
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    assert_eq!(
        scene.assert_owned_once(bot.user),
        A,
        "what older ones wrote can be read"
    );
    for _ in 0..40 {
        scene.tick();
    }
    refused(&mut scene);
    let epoch = scene.row(bot.user).owner_epoch;
    upgrade(&mut scene, A, 1);
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    assert_eq!(refused(&mut scene), [u32::from(Code::Maintenance.number())]);
    assert_eq!(
        (scene.counted["row_unreadable"], scene.counted["unreadable"]),
        (1, 1)
    );
    assert_eq!(scene.row(bot.user).owner_epoch, epoch, "the row is as it was");
    upgrade(&mut scene, A, 3);
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    assert_eq!(scene.assert_owned_once(bot.user), A);
}

#[test]
fn nobody_crosses_to_older_rules_and_everybody_to_newer_ones() {
    let mut scene = Scene::four();
    upgrade(&mut scene, A, 2);
    let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
    bot.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 3_000);
    assert_eq!(scene.assert_owned_once(bot.user), A);
    assert_eq!(
        scene.counted["handover_refused"], 1,
        "it is not held up again and again"
    );
    upgrade(&mut scene, B, 2);
    bot.live(&mut scene, 6_000);
    assert_eq!(scene.assert_owned_once(bot.user), B);
}

#[test]
fn creatures_stay_on_their_side_of_a_border_beyond_which_rules_are_older() {
    use game::{Ctx as _, Position};
    let mut scene = Scene::four();
    upgrade(&mut scene, A, 2);
    scene.run(200);
    let here = &mut scene.regions.get_mut(&A).unwrap().state;
    let at = Position { x: 126.0, y: 40.0 };
    let sheep = here.spawn_roaming(9, at, &[]).unwrap();
    let cow = here.spawn_persistent(9, at, &[]).unwrap();
    let walk = |scene: &mut Scene| {
        let here = &mut scene.regions.get_mut(&A).unwrap().state;
        for creature in [sheep, cow] {
            here.walk(creature, Position { x: 130.0, y: 40.0 }, 0, 1.0);
        }
        scene.run(500);
        let has = |region: &RegionNumber| {
            let creatures = &scene.regions[region].state.creatures;
            [sheep, cow].map(|creature| creatures.has(creature))
        };
        [A, B].map(|region| has(&region))
    };
    scene.run(200);
    assert_eq!(walk(&mut scene), [[true; 2], [false; 2]]);
    let state = &scene.regions[&A].state;
    let entity = state.entities.get(state.entities.key(sheep).unwrap()).unwrap();
    assert!(
        state.rect.distance(entity.at) <= state.margin,
        "held back, as where nobody serves"
    );
    upgrade(&mut scene, B, 2);
    scene.run(200);
    assert_eq!(walk(&mut scene), [[false; 2], [true; 2]]);
}

#[test]
fn a_region_of_another_game_is_nobody_to_talk_to() {
    let mut scene = Scene::four();
    let before = scene.regions[&A].state.neighbourhood.serving(B);
    let other = subscription::Serving {
        region: B.0,
        region_epoch: scene.regions[&B].epoch().0,
        game: "chess".to_owned(),
        game_version: 1,
        briefs: false,
    };
    scene.input(
        A,
        RegionInput::FromPeer(NodeNumber(2), ServerToServer::Serving(other)),
    );
    scene.settle();
    assert_eq!(
        (scene.counted["serving_other_game"], scene.counted["unreadable"]),
        (1, 1)
    );
    assert_eq!(scene.regions[&A].state.neighbourhood.serving(B), before);
}

#[test]
fn an_edition_reads_its_own_game_up_to_its_version() {
    let ours = Edition {
        id: "tag",
        version: 3,
    };
    assert_eq!(
        [ours.reads("tag", 3), ours.reads("tag", 0), ours.reads("", 9)],
        [Ok(()), Ok(()), Ok(())]
    );
    let newer = ours.reads("tag", 4).unwrap_err().to_string();
    assert!(newer.contains("version 4") && newer.contains("as new"), "{newer}");
    let other = ours.reads("gems", 1).unwrap_err().to_string();
    assert!(
        other.contains("`gems`") && other.contains("`tag`") && other.contains("store"),
        "{other}"
    );
}
