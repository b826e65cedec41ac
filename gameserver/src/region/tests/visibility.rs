//! Who is shown an entity: of clients those whom the rules say, of servers all next door.

use std::collections::BTreeSet;
use std::sync::Arc;

use game::limits::OWNER_ONLY_MAX;
use game::{Ctx, EntityId, Place, Position, Visibility};
use protocol::cell::DecodedCell;
use protocol::geometry::{CellIndex, Layer};
use protocol::ids::{RegionNumber, UserId};
use protocol::message::family::ServerToProxy;
use protocol::message::player::Output;
use protocol::message::subscription::Subscribe;

use super::super::state::RegionState;
use super::super::*;
use super::bot::Bot;
use super::scene::*;

const WOLF: u16 = 7;

/// Four regions, whose clients look three rings far.
fn far_seeing() -> Scene {
    let world = world([1, 2, 3, 4]).to_toml();
    let world = world.replace("view_rings = 1", "view_rings = 1\nfar_rings = 3");
    Scene::of(Arc::new(topology::parse("far.toml", &world).unwrap()))
}

fn state(scene: &mut Scene, region: RegionNumber) -> &mut RegionState {
    &mut scene.regions.get_mut(&region).unwrap().state
}

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

fn spawn(scene: &mut Scene, x: f32, y: f32) -> EntityId {
    state(scene, A).spawn(WOLF, at(x, y), b"").unwrap()
}

/// The proxy asks for all cells of a region in every layer.
fn ask_for_everything(scene: &mut Scene, number: RegionNumber) {
    let grid = scene.topology.world().grid();
    let region = scene.topology.region(number).unwrap();
    let (server, rect, epoch) = (region.server, region.rect, scene.regions[&number].epoch().0);
    for layer in Layer::ALL {
        let subscribe = Subscribe {
            region: number.0,
            region_epoch: epoch,
            cells: grid.within(rect).map(|cell| grid.on(cell, layer).0).collect(),
        };
        scene.proxy_says(server, PROXY, subscribe);
    }
}

/// What proxies have heard of an entity since the last time: in cells of which layers, and as whose own.
fn heard(scene: &mut Scene, id: EntityId) -> (BTreeSet<Layer>, BTreeSet<u64>) {
    let grid = scene.topology.world().grid();
    let is_in = |bytes: &bytes::Bytes| {
        let cell = DecodedCell::parse(bytes, &grid).unwrap();
        let is_there = cell.adds.iter().any(|add| add.entity.id == id);
        is_there.then_some(cell.cell)
    };
    let (mut layers, mut owners) = (BTreeSet::new(), BTreeSet::new());
    for message in scene.take_heard(|message| Some(message.clone())) {
        match message {
            ServerToProxy::CellUpdates(updates) => {
                let cells = updates.cells.iter().filter_map(is_in);
                layers.extend(cells.filter_map(|cell| grid.layer(cell)));
            }
            ServerToProxy::Output(Output { user, cells, .. })
                if cells.iter().any(|cell| is_in(cell).is_some()) =>
            {
                owners.insert(user);
            }
            _ => {}
        }
    }
    (layers, owners)
}

#[test]
fn what_is_hidden_reaches_no_proxy_whatever_it_asks_for_and_rules_see_it_on_both_sides_of_a_border() {
    let mut scene = far_seeing();
    let bot = Bot::join(&mut scene, 5, 100.0, 40.0);
    let wolf = spawn(&mut scene, 120.0, 40.0);
    assert!(state(&mut scene, A).show(wolf, Visibility::Hidden));
    ask_for_everything(&mut scene, A);
    assert_eq!(scene.counted.get("subscribe_foreign_cell"), Some(&1));
    for step in 0..40_u8 {
        state(&mut scene, A).walk(wolf, at(120.0 + f32::from(step % 2), 40.0), step, 1.0);
        state(&mut scene, A).set_state(wolf, &[step]);
        scene.tick();
    }
    assert_eq!(heard(&mut scene, wolf), (BTreeSet::new(), BTreeSet::new()));
    let own = scene.player(A, bot.user).entity;
    let mut seen = BTreeSet::new();
    state(&mut scene, A).nearby(at(120.0, 40.0), 30.0, &mut |one| {
        seen.extend([wolf, own].contains(&one.id).then_some((one.id, one.visibility)));
    });
    assert_eq!(
        seen,
        BTreeSet::from([(wolf, Visibility::Hidden), (own, Visibility::Near)])
    );
    let there = state(&mut scene, B);
    let ghost = there.entity(wolf).unwrap();
    assert_eq!(
        (ghost.place, ghost.visibility),
        (Place::Ghost(A), Visibility::Hidden)
    );
    let mut near = 0;
    there.nearby(at(130.0, 40.0), 20.0, &mut |one| {
        near += u32::from(one.id == wolf);
    });
    assert_eq!(near, 1);
    assert_eq!(scene.regions[&A].status().unseen, 1);
    // Whoever has seen it loses it, and finds it again.
    for (seen, layers) in [
        (Visibility::Near, BTreeSet::from([Layer::Near])),
        (Visibility::Hidden, BTreeSet::new()),
        (Visibility::Far, BTreeSet::from([Layer::Far])),
        (Visibility::Near, BTreeSet::from([Layer::Near])),
    ] {
        assert!(state(&mut scene, A).show(wolf, seen));
        scene.tick();
        assert_eq!(heard(&mut scene, wolf), (layers, BTreeSet::new()), "{seen:?}");
        scene.tick();
        let ghost = state(&mut scene, B).entity(wolf).unwrap().visibility;
        assert_eq!(ghost, seen);
    }
    assert_eq!(scene.regions[&A].status().unseen, 0);
}

