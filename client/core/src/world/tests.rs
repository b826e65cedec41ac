//! What a viewer shows of what it is told, however that comes.

use super::*;
use protocol::cell::{CellEncoder, CellPoint, Motion, PositionForm};
use protocol::geometry::Position;
use protocol::ids::OwnerEpoch;
use protocol::message::client::{RegionView, Snapshot};

const WEST: CellIndex = CellIndex(1);
const EAST: CellIndex = CellIndex(2);

struct Scene {
    world: World,
    encoder: CellEncoder,
    now_ms: u64,
    /// Whoever is added has jumped.
    jumped: bool,
}

impl Scene {
    fn new() -> Self {
        let grid = CellGrid::new([128, 32], 32).unwrap();
        let shape = WorldShape {
            grid,
            view_rings: 1,
            far_rings: 0,
            tick_hz: 20,
            regions: vec![1, 1, 2, 2],
        };
        Self {
            world: World::new(shape),
            encoder: CellEncoder::new(PositionForm::of(&grid)),
            now_ms: 0,
            jumped: false,
        }
    }

    fn add(&mut self, slot: u16, id: u64, epoch: u64, cell: CellIndex, x: f32) {
        let grid = self.world.shape.grid;
        let at = CellPoint::of(Position { x, y: 1.0 }, cell, &grid);
        let motion = Motion {
            at,
            heading: 0,
            speed: 0,
        };
        let entity = CellEntity {
            id: EntityId(id),
            owner_epoch: OwnerEpoch(epoch),
            motion,
            jumped: self.jumped,
            ..CellEntity::default()
        };
        self.encoder.put_add(slot, &entity).unwrap();
    }

    fn give(&mut self, home: CellIndex, tick: u64, bytes: &bytes::Bytes) {
        self.give_all(home, tick, &[bytes]);
    }

    fn give_all(&mut self, home: CellIndex, tick: u64, updates: &[&bytes::Bytes]) {
        let grid = self.world.shape.grid;
        let region = |region| RegionView {
            region,
            region_epoch: 1,
            tick,
            server_time_ms: 0,
        };
        let head = Snapshot {
            home_cell: home.0,
            regions: vec![region(1), region(2)],
            ..Snapshot::default()
        };
        let parse = |bytes: &&bytes::Bytes| DecodedCell::parse(bytes, &grid).unwrap();
        let cells = updates.iter().map(parse).collect();
        self.world.take(&ParsedSnapshot { head, cells }, self.now_ms);
    }

    fn cell_of(&self, id: u64) -> Option<u32> {
        self.world.entity(EntityId(id)).map(|entity| entity.cell.0)
    }
}

#[test]
fn an_entity_that_crosses_is_shown_once_whatever_comes_first() {
    for east_first in [true, false] {
        let mut scene = Scene::new();
        scene.add(0, 7, 1, WEST, 63.0);
        let west = scene.encoder.finish_keyframe(WEST, 1);
        scene.give(WEST, 10, &west);
        scene.encoder.clear();
        let moved = RemoveReason::Moved {
            cell: EAST,
            epoch: OwnerEpoch(2),
        };
        scene.encoder.put_remove(0, moved).unwrap();
        let gone_west = scene.encoder.finish_delta(WEST, 1, 2);
        scene.encoder.clear();
        scene.add(4, 7, 2, EAST, 65.5);
        let come_east = scene.encoder.finish_keyframe(EAST, 1);
        let order = if east_first {
            [&come_east, &gone_west]
        } else {
            [&gone_west, &come_east]
        };
        for update in order {
            scene.give(WEST, 3, update);
            assert_eq!(scene.world.entities().len(), 1);
        }
        assert_eq!(scene.cell_of(7), Some(EAST.0));
        scene.now_ms += 10_000;
        scene.give(WEST, 4, &come_east);
        assert_eq!(
            scene.cell_of(7),
            Some(EAST.0),
            "it does not fade after it appeared"
        );
    }
}

