//! A look at the players of a region from outside, for those who check from step to step that none is lost or doubled.
//! Reads only.

use protocol::geometry::Position;
use protocol::ids::{EntityId, NodeNumber, OwnerEpoch, RegionNumber, StateVersion, UserId};
use store::Binding;

use super::Region;
use super::player::{Phase, Player};
use super::state::RegionState;

/// One player as its region has it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayerView<'a> {
    /// Who.
    pub user: UserId,
    /// The player's entity.
    pub entity: EntityId,
    /// The epoch that the region holds it at.
    pub epoch: OwnerEpoch,
    /// The last version captured for the store.
    pub version: StateVersion,
    /// The session it serves, and the proxy that may speak for it.
    pub binding: Binding,
    /// Where it stands.
    pub at: Position,
    /// Whether it is simulated: not frozen, not on the way out, not waiting for the store.
    pub is_active: bool,
    /// The newest input applied.
    pub last_input: u64,
    /// The newest command applied.
    pub last_command: u64,
    /// What it holds, ascending.
    pub holdings: &'a [u64],
}

impl Region {
    /// All players, ascending by user.
    pub fn players(&self) -> impl Iterator<Item = PlayerView<'_>> {
        self.state
            .players
            .values()
            .filter_map(|player| view(&self.state, player))
    }

    /// One player, if it is here.
    #[must_use]
    pub fn player(&self, user: UserId) -> Option<PlayerView<'_>> {
        view(&self.state, self.state.players.get(&user)?)
    }

    /// The node that this region takes for the server of another one.
    #[must_use]
    pub fn knows_server_of(&self, region: RegionNumber) -> Option<NodeNumber> {
        let serving = self.state.neighbourhood.serving(region);
        serving.map(|serving| serving.node)
    }
}

fn view<'a>(state: &'a RegionState, player: &'a Player) -> Option<PlayerView<'a>> {
    Some(PlayerView {
        user: player.user,
        entity: player.entity,
        epoch: player.epoch,
        version: player.writes.version(),
        binding: player.bound.row(),
        at: state.entities.get(player.key)?.at,
        is_active: player.phase == Phase::Active,
        last_input: player.last_input,
        last_command: player.commands.last(),
        holdings: &player.holdings,
    })
}