#[test]
fn in_a_world_without_far_sight_what_is_seen_from_afar_is_seen_from_near() {
    let mut scene = Scene::four();
    let wolf = spawn(&mut scene, 20.0, 40.0);
    ask_for_everything(&mut scene, A);
    scene.tick();
    heard(&mut scene, wolf);
    assert!(state(&mut scene, A).show(wolf, Visibility::Far));
    state(&mut scene, A).set_state(wolf, b"far");
    scene.tick();
    let cell = scene.topology.world().grid().cell_at(at(20.0, 40.0));
    let entities = &scene.regions[&A].state.entities;
    let entity = entities.get(entities.key(wolf).unwrap()).unwrap();
    assert_eq!(scene.regions[&A].state.cells.index(entity.cell), cell);
    assert_eq!(
        state(&mut scene, A).entity(wolf).unwrap().visibility,
        Visibility::Far
    );
}

#[test]
fn what_one_user_alone_sees_is_in_its_output_and_in_nothing_else() {
    let mut scene = far_seeing();
    let mut bot = Bot::join(&mut scene, 5, 60.0, 40.0);
    let other = Bot::join(&mut scene, 6, 62.0, 40.0);
    let wolves: Vec<EntityId> = (0..=OWNER_ONLY_MAX)
        .map(|step| spawn(&mut scene, 20.0 + step as f32 * 4.0, 40.0))
        .collect();
    let (first, last) = (wolves[0], wolves[OWNER_ONLY_MAX]);
    for wolf in &wolves[..OWNER_ONLY_MAX] {
        assert!(state(&mut scene, A).show(*wolf, Visibility::Only(bot.user)));
    }
    assert!(
        !state(&mut scene, A).show(last, Visibility::Only(bot.user)),
        "one too many"
    );
    ask_for_everything(&mut scene, A);
    scene.tick();
    assert_eq!(
        heard(&mut scene, first),
        (BTreeSet::new(), BTreeSet::from([bot.user.0]))
    );
    state(&mut scene, A).walk(first, at(24.0, 44.0), 0, 1.0);
    scene.tick();
    let output = scene
        .take_heard(output)
        .into_iter()
        .find(|output| output.user == bot.user.0)
        .unwrap();
    let grid = scene.topology.world().grid();
    let cells = output
        .cells
        .iter()
        .map(|cell| DecodedCell::parse(cell, &grid).unwrap());
    let (mut told, mut places) = (0, Vec::new());
    for cell in cells {
        told += cell.adds.len();
        assert_eq!(grid.layer(cell.cell), Some(Layer::Unseen));
        let of_first = cell.adds.iter().filter(|add| add.entity.id == first);
        places.extend(of_first.map(|add| add.entity.motion.at.position(cell.cell, &grid)));
    }
    assert_eq!((told, places), (OWNER_ONLY_MAX, vec![at(24.0, 44.0)]));
    // It is another one's now, then nobody's, and there is room again.
    assert!(state(&mut scene, A).show(first, Visibility::Only(other.user)));
    assert!(state(&mut scene, A).show(last, Visibility::Only(bot.user)));
    scene.tick();
    assert_eq!(heard(&mut scene, first).1, BTreeSet::from([other.user.0]));
    state(&mut scene, A).despawn(first);
    scene.tick();
    assert_eq!(heard(&mut scene, first).1, BTreeSet::new());
    // Its user goes where it is not.
    scene.tick();
    assert_eq!(heard(&mut scene, last).1, BTreeSet::from([bot.user.0]));
    scene.place(A, bot.user, 130.0, 40.0);
    bot.live(&mut scene, 500);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    heard(&mut scene, last);
    bot.live(&mut scene, 500);
    assert_eq!(heard(&mut scene, last), (BTreeSet::new(), BTreeSet::new()));
}

#[test]
fn a_creature_that_stands_still_is_hidden_after_a_crash_as_well() {
    let mut scene = far_seeing();
    scene.run(200);
    let wolf = state(&mut scene, A)
        .spawn_persistent(WOLF, at(60.0, 40.0), b"")
        .unwrap();
    scene.run(6_000);
    assert!(state(&mut scene, A).show(wolf, Visibility::Hidden));
    scene.run(200);
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.run(200);
    let seen = state(&mut scene, A).entity(wolf).unwrap().visibility;
    assert_eq!(seen, Visibility::Hidden);
}

