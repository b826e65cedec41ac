//! Newtypes for everything that two numbers of the same width could be mistaken for each other.

mod lane;

use std::fmt;

pub use lane::{Lane, Lanes, LiveLane, ProxyLane, lane_of};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! bytes16 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl $name {
            /// Reads what `Display` writes, 32 hexadecimal digits.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; 16];
                if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                for (byte, at) in bytes.iter_mut().zip((0_usize..).step_by(2)) {
                    *byte = u8::from_str_radix(text.get(at..at.checked_add(2)?)?, 16).ok()?;
                }
                Some(Self(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

bytes16!(
    /// One cluster: one authority, one world. Signatures of one cluster mean nothing in another.
    ClusterId
);
bytes16!(
    /// One world: everything that a store holds, from its making on. A copy of the store is the same world.
    WorldId
);
bytes16!(
    /// A node's identity for good, as its certificate names it.
    NodeUuid
);
bytes16!(
    /// One login of one user; survives resumes.
    SessionId
);

number!(
    /// A node's small number, 1..=1023, explicit in the topology and never reused.
    NodeNumber(u16)
);
number!(
    /// A region's number in the topology, from 1.
    RegionNumber(u32)
);
number!(
    /// A user for good, over sessions and servers.
    UserId(u64)
);
number!(
    /// How often a region has been served: grows in the store at each start of serving. Store generation in the high 16 bits.
    RegionEpoch(u64)
);
number!(
    /// How often a player has been activated: grows by CAS on its row. Store generation in the high 16 bits.
    OwnerEpoch(u64)
);
number!(
    /// One attempt of a handover, unique for its source.
    AttemptId(u64)
);
number!(
    /// Version of a player's state under one owner.
    StateVersion(u64)
);
number!(
    /// How often a user has logged in; raised by the auth role alone.
    SessionGeneration(u64)
);
number!(
    /// How often a session has attached to a proxy; raised by the client.
    AttachNo(u32)
);
number!(
    /// Number of a player's input within its session generation, from 1.
    InputNumber(u64)
);
number!(
    /// Number of a player's command within its session generation, from 1.
    CommandNumber(u64)
);
number!(
    /// Number of an event to a player within its session generation, from 1.
    EventNumber(u64)
);
number!(
    /// A region's tick count since it was served.
    Tick(u64)
);
number!(
    /// Version of a topology bundle; a lower one is never accepted again.
    TopologyVersion(u64)
);
number!(
    /// A process start of a node, issued by the store: 22 bits.
    Incarnation(u64)
);

/// An entity for good, wherever it walks: node number 10 bits ‖ start 22 bits ‖ counter 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u64);

impl EntityId {
    /// Highest node number that fits.
    pub const NODE_MAX: u16 = 1023;
    /// Highest start that fits.
    pub const START_MAX: u64 = (1 << 22) - 1;

    /// The `counter`th entity made by this start of this node; `None` when a part does not fit.
    #[must_use]
    pub fn compose(node: NodeNumber, start: Incarnation, counter: u32) -> Option<Self> {
        let fits = node.0 <= Self::NODE_MAX && start.0 <= Self::START_MAX;
        fits.then(|| Self(u64::from(node.0) << 54 | start.0 << 32 | u64::from(counter)))
    }

    /// The node that made the entity.
    #[must_use]
    pub fn node(self) -> NodeNumber {
        NodeNumber((self.0 >> 54) as u16)
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why an epoch could not be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("epoch {0:#x} has used up its store generation; raise the store generation")]
pub struct EpochExhausted(pub u64);

macro_rules! epoch {
    ($name:ident) => {
        impl $name {
            /// The first epoch of a store generation.
            #[must_use]
            pub const fn first(store_generation: u16) -> Self {
                Self((store_generation as u64) << 48 | 1)
            }

            /// The epoch after this one, within the same store generation.
            ///
            /// # Errors
            /// `EpochExhausted` when the 48-bit counter is full.
            pub fn next(self) -> Result<Self, EpochExhausted> {
                let next = self.0.checked_add(1).ok_or(EpochExhausted(self.0))?;
                if next >> 48 == self.0 >> 48 {
                    Ok(Self(next))
                } else {
                    Err(EpochExhausted(self.0))
                }
            }
        }
    };
}

epoch!(OwnerEpoch);
epoch!(RegionEpoch);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_ids_hold_their_three_parts_and_refuse_what_does_not_fit() {
        let id = EntityId::compose(NodeNumber(1023), Incarnation(5), 7).unwrap();
        assert_eq!(id.0, 1023 << 54 | 5 << 32 | 7);
        assert_eq!(id.node(), NodeNumber(1023));
        assert_eq!(EntityId::compose(NodeNumber(1024), Incarnation(0), 0), None);
        assert_eq!(EntityId::compose(NodeNumber(1), Incarnation(1 << 22), 0), None);
    }

    #[test]
    fn epochs_grow_within_their_store_generation_only() {
        assert_eq!(OwnerEpoch::first(2).next(), Ok(OwnerEpoch(2 << 48 | 2)));
        let last = OwnerEpoch(3 << 48 | 0xffff_ffff_ffff);
        assert_eq!(last.next(), Err(EpochExhausted(last.0)));
        assert_eq!(RegionEpoch(u64::MAX).next(), Err(EpochExhausted(u64::MAX)));
    }
}