#[test]
fn a_cell_that_was_left_out_does_not_take_back_who_left_it_meanwhile() {
    let (left, home) = (CellIndex(0), WEST);
    let mut scene = Scene::new();
    scene.add(0, 7, 1, left, 31.0);
    let shown = scene.encoder.finish_keyframe(left, 1);
    scene.encoder.clear();
    let nobody = scene.encoder.finish_keyframe(home, 1);
    scene.give_all(home, 10, &[&shown, &nobody]);
    // It walks on and crosses; the cell it crosses into comes first, the one it left had no room.
    scene.encoder.clear();
    scene.add(0, 7, 1, home, 32.5);
    let come = scene.encoder.finish_delta(home, 1, 2);
    scene.give(home, 12, &come);
    scene.encoder.clear();
    let grid = scene.world.shape.grid;
    let at = CellPoint::of(Position { x: 31.9, y: 1.0 }, left, &grid);
    scene.encoder.put_move(0, at, 0).unwrap();
    let walked = scene.encoder.finish_delta(left, 1, 2);
    scene.encoder.clear();
    let moved = RemoveReason::Moved {
        cell: home,
        epoch: OwnerEpoch(1),
    };
    scene.encoder.put_remove(0, moved).unwrap();
    let gone = scene.encoder.finish_delta(left, 2, 3);
    scene.give_all(home, 13, &[&walked, &gone]);
    assert_eq!(scene.cell_of(7), Some(home.0));
    scene.now_ms += 10_000;
    scene.give(home, 30, &come);
    assert_eq!(
        scene.cell_of(7),
        Some(home.0),
        "it stands there and is not repeated"
    );
}

#[test]
fn a_zombies_sighting_under_a_lower_epoch_is_not_believed() {
    let mut scene = Scene::new();
    scene.add(0, 7, 5, EAST, 65.0);
    let east = scene.encoder.finish_keyframe(EAST, 1);
    scene.give(WEST, 3, &east);
    scene.encoder.clear();
    scene.add(0, 7, 4, WEST, 60.0);
    let west = scene.encoder.finish_keyframe(WEST, 9);
    scene.give(WEST, 99, &west);
    assert_eq!(scene.cell_of(7), Some(EAST.0));
}

#[test]
fn who_moved_and_does_not_appear_goes_after_a_grace_and_at_once_when_out_of_view() {
    let mut scene = Scene::new();
    scene.add(0, 7, 1, WEST, 40.0);
    scene.add(1, 8, 1, WEST, 41.0);
    let west = scene.encoder.finish_keyframe(WEST, 1);
    scene.give(CellIndex(0), 1, &west);
    scene.encoder.clear();
    scene
        .encoder
        .put_remove(
            0,
            RemoveReason::Moved {
                cell: CellIndex(0),
                epoch: OwnerEpoch(1),
            },
        )
        .unwrap();
    scene
        .encoder
        .put_remove(
            1,
            RemoveReason::Moved {
                cell: EAST,
                epoch: OwnerEpoch(2),
            },
        )
        .unwrap();
    let gone = scene.encoder.finish_delta(WEST, 1, 2);
    scene.give(CellIndex(0), 2, &gone);
    assert_eq!((scene.cell_of(7), scene.cell_of(8)), (Some(WEST.0), None));
    scene.now_ms += MOVED_GRACE_MS;
    scene.give(CellIndex(0), 3, &gone);
    assert_eq!(scene.cell_of(7), None);
}

#[test]
fn what_leaves_the_view_is_forgotten_and_starts_anew() {
    let mut scene = Scene::new();
    scene.add(0, 7, 1, CellIndex(0), 1.0);
    let far = scene.encoder.finish_keyframe(CellIndex(0), 5);
    scene.give(WEST, 1, &far);
    assert_eq!(scene.cell_of(7), Some(0));
    scene.encoder.clear();
    let near = scene.encoder.finish_keyframe(EAST, 1);
    scene.give(EAST, 2, &near);
    assert_eq!(scene.cell_of(7), None);
    assert!(!scene.world.cells.contains_key(&CellIndex(0)));
}

#[test]
fn a_region_served_anew_replaces_what_was_seen_of_it() {
    let mut scene = Scene::new();
    scene.add(0, 7, 1, WEST, 40.0);
    let before = scene.encoder.finish_keyframe(WEST, 50);
    scene.give(WEST, 1, &before);
    scene.encoder.clear();
    scene.add(0, 9, 1, WEST, 40.0);
    let after = scene.encoder.finish_keyframe(WEST, 1);
    let grid = scene.world.shape.grid;
    let head = Snapshot {
        home_cell: WEST.0,
        regions: vec![RegionView {
            region: 1,
            region_epoch: 2,
            tick: 1,
            server_time_ms: 0,
        }],
        ..Snapshot::default()
    };
    let cells = vec![DecodedCell::parse(&after, &grid).unwrap()];
    scene.world.take(&ParsedSnapshot { head, cells }, 0);
    assert_eq!((scene.cell_of(7), scene.cell_of(9)), (None, Some(WEST.0)));
}

