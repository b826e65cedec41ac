//! How a cell's state follows its updates: deltas in any combination, losses, partials and reused slots.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test says so")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use protocol::cell::{
    Applied, CellEncoder, CellEntity, CellPoint, CellState, Change, DecodedCell, Gap, PositionForm,
    RemoveReason, StateBytes,
};
use protocol::geometry::{CellGrid, CellIndex};
use protocol::ids::EntityId;

const CELL: CellIndex = CellIndex(7);

fn grid() -> CellGrid {
    CellGrid::new([128, 128], 32).unwrap()
}

fn encoder() -> CellEncoder {
    CellEncoder::new(PositionForm::Narrow)
}

fn entity(id: u64) -> CellEntity {
    CellEntity {
        id: EntityId(id),
        ..CellEntity::default()
    }
}

fn decode(bytes: &[u8]) -> DecodedCell {
    DecodedCell::parse(bytes, &grid()).unwrap()
}

/// An owner's cell: what is true, and every delta that led there.
#[derive(Default)]
struct Owner {
    slots: BTreeMap<u16, CellEntity>,
    history: Vec<BTreeMap<u16, CellEntity>>,
    next_id: u64,
}

/// What happens to a slot in a tick.
#[derive(Clone, Debug)]
enum Step {
    Toggle(u16),
    Replace(u16),
    Shift(u16, i16, u8),
    Dress(u16, u8),
}

impl Owner {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Toggle(slot) if self.slots.contains_key(&slot) => {
                self.slots.remove(&slot);
            }
            Step::Toggle(slot) | Step::Replace(slot) => {
                self.next_id += 1;
                self.slots.insert(slot, entity(self.next_id));
            }
            Step::Shift(slot, x, speed) => {
                if let Some(entity) = self.slots.get_mut(&slot) {
                    entity.motion.at = CellPoint { x, y: -x };
                    entity.motion.speed = speed;
                }
            }
            Step::Dress(slot, byte) => {
                if let Some(entity) = self.slots.get_mut(&slot) {
                    entity.state = StateBytes::try_from([byte].as_slice()).unwrap();
                }
            }
        }
    }

    /// The change from state `base` to state `seq`, both counted from 1: every slot touched in between is named, also
    /// when it looks at the end as it did at the start, because the viewer may hold any state in between.
    fn delta(&self, base: usize, seq: usize) -> DecodedCell {
        let states = &self.history[base - 1..seq];
        let mut encoder = encoder();
        for slot in 0..6 {
            let seen: Vec<_> = states.iter().map(|state| state.get(&slot)).collect();
            if seen.windows(2).all(|pair| pair[0] == pair[1]) {
                continue;
            }
            let stayed = seen
                .windows(2)
                .all(|pair| pair[0].map(|e| e.id) == pair[1].map(|e| e.id));
            match seen[seen.len() - 1] {
                Some(now) if stayed => put_changes(&mut encoder, slot, &seen, now),
                now => {
                    encoder.put_remove(slot, RemoveReason::Gone).unwrap();
                    if let Some(now) = now {
                        encoder.put_add(slot, now).unwrap();
                    }
                }
            }
        }
        decode(&encoder.finish_delta(CELL, base as u32, seq as u32))
    }

    fn keyframe(&self, seq: usize) -> DecodedCell {
        let mut encoder = encoder();
        for (&slot, entity) in &self.history[seq - 1] {
            encoder.put_add(slot, entity).unwrap();
        }
        decode(&encoder.finish_keyframe(CELL, seq as u32))
    }

    fn partial(&self, seq: usize) -> DecodedCell {
        let mut encoder = encoder();
        for (&slot, entity) in self.history[seq - 1].iter().filter(|(slot, _)| **slot % 2 == 0) {
            encoder.put_add(slot, entity).unwrap();
        }
        decode(&encoder.finish_partial(CELL, seq as u32))
    }
}

fn put_changes(encoder: &mut CellEncoder, slot: u16, seen: &[Option<&CellEntity>], now: &CellEntity) {
    let differs = |of: &dyn Fn(&CellEntity) -> bool| seen.iter().flatten().any(|entity| of(entity));
    if differs(&|entity| entity.motion.speed != now.motion.speed) {
        encoder.put_move_with_speed(slot, &now.motion).unwrap();
    } else if differs(&|entity| entity.motion != now.motion) {
        encoder.put_move(slot, now.motion.at, now.motion.heading).unwrap();
    }
    if differs(&|entity| entity.state != now.state) {
        encoder.put_state(slot, &now.state).unwrap();
    }
}

fn holds(state: &CellState) -> BTreeMap<u16, CellEntity> {
    state.entities().map(|(slot, entity)| (slot, *entity)).collect()
}

fn any_step() -> impl Strategy<Value = Step> {
    let slot = 0_u16..6;
    prop_oneof![
        slot.clone().prop_map(Step::Toggle),
        slot.clone().prop_map(Step::Replace),
        (slot.clone(), -1000_i16..1000, 0_u8..3).prop_map(|(slot, x, speed)| Step::Shift(slot, x, speed)),
        (slot, any::<u8>()).prop_map(|(slot, byte)| Step::Dress(slot, byte)),
    ]
}

