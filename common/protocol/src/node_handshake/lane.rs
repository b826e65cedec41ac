//! Several links may join the same two nodes, each in a lane of its own, so that bulk does not delay what is urgent.

use std::fmt;

/// Which of the parallel links between an initiator and a responder: 0..=15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    /// Bits of the flags that carry the lane.
    const MASK: u16 = 0x000F;

    /// The lane with this number; `None` beyond 15.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number as u16 <= Self::MASK {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The flags of an M1 in this lane.
    pub(super) fn to_flags(self) -> u16 {
        u16::from(self.0)
    }

    /// The lane in the flags of an M1; `None` when bits are set that version 1 gives no meaning.
    pub(super) fn from_flags(flags: u16) -> Option<Self> {
        u8::try_from(flags).ok().and_then(Self::new)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