#[test]
fn whom_two_pictures_of_a_crowd_do_not_show_is_elsewhere() {
    let mut scene = Scene::new();
    let shown = |scene: &Scene| [scene.cell_of(7).is_some(), scene.cell_of(8).is_some()];
    let nearest = |scene: &mut Scene, seq: u32| {
        scene.encoder.clear();
        scene.add(0, 7, 1, WEST, 40.0);
        let picture = scene.encoder.finish_partial(WEST, seq);
        scene.now_ms += 50;
        scene.give(WEST, u64::from(seq), &picture);
    };
    scene.add(0, 7, 1, WEST, 40.0);
    scene.add(1, 8, 1, WEST, 41.0);
    let whole = scene.encoder.finish_keyframe(WEST, 1);
    scene.give(WEST, 1, &whole);
    nearest(&mut scene, 2);
    assert_eq!(
        shown(&scene),
        [true, true],
        "one picture may have been short of room"
    );
    // What is known of the whole cell begins the count anew, and so does being named.
    let again = scene.encoder.finish_delta(WEST, 1, 3);
    scene.now_ms += 50;
    scene.give(WEST, 3, &again);
    nearest(&mut scene, 4);
    assert_eq!(shown(&scene), [true, true]);
    nearest(&mut scene, 5);
    assert_eq!(shown(&scene), [true, false]);
    scene.now_ms += 5_000;
    let news = scene.encoder.finish_delta(WEST, 3, 6);
    scene.give(WEST, 6, &news);
    assert_eq!(
        shown(&scene),
        [true, false],
        "nothing more is forgotten once the crowd is over"
    );
    scene.encoder.clear();
    scene.encoder.put_move(1, CellPoint { x: 640, y: 64 }, 0).unwrap();
    let moved = scene.encoder.finish_delta(WEST, 6, 7);
    scene.give(WEST, 7, &moved);
    assert_eq!(shown(&scene), [true, true], "the cell's state kept it");
}

#[test]
fn who_goes_into_a_crowd_and_is_not_among_the_nearest_there_does_not_stay_at_its_edge() {
    let mut scene = Scene::new();
    let crowd = |scene: &mut Scene, seq: u32, shown: &[(u16, u64)]| {
        scene.encoder.clear();
        for &(slot, id) in shown {
            scene.add(slot, id, 2, EAST, 70.0);
        }
        let picture = scene.encoder.finish_partial(EAST, seq);
        scene.now_ms += 50;
        scene.give(WEST, u64::from(seq), &picture);
    };
    crowd(&mut scene, 1, &[(0, 9)]);
    crowd(&mut scene, 2, &[(0, 9)]);
    scene.encoder.clear();
    scene.add(0, 7, 1, WEST, 63.0);
    scene.add(1, 8, 1, WEST, 63.0);
    let whole = scene.encoder.finish_keyframe(WEST, 1);
    scene.give(WEST, 2, &whole);
    for slot in [0, 1] {
        let epoch = OwnerEpoch(2);
        let moved = RemoveReason::Moved { cell: EAST, epoch };
        scene.encoder.put_remove(slot, moved).unwrap();
    }
    let gone = scene.encoder.finish_delta(WEST, 1, 2);
    scene.give(WEST, 2, &gone);
    let cells = |scene: &Scene| [scene.cell_of(7), scene.cell_of(8)];
    crowd(&mut scene, 3, &[(0, 9), (1, 8)]);
    assert_eq!(
        cells(&scene),
        [Some(WEST.0), Some(EAST.0)],
        "one picture may have been short of room"
    );
    crowd(&mut scene, 4, &[(0, 9), (1, 8)]);
    crowd(&mut scene, 5, &[(0, 9), (1, 8)]);
    assert_eq!(cells(&scene), [None, Some(EAST.0)]);
}