/// What reaches a viewer, in any order: which kind, from where, to where.
fn any_delivery(states: usize) -> impl Strategy<Value = (u8, usize, usize)> {
    (0_u8..6, 1..=states, 1..=states)
}

proptest! {
    #[test]
    fn ce_10_whatever_arrives_in_whatever_order_the_state_is_the_owners_at_that_number(
        ticks in prop::collection::vec(prop::collection::vec(any_step(), 0..4), 6..12),
        deliveries in prop::collection::vec(any_delivery(6), 1..60),
    ) {
        let mut owner = Owner::default();
        for tick in &ticks {
            tick.iter().for_each(|step| owner.step(step));
            owner.history.push(owner.slots.clone());
        }
        let mut state = CellState::default();
        let mut told = BTreeMap::new();
        let mut partials = false;
        for (kind, from, to) in deliveries {
            let update = match kind {
                0 => owner.keyframe(to),
                1 => owner.partial(to),
                2..4 if from < to => owner.delta(from, to),
                _ if to > 1 => owner.delta(to - 1, to),
                _ => continue,
            };
            let have = state.seq();
            let before = state.clone();
            match state.apply_with(&update, |change| tell(&mut told, change)) {
                Ok(Applied::Advanced) => prop_assert!(state.seq() == update.seq && state.seq() >= have),
                Ok(Applied::Partially) => { partials = true; prop_assert_eq!(state.seq(), have); }
                Ok(Applied::Stale) => prop_assert_eq!(&state, &before),
                Err(gap) => {
                    prop_assert_eq!(gap, Gap { have, base_seq: update.base_seq });
                    prop_assert!(have == 0 || update.base_seq > have);
                    prop_assert_eq!(&state, &before);
                }
            }
            if !partials && state.seq() > 0 {
                prop_assert_eq!(&holds(&state), &owner.history[state.seq() as usize - 1]);
            }
            let ids: BTreeMap<_, _> = state.entities().map(|(_, entity)| (entity.id, *entity)).collect();
            prop_assert_eq!(&told, &ids);
        }
        // Whatever partials ran ahead, consecutive deltas to the newest state leave exactly that.
        let last = owner.history.len();
        for seq in (state.seq().max(1) as usize)..=last {
            let update = if state.seq() == 0 { owner.keyframe(seq) } else if seq > state.seq() as usize { owner.delta(seq - 1, seq) } else { continue };
            prop_assert_eq!(state.apply(&update), Ok(Applied::Advanced));
        }
        prop_assert_eq!(holds(&state), owner.history[last - 1].clone());
    }
}

fn tell(told: &mut BTreeMap<EntityId, CellEntity>, change: Change<'_>) {
    match change {
        Change::Added(entity) => assert_eq!(told.insert(entity.id, *entity), None),
        Change::Changed(entity) => assert!(told.insert(entity.id, *entity).is_some()),
        // Only the motion is taken over: that nothing else is new shows in the comparison with the state.
        Change::Moved(entity) => told.get_mut(&entity.id).unwrap().motion = entity.motion,
        Change::Removed { entity, .. } => assert!(told.remove(&entity.id).is_some()),
    }
}

fn two_states() -> (Owner, CellState) {
    let mut owner = Owner::default();
    for slot in [0, 1, 2] {
        owner.step(&Step::Toggle(slot));
    }
    owner.history.push(owner.slots.clone());
    owner.step(&Step::Replace(2));
    owner.history.push(owner.slots.clone());
    let mut state = CellState::default();
    state.apply(&owner.keyframe(1)).unwrap();
    (owner, state)
}

#[test]
fn ce_11_a_partial_neither_removes_nor_advances_and_older_deltas_do_not_undo_it() {
    let (mut owner, mut state) = two_states();
    owner.step(&Step::Shift(2, 50, 1));
    owner.history.push(owner.slots.clone());
    assert_eq!(state.apply(&owner.partial(3)), Ok(Applied::Partially));
    assert_eq!((state.seq(), state.len()), (1, 3));
    assert_eq!(state.get(2).unwrap().motion.at.x, 50);
    assert_eq!(state.apply(&owner.delta(1, 2)), Ok(Applied::Advanced));
    assert_eq!(state.get(2).unwrap().motion.at.x, 50);
    assert_eq!(state.apply(&owner.partial(2)), Ok(Applied::Stale));
}

#[test]
fn ce_10_a_delta_before_any_keyframe_is_a_gap() {
    let (owner, _) = two_states();
    let gap = Gap { have: 0, base_seq: 1 };
    assert_eq!(CellState::default().apply(&owner.delta(1, 2)), Err(gap));
}

#[test]
fn ce_12_a_keyframe_made_from_a_state_restores_it() {
    let (owner, mut state) = two_states();
    state.apply(&owner.delta(1, 2)).unwrap();
    let keyframe = decode(&state.encode_keyframe(CELL, &mut encoder()));
    let mut other = CellState::default();
    assert_eq!(other.apply(&keyframe), Ok(Applied::Advanced));
    assert_eq!((holds(&other), other.seq()), (holds(&state), 2));
}
