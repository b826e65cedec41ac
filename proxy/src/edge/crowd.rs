//! The part of a crowded cell that matters most to one viewer: the nearest entities that fit a byte budget. A state is sorted
//! into squares and its entries are encoded once, for all who look at it; what one viewer costs grows with what it is shown.

use bytes::Bytes;

use protocol::cell::{CellEncoder, CellPoint, CellState};
use protocol::geometry::CellIndex;
use protocol::wire::varint_len;

/// Fewest bytes that one added entity takes: slot, id, kind, epoch, position, heading, speed, length of state.
const ADD_BYTES_MIN: usize = 17;
/// Most bytes that the difference of two slots takes.
const SLOT_BYTES_MAX: usize = 2;
/// Edge of a square, 1/64 unit: a cell of 32 units has 64 of them.
const SQUARE: i16 = 4 * 64;

/// An entity of the state, as it will be sent.
#[derive(Clone, Copy, Debug, Default)]
struct Member {
    at: CellPoint,
    slot: u16,
    /// Where its entry begins in `entries`, and how long it is.
    start: u32,
    len: u16,
}

/// The squares in which the members are: columns and rows from the lowest to the highest, each at most 256.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    column: i16,
    row: i16,
    columns: usize,
    rows: usize,
}

/// One state of a crowded cell, sorted so that the nearest to any point are found among few.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// The state that is sorted; 0: none.
    seq: u32,
    /// By square, row after row.
    members: Vec<Member>,
    /// Where in `members` each square begins, and one more.
    starts: Vec<u32>,
    extent: Extent,
    /// All but the slots of the members, encoded.
    entries: Vec<u8>,
    /// Distances of those who may be among the nearest, and their places in `members`.
    candidates: Vec<(u64, u32)>,
}

impl Crowd {
    /// The entities of `state` that are nearest to `near`, as a partial update of at most `bytes_max` bytes; `None` when not
    /// even one fits. `near` is relative to the cell and may lie far outside it. One `Crowd` is for the states of one cell
    /// under one region epoch, and sorts each of them once.
    pub(super) fn encode_partial(
        &mut self,
        state: &CellState,
        cell: CellIndex,
        near: CellPoint,
        bytes_max: usize,
        encoder: &mut CellEncoder,
    ) -> Option<Bytes> {
        if self.seq != state.seq() {
            self.sort(state, encoder);
        }
        let budget = bytes_max.checked_sub(head_bytes(cell, self.seq, bytes_max))?;
        self.find_nearest(near, budget / ADD_BYTES_MIN);
        self.keep_what_fits(budget);
        encoder.clear();
        for &(_, place) in &self.candidates {
            let member = self.members[place as usize];
            let (start, len) = (member.start as usize, usize::from(member.len));
            let taken = encoder.put_encoded_add(member.slot, &self.entries[start..start + len]);
            debug_assert!(taken.is_ok());
        }
        (!encoder.is_empty()).then(|| encoder.finish_partial(cell, self.seq))
    }

    fn sort(&mut self, state: &CellState, encoder: &CellEncoder) {
        self.seq = state.seq();
        self.members.clear();
        self.entries.clear();
        for (slot, entity) in state.entities() {
            let start = self.entries.len() as u32;
            encoder.encode_add(entity, &mut self.entries);
            self.members.push(Member {
                at: entity.motion.at,
                slot,
                start,
                len: (self.entries.len() as u32 - start) as u16,
            });
        }
        self.extent = Extent::of(&self.members);
        let extent = self.extent;
        self.members
            .sort_unstable_by_key(|member| extent.square(member.at));
        self.starts.clear();
        for (place, member) in self.members.iter().enumerate() {
            let square = extent.square(member.at);
            self.starts
                .resize(self.starts.len().max(square + 1), place as u32);
        }
        let squares = extent.columns * extent.rows;
        self.starts.resize(squares + 1, self.members.len() as u32);
    }

