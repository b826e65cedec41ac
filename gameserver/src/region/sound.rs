//! What is true of a region's memory whatever anybody says, since nobody else writes it. Builds with debug assertions look
//! after every tick: those of the tests and of the simulation. What comes from outside is refused instead.

use super::player::{Phase, Player};
use super::state::RegionState;

impl RegionState {
    /// Whether each player is where all parts of the region believe it to be.
    pub(super) fn is_sound(&self) -> bool {
        self.players.values().all(|player| self.is_whole(player))
    }

    fn is_whole(&self, player: &Player) -> bool {
        let user = player.user;
        let entity = self.entities.get(player.key).is_some_and(|entity| {
            entity.id == player.entity && entity.user == Some(user) && entity.owner_epoch == player.epoch
        });
        let is_frozen_for_a_handover = match player.phase {
            Phase::Frozen(attempt) => self.departures.leaver(attempt, user).is_some(),
            Phase::Active | Phase::Unanswered | Phase::Leaving => true,
        };
        let holds_each_once = player.holdings.is_sorted_by(|one, next| one < next);
        entity && is_frozen_for_a_handover && holds_each_once && self.forwardings.get(user).is_none()
    }
}
