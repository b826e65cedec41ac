//! What the map is told of a region's players: how many are where, and nothing of whom rules hide.

use game::{Ctx as _, Visibility};
use protocol::ids::RegionNumber;

use super::bot::Bot;
use super::scene::*;

const EAST: u8 = 0;

/// Cells by their number, and how many are in each.
fn heat(scene: &Scene, region: RegionNumber) -> (u32, Vec<(u32, u32)>) {
    let heat = scene.regions[&region].heat();
    let cells = heat.cells.into_iter().map(|(cell, count)| (cell.0, count));
    (heat.population, cells.collect())
}

fn crossed(scene: &Scene, from: RegionNumber) -> Vec<(RegionNumber, u64)> {
    scene.regions[&from].heat().crossed
}

fn show(scene: &mut Scene, bot: &Bot, seen: Visibility) {
    let entity = scene.player(A, bot.user).entity;
    let state = &mut scene.regions.get_mut(&A).unwrap().state;
    assert!(state.show(entity, seen));
}

#[test]
fn players_are_counted_by_cell_and_whom_rules_hide_in_none() {
    let mut scene = Scene::four();
    // Eight cells of 32 units to a row.
    let _one = Bot::join(&mut scene, 5, 10.0, 40.0);
    let _two = Bot::join(&mut scene, 6, 20.0, 50.0);
    let other = Bot::join(&mut scene, 7, 70.0, 10.0);
    scene.tick();
    assert_eq!(heat(&scene, A), (3, vec![(2, 1), (8, 2)]));
    for seen in [Visibility::Hidden, Visibility::Only(other.user)] {
        show(&mut scene, &other, seen);
        scene.tick();
        assert_eq!(heat(&scene, A), (2, vec![(8, 2)]), "{seen:?}");
    }
    // In a world without far rings, and with them, it is the same cell.
    show(&mut scene, &other, Visibility::Far);
    scene.tick();
    assert_eq!(heat(&scene, A), (3, vec![(2, 1), (8, 2)]));
    assert_eq!(heat(&scene, B), (0, Vec::new()));
    assert_eq!(crossed(&scene, A), []);
}

#[test]
fn whoever_walks_over_a_border_is_counted_there_once_and_nobody_whom_rules_hide_or_put_somewhere() {
    let mut scene = Scene::four();
    let mut walker = Bot::join(&mut scene, 5, 126.0, 40.0);
    let mut hidden = Bot::join(&mut scene, 6, 126.0, 50.0);
    let put = Bot::join(&mut scene, 7, 100.0, 60.0);
    show(&mut scene, &hidden, Visibility::Hidden);
    // As those came here.
    let before = crossed(&scene, B);
    walker.walk(&mut scene, EAST, 255);
    hidden.walk(&mut scene, EAST, 255);
    let there = protocol::geometry::Position { x: 200.0, y: 60.0 };
    scene.regions.get_mut(&A).unwrap().state.teleport(put.user, there);
    for _ in 0..30 {
        walker.live(&mut scene, 50);
        hidden.listen(&mut scene);
    }
    for bot in [&walker, &hidden, &put] {
        assert_eq!(scene.assert_owned_once(bot.user), B);
    }
    assert_eq!(crossed(&scene, A), [(B, 1)]);
    assert_eq!(crossed(&scene, B), before);
    assert_eq!(heat(&scene, A), (0, Vec::new()));
    assert_eq!(heat(&scene, B).0, 2, "the hidden one stays hidden over there");
}
