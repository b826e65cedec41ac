//! A look at the players of a region from outside, for those who check from step to step that none is lost or doubled.
//! Reads only.

use std::collections::BTreeSet;

use game::EntityView;
use protocol::geometry::Position;
use protocol::ids::{EntityId, NodeNumber, OwnerEpoch, RegionEpoch, RegionNumber, StateVersion, UserId};
use store::Binding;

use super::Region;
use super::context;
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

/// A user in a region: for a census of certain users, who may share the world with any others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Who.
    pub user: UserId,
    /// Where.
    pub region: RegionNumber,
    /// Whether nothing of the player is under way: no handover, no join, nothing that the store has not got.
    pub is_settled: bool,
}

impl Region {
    /// Those of these users who are here, or about to be by a join.
    pub fn whereabouts(&self, asked: &BTreeSet<UserId>) -> impl Iterator<Item = Whereabouts> {
        let (state, region) = (&self.state, self.state.config.number);
        let here = state
            .players
            .values()
            .map(|player| (player.user, player.is_written()));
        let coming = state.joins.users().map(|user| (user, false));
        let coming = coming.filter(|(user, _)| !state.players.contains_key(user));
        here.chain(coming)
            .filter(|(user, _)| asked.contains(user))
            .map(move |(user, is_settled)| Whereabouts {
                user,
                region,
                is_settled,
            })
    }

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

    /// All entities that the region simulates, in no order.
    pub fn entities(&self) -> impl Iterator<Item = EntityView<'_>> {
        self.state.entities.iter().map(context::view)
    }

    /// Creatures that roam and are here now, ascending.
    pub fn creatures(&self) -> impl Iterator<Item = EntityId> {
        self.state.creatures.ids()
    }

    /// Which service has made each of the creatures that end with it.
    pub fn births(&self) -> impl Iterator<Item = (EntityId, RegionNumber, RegionEpoch)> {
        let creatures = &self.state.creatures;
        creatures.ids().filter_map(move |id| {
            let birth = creatures.get(id)?.born()?;
            Some((id, birth.region, birth.region_epoch))
        })
    }

    /// Creatures that outlive the process and are here now, ascending: under which epoch each is, and whether it is simulated: not
    /// waiting for the store to be born, or to be in another region.
    pub fn persistent(&self) -> impl Iterator<Item = (EntityId, OwnerEpoch, bool)> {
        let state = &self.state;
        state.creatures.kept().filter_map(move |id| {
            let entity = state.entities.get(state.entities.key(id)?)?;
            let kept = state.creatures.get(id)?.kept()?;
            Some((id, entity.owner_epoch, kept.is_written()))
        })
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