#[test]
fn whoever_is_hidden_is_removed_from_what_proxies_have() {
    use protocol::cell::RemoveReason;
    let mut scene = far_seeing();
    let wolf = spawn(&mut scene, 60.0, 40.0);
    ask_for_everything(&mut scene, A);
    scene.tick();
    assert_eq!(heard(&mut scene, wolf).0, BTreeSet::from([Layer::Near]));
    let (grid, slot) = (scene.topology.world().grid(), {
        let entities = &scene.regions[&A].state.entities;
        entities.get(entities.key(wolf).unwrap()).unwrap().slot
    });
    assert!(state(&mut scene, A).show(wolf, Visibility::Hidden));
    scene.tick();
    let updates = scene.take_heard(|message| match message {
        ServerToProxy::CellUpdates(updates) => Some(updates.cells.clone()),
        _ => None,
    });
    let cells = updates
        .iter()
        .flatten()
        .map(|cell| DecodedCell::parse(cell, &grid).unwrap());
    let removed: Vec<_> = cells.flat_map(|cell| cell.removes).collect();
    let gone = removed
        .iter()
        .any(|one| one.slot == slot && one.reason == RemoveReason::Gone);
    assert!(gone, "{removed:?}");
}

/// Of these users none is shown by any region, however often one looks.
fn assert_unseen(scene: &mut Scene, id: EntityId, told: &[u64]) {
    let told: BTreeSet<u64> = told.iter().copied().collect();
    let (layers, owners) = heard(scene, id);
    assert!(
        layers.is_empty() && owners.is_subset(&told),
        "{layers:?} {owners:?}"
    );
}

#[test]
fn a_hidden_player_is_hidden_over_borders_and_crashes_and_sees_itself_where_rules_say_so() {
    let mut scene = far_seeing();
    let mut bot = Bot::join(&mut scene, 5, 100.0, 40.0);
    let own = scene.player(A, bot.user).entity;
    bot.live(&mut scene, 200);
    assert!(state(&mut scene, A).show(own, Visibility::Only(bot.user)));
    for region in [A, B] {
        ask_for_everything(&mut scene, region);
    }
    scene.heard.clear();
    scene.tick();
    let (layers, owners) = heard(&mut scene, own);
    assert!(layers.is_empty() && owners == BTreeSet::from([bot.user.0]));
    scene.place(A, bot.user, 130.0, 40.0);
    bot.live(&mut scene, 1_500);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    assert_unseen(&mut scene, own, &[bot.user.0]);
    let seen = state(&mut scene, B).entity(own).unwrap().visibility;
    assert_eq!(seen, Visibility::Only(bot.user));
    scene.stop(B);
    scene.start(B);
    scene.link_all();
    scene.settle();
    ask_for_everything(&mut scene, B);
    scene.input(B, RegionInput::Join(PROXY, join(bot.user.0, 1, 1)));
    scene.settle();
    scene.run(500);
    let again = scene.player(B, bot.user).entity;
    assert_unseen(&mut scene, again, &[bot.user.0]);
    let seen = state(&mut scene, B).entity(again).unwrap().visibility;
    assert_eq!(seen, Visibility::Only(bot.user));
}

#[test]
fn hidden_creatures_are_hidden_over_borders_and_persistent_ones_over_crashes() {
    let mut scene = far_seeing();
    scene.run(200);
    for persistent in [false, true] {
        let here = state(&mut scene, A);
        let wolf = match persistent {
            true => here.spawn_persistent(WOLF, at(126.0, 40.0), b""),
            false => here.spawn_roaming(WOLF, at(126.0, 40.0), b""),
        };
        let wolf = wolf.unwrap();
        assert!(state(&mut scene, A).show(wolf, Visibility::Hidden));
        scene.run(1_000);
        for region in [A, B] {
            ask_for_everything(&mut scene, region);
        }
        scene.heard.clear();
        state(&mut scene, A).walk(wolf, at(130.0, 40.0), 0, 1.0);
        scene.run(2_000);
        assert_unseen(&mut scene, wolf, &[]);
        let seen = state(&mut scene, B).entity(wolf).unwrap();
        assert_eq!((seen.place, seen.visibility), (Place::Here, Visibility::Hidden));
        if persistent {
            scene.stop(B);
            scene.start(B);
            scene.link_all();
            scene.settle();
            ask_for_everything(&mut scene, B);
            scene.run(1_000);
            assert_unseen(&mut scene, wolf, &[]);
            let seen = state(&mut scene, B).entity(wolf).unwrap();
            assert_eq!(seen.visibility, Visibility::Hidden);
        }
    }
}

#[test]
fn who_is_not_here_is_shown_to_nobody() {
    let mut scene = far_seeing();
    let nobody = EntityId(12_345);
    assert!(!state(&mut scene, A).show(nobody, Visibility::Hidden));
    assert_eq!(scene.topology.region_of_cell(CellIndex(u32::MAX)), None);
    assert!(!state(&mut scene, A).show(nobody, Visibility::Only(UserId(1))));
}
