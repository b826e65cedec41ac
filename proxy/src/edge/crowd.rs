//! What is shown of a cell that no snapshot holds: the entities nearest to a square of four units, chosen once per state for
//! all who stand there and have about the same room.

use bytes::Bytes;
use protocol::cell::CellPoint;

/// Edge of a square, in 1/64 unit.
const SQUARE: i16 = 4 * 64;
/// Rooms are rounded down to multiples of this, bytes.
const ROOM_STEP: usize = 64;
/// Choices kept per state: as many as a cell of 32 units has squares.
const CHOICES_MAX: usize = 64;

/// Where one stands and how much room one has, about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    column: i16,
    row: i16,
    room_steps: usize,
}

/// The choices of one cell.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    seq: u32,
    choices: Vec<(Place, Option<Bytes>)>,
}

impl Crowd {
    /// The nearest entities of state `seq` in at most `bytes_max` bytes, as `choose` takes them for a point and a room.
    pub(super) fn nearest(
        &mut self,
        seq: u32,
        near: CellPoint,
        bytes_max: usize,
        choose: impl FnOnce(CellPoint, usize) -> Option<Bytes>,
    ) -> Option<Bytes> {
        if self.seq != seq {
            self.seq = seq;
            self.choices.clear();
        }
        let place = Place {
            column: near.x.div_euclid(SQUARE),
            row: near.y.div_euclid(SQUARE),
            room_steps: bytes_max / ROOM_STEP,
        };
        if let Some((_, chosen)) = self.choices.iter().find(|(of, _)| *of == place) {
            return chosen.clone();
        }
        let middle = |square: i16| square.saturating_mul(SQUARE).saturating_add(SQUARE / 2);
        let near = CellPoint {
            x: middle(place.column),
            y: middle(place.row),
        };
        let chosen = choose(near, place.room_steps * ROOM_STEP);
        if self.choices.len() < CHOICES_MAX {
            self.choices.push((place, chosen.clone()));
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stands_together_with_as_much_room_sees_the_same_and_a_new_state_is_chosen_from_anew() {
        let mut crowd = Crowd::default();
        let mut asked = Vec::new();
        let mut look = |seq, x, y, room| {
            crowd.nearest(seq, CellPoint { x, y }, room, |near, room| {
                asked.push((near.x, near.y, room));
                Some(vec![0; room].into())
            })
        };
        assert_eq!(look(1, 10, 250, 700).map(|bytes| bytes.len()), Some(640));
        look(1, 255, 0, 640);
        look(1, 256, 0, 640);
        look(1, 0, -1, 640);
        look(1, 0, 0, 639);
        look(2, 0, 0, 700);
        let expected = [
            (128, 128, 640),
            (384, 128, 640),
            (128, -128, 640),
            (128, 128, 576),
            (128, 128, 640),
        ];
        assert_eq!(asked, expected);
    }

    #[test]
    fn choices_are_bounded_and_those_beyond_are_made_each_time() {
        let mut crowd = Crowd::default();
        let mut made = 0;
        for _ in 0..2 {
            for column in 0..100 {
                let near = CellPoint {
                    x: column * SQUARE,
                    y: 0,
                };
                crowd.nearest(1, near, 64, |_, _| {
                    made += 1;
                    None
                });
            }
        }
        assert_eq!(
            (made, crowd.choices.len()),
            (100 + 100 - CHOICES_MAX, CHOICES_MAX)
        );
    }
}