    /// Leaves the `most` nearest, nearest first: squares are looked through ring after ring around that of `near`, until nobody
    /// beyond can be nearer.
    fn find_nearest(&mut self, near: CellPoint, most: usize) {
        self.candidates.clear();
        if most == 0 || self.members.is_empty() {
            return;
        }
        let (column, row) = self.extent.clamped(near);
        for ring in 0.. {
            self.look_through(column, row, ring, near);
            let Some(beyond) = self.extent.beyond(column, row, ring, near) else {
                break;
            };
            if self.candidates.len() >= most {
                let (_, last, _) = self.candidates.select_nth_unstable(most - 1);
                if last.0 < beyond.pow(2) {
                    break;
                }
            }
        }
        if self.candidates.len() > most {
            self.candidates.select_nth_unstable(most - 1);
            self.candidates.truncate(most);
        }
        self.candidates.sort_unstable();
    }

    /// Takes in whoever is in a ring of squares.
    fn look_through(&mut self, column: usize, row: usize, ring: usize, near: CellPoint) {
        let (columns, rows) = (self.extent.columns, self.extent.rows);
        let rows = row.saturating_sub(ring)..(row + ring + 1).min(rows);
        let (west, east) = (column.checked_sub(ring), column + ring);
        for at in rows {
            let is_edge = at.abs_diff(row) == ring;
            let (first, step) = if is_edge {
                (west.unwrap_or(0), 1)
            } else {
                // Of the rows between, only both ends.
                (west.unwrap_or(east), 2 * ring.max(1))
            };
            for square in (first..=east.min(columns - 1)).step_by(step) {
                let square = at * columns + square;
                let (start, end) = (self.starts[square], self.starts[square + 1]);
                for place in start..end {
                    let distance = self.members[place as usize].at.distance_squared(near);
                    self.candidates.push((distance, place));
                }
            }
        }
    }

    /// Drops the farthest until the rest keeps the budget, and puts it in the order of slots.
    fn keep_what_fits(&mut self, budget: usize) {
        let mut left = budget;
        let members = &self.members;
        let fitting = self.candidates.iter().take_while(|(_, place)| {
            let cost = SLOT_BYTES_MAX + usize::from(members[*place as usize].len);
            left.checked_sub(cost).map(|rest| left = rest).is_some()
        });
        let fitting = fitting.count();
        self.candidates.truncate(fitting);
        self.candidates
            .sort_unstable_by_key(|(_, place)| members[*place as usize].slot);
    }
}

impl Extent {
    fn of(members: &[Member]) -> Self {
        let squares = || members.iter().map(|member| square_of(member.at));
        let columns = || squares().map(|(column, _)| column);
        let rows = || squares().map(|(_, row)| row);
        let (column, row) = (columns().min().unwrap_or(0), rows().min().unwrap_or(0));
        let count = |low: i16, high: Option<i16>| usize::from(high.unwrap_or(low).abs_diff(low)) + 1;
        Self {
            column,
            row,
            columns: count(column, columns().max()),
            rows: count(row, rows().max()),
        }
    }

    /// The number of the square of a member.
    fn square(&self, at: CellPoint) -> usize {
        let (column, row) = self.clamped(at);
        row * self.columns + column
    }

    /// Column and row of the square that is nearest to a point.
    fn clamped(&self, at: CellPoint) -> (usize, usize) {
        let (column, row) = square_of(at);
        let clamp = |at: i16, low: i16, count: usize| {
            usize::try_from(i32::from(at) - i32::from(low)).map_or(0, |at| at.min(count - 1))
        };
        (
            clamp(column, self.column, self.columns),
            clamp(row, self.row, self.rows),
        )
    }

    /// How far a point is at least from everybody outside the rings up to `ring` around a square, 1/64 unit; `None`: there is nobody.
    fn beyond(&self, column: usize, row: usize, ring: usize, near: CellPoint) -> Option<u64> {
        let edge = |square: usize, low: i16| (square as i64 + i64::from(low)) * i64::from(SQUARE);
        let side = |square: usize, low: i16, count: usize, near: i16| {
            let before = (square > ring).then(|| i64::from(near) - edge(square - ring, low));
            let after = (square + ring + 1 < count).then(|| edge(square + ring + 1, low) - i64::from(near));
            [before, after]
        };
        let columns = side(column, self.column, self.columns, near.x);
        let rows = side(row, self.row, self.rows, near.y);
        let sides = columns.into_iter().chain(rows).flatten();
        sides.min().map(|least| least.max(0).unsigned_abs())
    }
}

fn square_of(at: CellPoint) -> (i16, i16) {
    (at.x.div_euclid(SQUARE), at.y.div_euclid(SQUARE))
}

