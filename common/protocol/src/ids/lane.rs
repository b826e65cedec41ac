//! Lanes: a node may be linked to another one several times over. Each shard of a proxy has a lane of its own to every
//! game server, and a user's lane follows from its id, so that nobody has to keep a map of who is where.

use std::fmt;

use super::{Incarnation, NodeNumber, UserId};

/// Which of the parallel links between an initiator and a responder: 0..=15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    /// The only lane of those who have one.
    pub const FIRST: Self = Self(0);

    /// The lane with this number; `None` beyond 15.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < Lanes::COUNT_MAX {
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
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many lanes a process dials every peer on: 1..=16. All links of one process start say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lanes(u8);

impl Lanes {
    /// Most lanes that an M1 can name.
    pub const COUNT_MAX: u8 = 16;
    /// One lane: what everybody has who does not say otherwise.
    pub const ONE: Self = Self(1);

    /// So many lanes; `None` for 0 and beyond 16.
    #[must_use]
    pub const fn new(count: u8) -> Option<Self> {
        if count >= 1 && count <= Self::COUNT_MAX {
            Some(Self(count))
        } else {
            None
        }
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> u8 {
        self.0
    }

    /// Whether there is such a lane.
    #[must_use]
    pub const fn has(self, lane: Lane) -> bool {
        lane.0 < self.0
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A user's lane, and the shard of its proxy: `((user × 0x9E3779B97F4A7C15) mod 2^64 >> 32) mod lanes`. Unsigned: a product
/// of 64 bits that wraps, its upper 32 bits, and the rest of dividing those by the number of lanes. The factor is 2^64
/// over the golden ratio, which spreads users numbered in a row evenly.
#[must_use]
pub const fn lane_of(user: UserId, lanes: Lanes) -> Lane {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let upper = user.0.wrapping_mul(GOLDEN) >> 32;
    match upper.checked_rem(lanes.0 as u64) {
        // Less than 16, as `lanes` is at most that.
        Some(lane) => Lane(lane as u8),
        None => Lane::FIRST,
    }
}

/// One lane of one proxy: whom a game server addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyLane {
    /// The proxy.
    pub node: NodeNumber,
    /// Which of its lanes.
    pub lane: Lane,
}

impl ProxyLane {
    /// The first lane of a proxy.
    #[must_use]
    pub const fn first(node: NodeNumber) -> Self {
        Self {
            node,
            lane: Lane::FIRST,
        }
    }
}

impl fmt::Display for ProxyLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.lane)
    }
}

/// A lane of one start of a proxy: whoever was bound to it is bound to nothing once that process is gone, even if its
/// successor has a lane of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LiveLane {
    /// Whom to address.
    pub at: ProxyLane,
    /// Which start of the proxy.
    pub incarnation: Incarnation,
}

impl LiveLane {
    /// The proxy.
    #[must_use]
    pub const fn node(self) -> NodeNumber {
        self.at.node
    }
}

impl fmt::Display for LiveLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of start {}", self.at, self.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(user: u64, lanes: u8) -> u8 {
        lane_of(UserId(user), Lanes::new(lanes).unwrap()).number()
    }

    #[test]
    fn a_users_lane_is_what_other_implementations_compute() {
        // (user, lanes, lane), from the formula with unbounded integers.
        let golden = [
            (0, 2, 0),
            (0, 3, 0),
            (0, 4, 0),
            (0, 16, 0),
            (1, 2, 1),
            (1, 3, 0),
            (1, 4, 1),
            (1, 16, 9),
            (2, 2, 0),
            (2, 3, 2),
            (2, 4, 2),
            (2, 16, 2),
            (3, 2, 0),
            (3, 3, 0),
            (3, 4, 0),
            (3, 16, 12),
            (7, 2, 0),
            (7, 3, 2),
            (7, 4, 2),
            (7, 16, 2),
            (1000, 2, 1),
            (1000, 3, 2),
            (1000, 4, 1),
            (1000, 16, 9),
            (0x100000000, 2, 1),
            (0x100000000, 3, 1),
            (0x100000000, 4, 1),
            (0x100000000, 16, 5),
            (0x10000000005, 2, 1),
            (0x10000000005, 3, 2),
            (0x10000000005, 4, 3),
            (0x10000000005, 16, 15),
            (0xdeadbeefcafebabe, 2, 1),
            (0xdeadbeefcafebabe, 3, 2),
            (0xdeadbeefcafebabe, 4, 3),
            (0xdeadbeefcafebabe, 16, 3),
            (0xffffffffffffffff, 2, 0),
            (0xffffffffffffffff, 3, 0),
            (0xffffffffffffffff, 4, 2),
            (0xffffffffffffffff, 16, 6),
        ];
        for (user, lanes, expected) in golden {
            assert_eq!(lane(user, lanes), expected, "user {user} of {lanes} lanes");
        }
    }

    #[test]
    fn users_spread_evenly_over_all_lanes() {
        let mut counts = [0_u32; 4];
        for user in 0..4_000 {
            counts[usize::from(lane((1 << 40) + user, 4))] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
        assert!((0..1_000).all(|user| lane(user, 1) == 0));
        assert!((0..1_000).all(|user| lane(user, 16) < 16));
    }

    #[test]
    fn lanes_and_their_number_fit_four_bits_each() {
        assert_eq!(Lane::new(15).map(Lane::number), Some(15));
        assert_eq!(Lane::new(16), None);
        assert_eq!((Lanes::new(0), Lanes::new(17)), (None, None));
        let lanes = Lanes::new(16).unwrap();
        assert!(lanes.has(Lane(15)) && !Lanes::ONE.has(Lane(1)));
    }
}
