//! How many players are where, for the map: counts per cell, of those whom others may see. Asked for while somebody looks, and
//! answered from what the region knows anyway.

use protocol::geometry::CellIndex;
use protocol::ids::{RegionNumber, Tick, UserId};
use protocol::visibility::Visibility;

use super::Region;
use super::entity::Entity;
use super::state::RegionState;

/// What the map shows of a region's players: nobody's name, nobody's place, and nothing of whom the rules hide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heat {
    /// The region's tick.
    pub tick: Tick,
    /// Players whom others may see.
    pub population: u32,
    /// How many of them are in each cell of the world in which any are, ascending.
    pub cells: Vec<(CellIndex, u32)>,
    /// How many have walked into each other region since this one was served here, ascending.
    pub crossed: Vec<(RegionNumber, u64)>,
}

impl Region {
    /// How many players are where.
    #[must_use]
    pub fn heat(&self) -> Heat {
        let state = &self.state;
        let entities = state.players.values();
        let entities = entities.filter_map(|player| state.entities.get(player.key));
        let seen = entities.filter(|entity| may_be_seen(entity));
        let mut cells: Vec<CellIndex> = seen.map(|entity| state.cells.home_cell(entity)).collect();
        cells.sort_unstable();
        let alike = cells.chunk_by(|one, next| one == next);
        Heat {
            tick: state.tick,
            population: cells.len() as u32,
            cells: alike.map(|alike| (alike[0], alike.len() as u32)).collect(),
            crossed: state.crossed.iter().map(|(to, count)| (*to, *count)).collect(),
        }
    }
}

impl RegionState {
    /// A player is about to be another region's. One whom the rules hide leaves no trace, nor does one that is put somewhere.
    pub(super) fn note_crossing(&mut self, user: UserId, to: RegionNumber) {
        let player = self.players.get(&user);
        let entity = player.and_then(|player| self.entities.get(player.key));
        if entity.is_some_and(may_be_seen) {
            *self.crossed.entry(to).or_insert(0) += 1;
        }
    }
}

fn may_be_seen(entity: &Entity) -> bool {
    matches!(entity.visibility, Visibility::Near | Visibility::Far)
}