/// Bytes of everything but the entries: cell, seq and kind, tag and length of the column.
fn head_bytes(cell: CellIndex, seq: u32, bytes_max: usize) -> usize {
    let number = |value: u64| varint_len(value) + 1;
    number(u64::from(cell.0)) + number(u64::from(seq)) + 2 + number(bytes_max as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::cell::{CellEntity, DecodedCell, PositionForm, StateBytes};
    use protocol::geometry::CellGrid;
    use protocol::ids::EntityId;

    const CELL: CellIndex = CellIndex(7);

    fn encoder() -> CellEncoder {
        CellEncoder::new(PositionForm::Narrow)
    }

    fn decode(bytes: &[u8]) -> DecodedCell {
        DecodedCell::parse(bytes, &CellGrid::new([128, 128], 32).unwrap()).unwrap()
    }

    fn crowd(count: u16) -> CellState {
        let mut encoder = encoder();
        for slot in 0..count {
            let mut entity = CellEntity {
                id: EntityId(u64::from(slot) + 1),
                ..CellEntity::default()
            };
            // Scattered: the order of slots says nothing about the distance.
            entity.motion.at.x = (slot.wrapping_mul(7919) % 2048) as i16;
            entity.motion.at.y = (slot.wrapping_mul(10_473) % 1900) as i16;
            entity.state = StateBytes::try_from(vec![0; usize::from(slot % 5)].as_slice()).unwrap();
            encoder.put_add(slot, &entity).unwrap();
        }
        let mut state = CellState::default();
        state.apply(&decode(&encoder.finish_keyframe(CELL, 9))).unwrap();
        state
    }

    #[test]
    fn ce_13_a_partial_holds_the_nearest_entities_and_keeps_its_budget() {
        let state = crowd(1000);
        let (mut encoder, mut sorted) = (encoder(), Crowd::default());
        for budget in 0..1200 {
            // Inside and outside of where they are.
            let near = CellPoint {
                x: (budget as i32 * 37 % 4000 - 1000) as i16,
                y: (budget as i32 * 53 % 3000 - 1000) as i16,
            };
            let Some(bytes) = sorted.encode_partial(&state, CELL, near, budget, &mut encoder) else {
                assert!(budget < 32, "{budget}");
                continue;
            };
            assert!(bytes.len() <= budget, "{} > {budget}", bytes.len());
            let used = bytes.len();
            let sent = decode(&bytes);
            // A slot difference may turn out a byte shorter than what was reserved for it.
            assert!(used + sent.adds.len() + 40 > budget, "{used} of {budget} used");
            assert_eq!(sent.seq, 9);
            let distance = |entity: &CellEntity| entity.motion.at.distance_squared(near);
            let farthest = sent.adds.iter().map(|add| distance(&add.entity)).max().unwrap();
            let nearer = state
                .entities()
                .filter(|(_, entity)| distance(entity) < farthest)
                .count();
            assert!(
                nearer < sent.adds.len(),
                "{nearer} are nearer than the farthest sent"
            );
            for add in &sent.adds {
                assert_eq!(state.get(add.slot), Some(&add.entity));
            }
        }
    }

    #[test]
    fn ce_13_each_state_is_sorted_anew_and_small_ones_are_sent_whole() {
        let (mut encoder, mut sorted) = (encoder(), Crowd::default());
        let near = CellPoint { x: 1500, y: 0 };
        let nobody = CellState::default();
        assert_eq!(
            sorted.encode_partial(&nobody, CELL, near, 1000, &mut encoder),
            None
        );
        let mut state = crowd(9);
        let all = sorted
            .encode_partial(&state, CELL, near, 1000, &mut encoder)
            .unwrap();
        assert_eq!(decode(&all).adds.len(), 9);
        encoder.put_move(4, near, 0).unwrap();
        let delta = encoder.finish_delta(CELL, 9, 10);
        state.apply(&decode(&delta)).unwrap();
        let nearest = sorted
            .encode_partial(&state, CELL, near, 40, &mut encoder)
            .unwrap();
        let slots: Vec<u16> = decode(&nearest).adds.iter().map(|add| add.slot).collect();
        assert_eq!((slots, decode(&nearest).seq), (vec![4], 10));
    }
}
