//! Valuables: rows of their own, so that no save of a player can lose or double one. They are made, given, laid down, put
//! into trades and destroyed within commits alone, and counted as they are made and destroyed.

use bytes::Bytes;
use protocol::ids::{EntityId, Incarnation, NodeNumber, RegionNumber, UserId};

use crate::limits::{HOLDING_PAYLOAD_BYTES_MAX, TRADE_HOLDINGS_MAX};

/// One thing that somebody holds, that lies somewhere, or that is in a trade.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    /// Unique for good. Those that worlds begin with are numbered by the game, below 2⁶²; the others by [`minted_id`].
    pub id: u64,
    /// What it is, as the game numbers its kinds.
    pub kind: u32,
    /// Where it is.
    pub holder: Holder,
    /// The game's own bytes, the same for good; at most [`HOLDING_PAYLOAD_BYTES_MAX`].
    pub payload: Bytes,
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
    /// Somebody has offered it for something else.
    Trade(TradeId),
}

/// What a user holds, and whether anything of it is offered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Belongings {
    /// What the user has, ascending by id.
    pub holdings: Vec<Holding>,
    /// When the first of the user's open offers ends, milliseconds from now by the store's clock: 0 when it is overdue, `None` when
    /// none is open. It is read before the holdings, so that whoever waits for its end has missed none of what an end brings.
    pub offer_ends_ms: Option<u64>,
}

/// A trade; numbered as what is minted is, from the same counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TradeId(pub u64);

/// Bits of a minted id that count.
const COUNTER_BITS: u32 = 30;
/// Tells what was minted from what worlds begin with.
const MINTED: u64 = 1 << 62;

/// The id of what a start of a node makes: a bit that says so, node 10 bits ‖ start 22 bits ‖ counter 30 bits; `None` when a part
/// does not fit.
#[must_use]
pub fn minted_id(node: NodeNumber, start: Incarnation, counter: u32) -> Option<u64> {
    let fits = node.0 <= EntityId::NODE_MAX && start.0 <= EntityId::START_MAX && counter >> COUNTER_BITS == 0;
    fits.then(|| MINTED | u64::from(node.0) << 52 | start.0 << COUNTER_BITS | u64::from(counter))
}

/// The node that may have minted an id; `None` for what worlds begin with.
#[must_use]
pub fn minted_by(id: u64) -> Option<NodeNumber> {
    (id >> 62 == 1).then_some(NodeNumber((id >> 52 & 0x3ff) as u16))
}

/// A change that one player's command makes. Refused unless the holding is where the change takes it from; what picks something up
/// or lays it down, unless the player stands in that region and the writer serves it at the epoch of the player's row.
#[derive(Clone, Debug, PartialEq)]
pub enum HoldingChange {
    /// From the ground of `region` to the player.
    Take {
        /// Which holding.
        holding: u64,
        /// Where it has to lie, the player's own region.
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
        /// Region of the place, the player's own.
        region: RegionNumber,
        /// World units.
        x: f32,
        /// World units.
        y: f32,
    },
    /// The player has it from now on, and nobody had it before.
    Mint {
        /// Its id, by [`minted_id`] of the writer.
        holding: u64,
        /// What it is.
        kind: u32,
        /// The game's own bytes.
        payload: Bytes,
    },
    /// The player's, and from now on nobody's.
    Burn {
        /// Which holding.
        holding: u64,
    },
    /// From the player into a trade that is open from now on.
    Offer(Offer),
    /// The player accepts a trade that is open to it and not overdue: what was offered is the player's, what was wanted is whose offer it was.
    Accept {
        /// Which trade.
        trade: TradeId,
        /// Whose offer it is.
        from: UserId,
    },
    /// The player withdraws its own offer, or declines one that is open to it: what is in the trade goes back.
    Cancel {
        /// Which trade.
        trade: TradeId,
        /// Whose offer it is.
        from: UserId,
    },
}

/// Several things for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its id, by [`minted_id`] of the writer.
    pub trade: TradeId,
    /// Who may accept.
    pub to: UserId,
    /// What is offered, the player's; at most [`TRADE_HOLDINGS_MAX`].
    pub gives: Vec<u64>,
    /// What is wanted for it, which has to be the other one's on acceptance; at most [`TRADE_HOLDINGS_MAX`].
    pub wants: Vec<u64>,
    /// After so long it cannot be accepted any more, milliseconds by the store's clock.
    pub lasts_ms: u64,
}

/// A change of what lies on a region's ground that no player makes.
#[derive(Clone, Debug, PartialEq)]
pub enum GroundChange {
    /// It lies there from now on, and was nowhere before.
    Mint {
        /// Its id, by [`minted_id`] of the writer.
        holding: u64,
        /// What it is.
        kind: u32,
        /// The game's own bytes.
        payload: Bytes,
        /// World units.
        x: f32,
        /// World units.
        y: f32,
    },
    /// It lies there, and from now on nowhere.
    Burn {
        /// Which holding.
        holding: u64,
    },
}

impl HoldingChange {
    /// Rows that it may change.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Offer(offer) => offer.gives.len().saturating_add(1),
            Self::Accept { .. } => 2 * TRADE_HOLDINGS_MAX + 1,
            Self::Cancel { .. } => TRADE_HOLDINGS_MAX + 1,
            Self::Mint { .. } | Self::Burn { .. } => 2,
            Self::Take { .. } | Self::Give { .. } | Self::Drop { .. } => 1,
        }
    }

    /// Memory that it takes, about, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let beside = match self {
            Self::Mint { payload, .. } => payload.len(),
            Self::Offer(offer) => size_of_val(offer.gives.as_slice()) + size_of_val(offer.wants.as_slice()),
            _ => 0,
        };
        size_of::<Self>() + beside
    }
}

/// Bounds the memory of holdings that are read in pages: no payload is longer.
const _: () = assert!(HOLDING_PAYLOAD_BYTES_MAX <= 256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_id_names_its_node_and_no_two_are_equal() {
        let (node, start) = (NodeNumber(1023), Incarnation(EntityId::START_MAX));
        let last = minted_id(node, start, (1 << 30) - 1).unwrap();
        assert_eq!(last, i64::MAX as u64);
        assert_eq!(minted_by(last), Some(node));
        assert_eq!(minted_id(node, start, 1 << 30), None);
        assert_eq!(minted_id(NodeNumber(1024), start, 0), None);
        let first = minted_id(NodeNumber(1), Incarnation(1), 0).unwrap();
        assert_eq!(first, 1 << 62 | 1 << 52 | 1 << 30);
        assert_eq!(minted_by(first), Some(NodeNumber(1)));
        assert_eq!(minted_by((1 << 62) - 1), None);
        assert_eq!(minted_by(u64::MAX), None);
    }
}
