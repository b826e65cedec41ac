//! Whoever was skipped for some ticks ends with the same cell as whoever heard everything, and with the right reasons.

use std::collections::BTreeMap;

use proptest::prelude::*;
use protocol::cell::{CellState, Change as Told, DecodedCell, Motion, StateBytes};
use protocol::ids::EntityId;

use super::removals::REMOVALS_MAX;
use super::*;

/// Two by two cells of 32 units.
const SIDE: u32 = 64;

#[derive(Clone, Debug)]
enum Step {
    Enter {
        x: u8,
        y: u8,
    },
    Walk {
        who: u8,
        x: u8,
        y: u8,
        speed: u8,
    },
    State {
        who: u8,
        byte: u8,
    },
    Renew {
        who: u8,
    },
    Leave {
        who: u8,
    },
    /// A tick; each bit lets a viewer hear of it.
    Tick {
        heard_by: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..SIDE as u8;
    prop_oneof![
        2 => (place(), place()).prop_map(|(x, y)| Step::Enter { x, y }),
        6 => (any::<u8>(), place(), place(), 0..3_u8)
            .prop_map(|(who, x, y, speed)| Step::Walk { who, x, y, speed }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(who, byte)| Step::State { who, byte }),
        1 => any::<u8>().prop_map(|who| Step::Renew { who }),
        2 => any::<u8>().prop_map(|who| Step::Leave { who }),
        5 => any::<u8>().prop_map(|heard_by| Step::Tick { heard_by }),
    ]
}

/// One cell as a subscriber has it, and the tick of which that is the outcome.
#[derive(Default)]
struct Seen {
    state: CellState,
    as_of: u64,
}

struct Scene {
    cells: Cells,
    entities: Entities,
    here: Vec<(EntityId, EntityKey)>,
    next: u64,
    tick: u64,
    /// Who left which cell, in which tick and why.
    left: Vec<(u32, u64, EntityId, RemoveReason)>,
    viewers: Vec<BTreeMap<u32, Seen>>,
}

impl Scene {
    fn new() -> Self {
        let grid = CellGrid::new([SIDE, SIDE], 32).unwrap();
        let rect = Rect {
            min: [0, 0],
            max: [SIDE, SIDE],
        };
        Self {
            cells: Cells::new(grid, rect, 0),
            entities: Entities::default(),
            here: Vec::new(),
            next: 1,
            tick: 0,
            left: Vec::new(),
            viewers: (0..8).map(|_| BTreeMap::new()).collect(),
        }
    }

    fn enter(&mut self, at: Position) {
        let id = EntityId(self.next);
        self.next += 1;
        let entity = Entity {
            id,
            kind: 1,
            owner_epoch: OwnerEpoch(1),
            at,
            heading: 0,
            speed: 0.0,
            state: StateBytes::default(),
            user: None,
            visibility: Visibility::Near,
            jumped: false,
            cell: 0,
            slot: 0,
            sent: Motion::default(),
            change: Change::default(),
            inputs: crate::region::waiting_inputs::WaitingInputs::default(),
        };
        if let Some(key) = self.cells.enter(entity, &mut self.entities) {
            self.here.push((id, key));
        }
    }

    fn pick(&self, who: u8) -> Option<(EntityId, EntityKey)> {
        let at = usize::from(who).checked_rem(self.here.len())?;
        Some(self.here[at])
    }

    fn note(&mut self, (id, cell): (EntityId, u32), reason: RemoveReason) {
        self.left.push((cell, self.tick + 1, id, reason));
    }

    fn step(&mut self, step: &Step) {
        let place = |x: u8, y: u8| Position {
            x: f32::from(x) + 0.5,
            y: f32::from(y) + 0.5,
        };
        match *step {
            Step::Enter { x, y } => self.enter(place(x, y)),
            Step::Tick { heard_by } => self.tick(heard_by),
            Step::Walk { who, x, y, speed } => {
                let Some((id, key)) = self.pick(who) else { return };
                let entity = self.entities.get_mut(key).unwrap();
                entity.speed = f32::from(speed);
                let (before, epoch) = (entity.cell, entity.owner_epoch);
                self.cells.walk(key, place(x, y), &mut self.entities);
                let after = self.entities.get(key).unwrap().cell;
                if after != before {
                    let cell = self.cells.index(after);
                    self.note((id, before), RemoveReason::Moved { cell, epoch });
                }
            }
            Step::State { who, byte } => {
                let Some((_, key)) = self.pick(who) else { return };
                self.entities.get_mut(key).unwrap().state = StateBytes::try_from([byte].as_slice()).unwrap();
                self.cells.touch(key, &mut self.entities);
                self.entities.get_mut(key).unwrap().change.state = true;
            }
            Step::Renew { who } => {
                let Some((id, key)) = self.pick(who) else { return };
                let entity = self.entities.get(key).unwrap();
                let (local, epoch) = (entity.cell, OwnerEpoch(entity.owner_epoch.0 + 1));
                self.cells.renew(key, epoch, &mut self.entities);
                let cell = self.cells.index(local);
                self.note((id, local), RemoveReason::Moved { cell, epoch });
            }
            Step::Leave { who } => {
                let Some((id, key)) = self.pick(who) else { return };
                self.here.retain(|(_, other)| *other != key);
                let cell = self.entities.get(key).unwrap().cell;
                self.cells.leave(key, RemoveReason::Gone, &mut self.entities);
                self.note((id, cell), RemoveReason::Gone);
            }
        }
    }

