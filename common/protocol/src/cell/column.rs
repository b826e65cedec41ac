//! What all columns share: slots as ascending differences, and epochs in few bytes.

use crate::ids::OwnerEpoch;
use crate::limits::CELL_ENTITIES_MAX;

/// A slot is not above the one before it in its column, or not below [`CELL_ENTITIES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slots of a column must ascend and stay below {max}", max = CELL_ENTITIES_MAX)]
pub(super) struct SlotRefused;

/// Turns the slots of one column into differences and back: each difference counts from the slot after the last one, so
/// that a repeated slot cannot even be written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slots {
    next: u64,
}

impl Slots {
    /// The difference that stands for `slot`.
    pub(super) fn difference(&mut self, slot: u16) -> Result<u64, SlotRefused> {
        let difference = u64::from(slot).checked_sub(self.next).ok_or(SlotRefused)?;
        self.take(difference).map(|_| difference)
    }

    /// The slot that a difference stands for.
    pub(super) fn take(&mut self, difference: u64) -> Result<u16, SlotRefused> {
        let slot = self.next.checked_add(difference).ok_or(SlotRefused)?;
        if slot >= CELL_ENTITIES_MAX as u64 {
            return Err(SlotRefused);
        }
        self.next = slot.saturating_add(1);
        Ok(slot as u16)
    }
}

/// The epoch with its store generation moved to the low end: both parts are small for years, so a varint of it is short.
pub(super) fn epoch_to_varint(epoch: OwnerEpoch) -> u64 {
    epoch.0.rotate_left(16)
}

/// The epoch of such a varint.
pub(super) fn epoch_from_varint(value: u64) -> OwnerEpoch {
    OwnerEpoch(value.rotate_right(16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::varint_len;

    #[test]
    fn slots_ascend_and_end_below_the_limit() {
        let mut slots = Slots::default();
        assert_eq!(slots.difference(0), Ok(0));
        assert_eq!(slots.difference(5), Ok(4));
        assert_eq!(slots.difference(5), Err(SlotRefused));
        assert_eq!(slots.difference(4), Err(SlotRefused));
        assert_eq!(slots.difference(4095), Ok(4089));
        assert_eq!(slots.take(0), Err(SlotRefused));
        assert_eq!(Slots::default().take(u64::MAX), Err(SlotRefused));
        assert_eq!(Slots::default().take(4095), Ok(4095));
    }

    #[test]
    fn young_epochs_take_few_bytes_and_all_come_back() {
        assert!(varint_len(epoch_to_varint(OwnerEpoch::first(1))) <= 3);
        for epoch in [OwnerEpoch(0), OwnerEpoch::first(7), OwnerEpoch(u64::MAX - 1)] {
            assert_eq!(epoch_from_varint(epoch_to_varint(epoch)), epoch);
        }
    }
}
