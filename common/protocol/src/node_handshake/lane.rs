//! The flags of an M1: which lane the link is, and of how many. Four bits each, so that both fit where version 1 had one.

use crate::ids::{Lane, Lanes};

/// Where a link stands among its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneOfMany {
    pub(super) lane: Lane,
    pub(super) lanes: Lanes,
}

impl LaneOfMany {
    const BITS: u32 = 4;
    const MASK: u16 = 0x000F;

    /// `None` when there is no such lane.
    pub(super) fn new(lane: Lane, lanes: Lanes) -> Option<Self> {
        lanes.has(lane).then_some(Self { lane, lanes })
    }

    /// Bits 0 to 3: the lane. Bits 4 to 7: the number of lanes, less one.
    pub(super) fn to_flags(self) -> u16 {
        let others = u16::from(self.lanes.count().saturating_sub(1));
        u16::from(self.lane.number()) | others << Self::BITS
    }

    /// `None` when bits are set that have no meaning, or when the lane is beyond their number.
    pub(super) fn from_flags(flags: u16) -> Option<Self> {
        let field = |shift: u32| u8::try_from(flags >> shift & Self::MASK).ok();
        if flags >> (2 * Self::BITS) != 0 {
            return None;
        }
        let lanes = Lanes::new(field(Self::BITS)?.checked_add(1)?)?;
        Self::new(Lane::new(field(0)?)?, lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_name_a_lane_of_as_many_as_there_are_and_nothing_else() {
        let of = |lane, lanes| LaneOfMany::new(Lane::new(lane).unwrap(), Lanes::new(lanes).unwrap());
        for (lane, lanes, flags) in [(0, 1, 0x0000), (1, 2, 0x0011), (2, 4, 0x0032), (15, 16, 0x00ff)] {
            let place = of(lane, lanes).unwrap();
            assert_eq!(place.to_flags(), flags);
            assert_eq!(LaneOfMany::from_flags(flags), Some(place));
        }
        assert_eq!(of(1, 1), None);
        for flags in [0x0001, 0x0012, 0x00ef, 0x0100, 0x8000] {
            assert_eq!(LaneOfMany::from_flags(flags), None, "{flags:#06x}");
        }
    }
}