    fn tick(&mut self, heard_by: u8) {
        self.tick += 1;
        self.cells.encode(&mut self.entities);
        for viewer in 0..self.viewers.len() {
            if heard_by >> viewer & 1 == 1 {
                self.update(viewer);
            }
        }
    }

    /// Brings a viewer to where everybody is, as publication would.
    fn update(&mut self, viewer: usize) {
        let grid = *self.cells.grid();
        for cell in 0..self.cells.len() as u32 {
            let newest = self.newest(cell);
            let seen = self.viewers[viewer].entry(cell).or_default();
            if seen.state.seq() == newest.seq() {
                continue;
            }
            let fresh = self.cells.changed().iter().find(|changed| changed.cell == cell);
            let next = fresh.filter(|changed| changed.seq == seen.state.seq() + 1);
            let bytes = match next {
                Some(changed) => changed.delta.clone(),
                None => self
                    .cells
                    .catch_up(cell, seen.state.seq(), &self.entities)
                    .into_bytes(),
            };
            let update = DecodedCell::parse(&bytes, &grid).unwrap();
            let (as_of, left) = (seen.as_of, &self.left);
            let told = |change: Told<'_>| {
                let Told::Removed {
                    entity,
                    reason: Some(reason),
                } = change
                else {
                    return;
                };
                let mut truth = left
                    .iter()
                    .filter(|(of, tick, id, _)| *of == cell && *tick > as_of && *id == entity.id);
                assert_eq!(
                    truth.next().map(|(.., reason)| *reason),
                    Some(reason),
                    "{entity:?}"
                );
            };
            seen.state.apply_with(&update, told).unwrap();
            seen.as_of = self.tick;
            assert_eq!(seen.state.seq(), newest.seq());
            assert!(
                seen.state.entities().eq(newest.entities()),
                "{:#?} is not {newest:#?}",
                seen.state
            );
        }
    }

    /// The cell as a keyframe shows it.
    fn newest(&mut self, cell: u32) -> CellState {
        let grid = *self.cells.grid();
        let bytes = self.cells.keyframe(cell, &self.entities);
        let mut state = CellState::default();
        state.apply(&DecodedCell::parse(&bytes, &grid).unwrap()).unwrap();
        state
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn who_was_skipped_ends_with_the_same_cells_and_the_right_reasons(
        steps in prop::collection::vec(step(), 1..160),
    ) {
        let mut scene = Scene::new();
        for step in &steps {
            scene.step(step);
        }
        scene.tick(u8::MAX);
    }
}

#[test]
fn who_is_too_far_behind_gets_the_whole_cell() {
    let mut scene = Scene::new();
    scene.enter(Position { x: 1.0, y: 1.0 });
    scene.tick(0b1);
    let have = scene.viewers[0][&0].state.seq();
    for _ in 0..=REMOVALS_MAX {
        scene.enter(Position { x: 2.0, y: 2.0 });
        scene.tick(0);
        scene.step(&Step::Leave { who: 1 });
        scene.tick(0);
    }
    let grid = *scene.cells.grid();
    let bytes = scene.cells.catch_up(0, have, &scene.entities).into_bytes();
    let kind = DecodedCell::parse(&bytes, &grid).unwrap().kind;
    assert_eq!(kind, protocol::cell::UpdateKind::Keyframe);
    scene.tick(0b1);
}

#[test]
fn those_with_the_same_state_share_the_bytes_and_a_long_delta_gives_way_to_the_whole_cell() {
    let mut scene = Scene::new();
    for at in 0..40 {
        scene.enter(Position { x: at as f32, y: 1.0 });
    }
    scene.tick(0b1);
    let have = scene.viewers[0][&0].state.seq();
    scene.step(&Step::Walk {
        who: 0,
        x: 3,
        y: 3,
        speed: 1,
    });
    scene.tick(0);
    scene.step(&Step::Walk {
        who: 1,
        x: 4,
        y: 4,
        speed: 1,
    });
    scene.tick(0);
    let grid = *scene.cells.grid();
    let bytes = scene.cells.catch_up(0, have, &scene.entities).into_bytes();
    let again = scene.cells.catch_up(0, have, &scene.entities).into_bytes();
    assert_eq!(bytes.as_ptr(), again.as_ptr(), "made once");
    let merged = DecodedCell::parse(&bytes, &grid).unwrap();
    assert_eq!(
        (merged.base_seq, merged.seq, merged.moves.len()),
        (have, have + 2, 2)
    );
    for _ in 0..32 {
        scene.step(&Step::Leave { who: 0 });
    }
    scene.tick(0);
    let bytes = scene.cells.catch_up(0, have, &scene.entities).into_bytes();
    let whole = DecodedCell::parse(&bytes, &grid).unwrap();
    assert_eq!(whole.kind, protocol::cell::UpdateKind::Keyframe, "nobody is left");
}
