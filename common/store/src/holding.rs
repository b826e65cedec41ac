//! Valuables: rows of their own, so that no save of a player can lose or double one.

use protocol::ids::{RegionNumber, UserId};

/// One thing that somebody holds or that lies somewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holding {
    /// Unique for good.
    pub id: u64,
    /// What it is, as the game numbers its kinds.
    pub kind: u32,
    /// Where it is.
    pub holder: Holder,
}

/// Where a holding is: always in exactly one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holder {
    /// Somebody has it.
    User(UserId),
    /// It lies in the world.
    Ground {
        /// The region whose server lets players take it.
        region: RegionNumber,
        /// World units.
        x: f32,
        /// World units.
        y: f32,
    },
}

/// A change that one player's command makes. Refused unless the holding is where the change takes it from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HoldingChange {
    /// From the ground of `region` to the player.
    Take {
        /// Which holding.
        holding: u64,
        /// Where it has to lie.
        region: RegionNumber,
    },
    /// From the player to another user, who must have a row.
    Give {
        /// Which holding.
        holding: u64,
        /// Who gets it.
        to: UserId,
    },
    /// From the player to the ground.
    Drop {
        /// Which holding.
        holding: u64,
        /// Region of the place.
        region: RegionNumber,
        /// World units.
        x: f32,
        /// World units.
        y: f32,
    },
}

impl HoldingChange {
    /// The holding concerned.
    #[must_use]
    pub fn holding(&self) -> u64 {
        match self {
            Self::Take { holding, .. } | Self::Give { holding, .. } | Self::Drop { holding, .. } => *holding,
        }
    }
}
