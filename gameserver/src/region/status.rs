//! What a region tells of itself: for operators, and for the census that counts whether anything was lost or doubled.

use serde::Serialize;

use super::state::RegionState;

/// A region at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RegionStatus {
    /// Its number.
    pub region: u32,
    /// The epoch it is served at.
    pub region_epoch: u64,
    /// Ticks since it was served.
    pub tick: u64,
    /// Entities simulated, of every kind.
    pub population: usize,
    /// Those of them that rules hide, or show to one user alone: maps count them not.
    pub unseen: usize,
    /// Users simulated.
    pub players: usize,
    /// Entities that are neither players nor holdings, creatures that roam among them.
    pub npcs: usize,
    /// Creatures that roam and are here now.
    pub roaming: usize,
    /// Those of them that outlive the process.
    pub persistent: usize,
    /// Creatures that came over a border, and that went over one, since the region was served.
    pub roamed_in: u64,
    /// See `roamed_in`.
    pub roamed_away: u64,
    /// Entities of the game made since the region was served.
    pub spawned: u64,
    /// Entities of the game taken away since.
    pub despawned: u64,
    /// Players who came by handover.
    pub arrived: u64,
    /// Players who left by handover or logout.
    pub departed: u64,
    /// Players in a handover that is not committed.
    pub frozen: usize,
    /// Handovers whose target has not confirmed, and players who may be about to arrive.
    pub handovers: usize,
    /// Joins under way.
    pub joining: usize,
    /// Ghosts of the neighbours' border strips.
    pub ghosts: usize,
    /// Cell subscriptions of all subscribers.
    pub subscriptions: usize,
    /// Cells that wait until their subscriber has room again, of all subscribers.
    pub cells_waiting: usize,
    /// Holdings that lie here, ascending.
    pub holdings: Vec<u64>,
    /// Whether it is known what lies here.
    pub holdings_known: bool,
    /// Questions to the store without an answer.
    pub store_waiting: usize,
    /// Players of whom the store has not everything: what changed since they were written, and those who leave or cross until it
    /// has said that they are gone.
    pub unsaved: usize,
    /// Changes of its ground, and of what its rules keep, that the store has not.
    pub ground_unwritten: usize,
    /// Births, crossings and ends of creatures that the store has not, and in a drain creatures that it is to have once more.
    pub creatures_unwritten: usize,
    /// Whether nobody new is taken.
    pub draining: bool,
    /// How often the game's rules panicked.
    pub panics: u64,
    /// Whether they did so too often: they are called no more until the region is served anew.
    pub stands_still: bool,
    /// Length of the last tick's phases, by name, microseconds.
    pub phases_us: Vec<(&'static str, u64)>,
}

impl RegionStatus {
    /// Changes of the region itself that the store has not.
    #[must_use]
    pub fn changes_unwritten(&self) -> usize {
        self.ground_unwritten + self.creatures_unwritten
    }
}

impl RegionState {
    pub(super) fn status(&self) -> RegionStatus {
        let (population, players) = (self.entities.len(), self.players.len());
        let unsaved = self.players.values();
        RegionStatus {
            region: self.config.number.0,
            region_epoch: self.config.epoch.0,
            tick: self.tick.0,
            population,
            unseen: self.cells.unseen(),
            players,
            npcs: population.saturating_sub(players + self.ground.holdings().len()),
            roaming: self.creatures.len(),
            persistent: self.creatures.kept().len(),
            roamed_in: self.counts.roamed_in,
            roamed_away: self.counts.roamed_away,
            spawned: self.counts.spawned,
            despawned: self.counts.despawned,
            arrived: self.counts.arrived,
            departed: self.counts.departed,
            frozen: self.departures.frozen(),
            handovers: self.departures.len() + self.arrivals.len(),
            joining: self.joins.len(),
            ghosts: self.neighbourhood.ghosts().len(),
            subscriptions: self.publication.subscriptions(),
            cells_waiting: self.publication.waiting(),
            holdings: self.ground.holdings().collect(),
            holdings_known: self.ground.is_known(),
            store_waiting: self.out.questions(),
            unsaved: unsaved.filter(|player| !player.is_written()).count(),
            ground_unwritten: self.ground_writes.len() + self.keeping.unwritten(self.draining),
            creatures_unwritten: self.creatures_unwritten(),
            draining: self.draining,
            panics: self.panics,
            stands_still: self.stands_still,
            phases_us: Vec::new(),
        }
    }
}