#[test]
fn who_shows_itself_from_afar_is_seen_in_more_rings() {
    let (home, afar) = (CellIndex(0), CellIndex(3));
    let mut scene = Scene::new();
    let grid = scene.world.shape.grid;
    let far = grid.on(afar, Layer::Far);
    scene.add(0, 7, 1, far, 100.0);
    let shown = scene.encoder.finish_keyframe(far, 1);
    scene.give(home, 1, &shown);
    assert_eq!(scene.cell_of(7), None, "in a world without far sight");
    scene.world.shape.far_rings = 3;
    scene.give(home, 1, &shown);
    assert_eq!(scene.cell_of(7), Some(far.0));
    let at = scene.world.entity(EntityId(7)).unwrap().at;
    assert_eq!(at, Position { x: 100.0, y: 1.0 });
    // It shows itself from near from now on, which is too far away.
    scene.encoder.clear();
    let near = RemoveReason::Moved {
        cell: afar,
        epoch: OwnerEpoch(1),
    };
    scene.encoder.put_remove(0, near).unwrap();
    let gone = scene.encoder.finish_delta(far, 1, 2);
    scene.give(home, 2, &gone);
    assert_eq!(scene.cell_of(7), None);
}

#[test]
fn ce_28_whom_this_client_alone_sees_is_there_as_long_as_each_snapshot_says_so() {
    let mut scene = Scene::new();
    let unseen = scene.world.shape.grid.on(WEST, Layer::Unseen);
    for (id, x) in [(7, 40.0), (8, 41.0)] {
        scene.add(id as u16, id, 1, unseen, x);
    }
    let both = scene.encoder.finish_keyframe(unseen, 90);
    scene.give(WEST, 1, &both);
    assert_eq!(
        (scene.cell_of(7), scene.cell_of(8)),
        (Some(unseen.0), Some(unseen.0))
    );
    assert!(
        scene.world.cells.is_empty(),
        "they are no state that later ones build on"
    );
    scene.encoder.clear();
    scene.add(3, 8, 1, unseen, 44.0);
    let one = scene.encoder.finish_keyframe(unseen, 91);
    // All see the other one now.
    scene.encoder.clear();
    scene.add(0, 7, 1, WEST, 40.0);
    let west = scene.encoder.finish_keyframe(WEST, 1);
    scene.now_ms += 50;
    scene.give_all(WEST, 2, &[&one, &west]);
    assert_eq!(
        (scene.cell_of(7), scene.cell_of(8)),
        (Some(WEST.0), Some(unseen.0))
    );
    assert_eq!(scene.world.entity(EntityId(8)).unwrap().at.x, 44.0);
    scene.give(CellIndex(0), 3, &one);
    assert_eq!(scene.cell_of(8), Some(unseen.0), "wherever the client looks from");
    scene.give_all(WEST, 4, &[]);
    assert_eq!((scene.cell_of(7), scene.cell_of(8)), (Some(WEST.0), None));
}

#[test]
fn ce_26_others_who_were_put_somewhere_else_are_never_drawn_on_the_way() {
    let cells = [(WEST, WEST), (WEST, EAST), (EAST, WEST)];
    for (from, to) in cells {
        for (whole, first) in [(true, from), (true, to), (false, from), (false, to)] {
            let mut scene = Scene::new();
            let x = |cell: CellIndex| if cell == EAST { 90.0 } else { 33.0 };
            scene.add(0, 7, 1, from, x(from));
            let shown = scene.encoder.finish_keyframe(from, 1);
            scene.encoder.clear();
            let nobody = scene.encoder.finish_keyframe(to, 1);
            scene.give_all(WEST, 1, &[&shown, &nobody][..if from == to { 1 } else { 2 }]);
            scene.now_ms += 50;
            // It is put there, and what says so comes as a delta or as whole cells, in either order.
            scene.encoder.clear();
            if !whole {
                scene.encoder.put_remove(0, RemoveReason::Gone).unwrap();
            }
            let mut updates = Vec::new();
            if from != to {
                updates.push((from, finish(&mut scene.encoder, from, whole)));
                scene.encoder.clear();
            }
            scene.jumped = true;
            scene.add(0, 7, 1, to, if from == to { 60.0 } else { x(to) });
            updates.push((to, finish(&mut scene.encoder, to, whole)));
            updates.sort_by_key(|(cell, _)| *cell != first);
            let updates: Vec<&bytes::Bytes> = updates.iter().map(|(_, bytes)| bytes).collect();
            scene.give_all(WEST, 2, &updates);
            let there = scene.world.entity(EntityId(7)).unwrap();
            for now_ms in 50..200 {
                assert_eq!(
                    there.position_at(now_ms, 100),
                    there.at,
                    "{from} to {to}, whole: {whole}"
                );
            }
        }
    }
}

fn finish(encoder: &mut CellEncoder, cell: CellIndex, whole: bool) -> bytes::Bytes {
    if whole {
        encoder.finish_keyframe(cell, 2)
    } else {
        encoder.finish_delta(cell, 1, 2)
    }
}
