//! The part of a crowded cell that matters most to one viewer: the nearest entities that fit a byte budget.

use bytes::Bytes;

use super::encoder::{CellEncoder, add_bytes_max};
use super::motion::{CellPoint, PositionForm};
use super::state::CellState;
use crate::geometry::CellIndex;
use crate::wire::varint_len;

/// Fewest bytes that one added entity takes: slot, id, kind, epoch, position, heading, speed, length of state.
const ADD_BYTES_MIN: usize = 17;

impl CellState {
    /// The entities nearest to `near` as a partial update of at most `bytes_max` bytes; `None` when not even one fits.
    /// `near` is relative to the cell and may lie far outside it.
    pub fn encode_partial(
        &self,
        cell: CellIndex,
        near: CellPoint,
        bytes_max: usize,
        encoder: &mut CellEncoder,
    ) -> Option<Bytes> {
        let head = head_bytes(cell, self.seq(), bytes_max);
        let budget = bytes_max.checked_sub(head)?;
        let mut nearest = std::mem::take(&mut encoder.nearest);
        self.collect_nearest(near, budget, encoder.form(), &mut nearest);
        encoder.clear();
        for &(_, slot) in &nearest {
            if let Some(entity) = self.get(slot) {
                let taken = encoder.put_add(slot, entity);
                debug_assert!(taken.is_ok());
            }
        }
        encoder.nearest = nearest;
        (!encoder.is_empty()).then(|| encoder.finish_partial(cell, self.seq()))
    }

    /// Leaves in `nearest` the slots to send, ascending.
    fn collect_nearest(
        &self,
        near: CellPoint,
        budget: usize,
        form: PositionForm,
        nearest: &mut Vec<(u64, u16)>,
    ) {
        nearest.clear();
        nearest.extend(
            self.entities()
                .map(|(slot, entity)| (entity.motion.at.distance_squared(near), slot)),
        );
        // No more than these can fit, so the rest of a crowd need not be sorted.
        let most = budget.checked_div(ADD_BYTES_MIN).unwrap_or(0);
        if most == 0 {
            nearest.clear();
        } else if most < nearest.len() {
            nearest.select_nth_unstable(most);
            nearest.truncate(most);
        }
        nearest.sort_unstable();
        let mut left = budget;
        let fitting = nearest.iter().take_while(|(_, slot)| {
            let cost = self.get(*slot).map_or(0, |entity| add_bytes_max(form, entity));
            left.checked_sub(cost).map(|rest| left = rest).is_some()
        });
        let fitting = fitting.count();
        nearest.truncate(fitting);
        nearest.sort_unstable_by_key(|(_, slot)| *slot);
    }
}

/// Bytes of everything but the entries: cell, seq and kind, tag and length of the column.
fn head_bytes(cell: CellIndex, seq: u32, bytes_max: usize) -> usize {
    let number = |value: u64| varint_len(value).saturating_add(1);
    let numbers = number(u64::from(cell.0)).saturating_add(number(u64::from(seq)));
    numbers.saturating_add(2).saturating_add(number(bytes_max as u64))
}
