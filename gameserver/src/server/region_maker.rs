//! Makes regions as this process serves them: with its game, its limits and its numbers.

use std::sync::Arc;

use node::data_dir::DataDir;
use node::life::Failure;
use node::topology_in_force::TopologyInForce;
use protocol::ids::{Incarnation, RegionEpoch, RegionNumber};

use super::hang_watch::Calls;
use super::played::Played;
use super::settings::GameServerSettings;
use crate::game_world::game_world;
use crate::process_numbers::ProcessNumbers;
use crate::region::{NotListed, Region, RegionConfig};

/// What all regions of a process have in common.
#[derive(Clone, Debug)]
pub(super) struct RegionMaker {
    in_force: Arc<TopologyInForce>,
    world: Arc<game::World>,
    numbers: ProcessNumbers,
    seed: u64,
    linkdead_grace_ms: u64,
    soft_save_ms: u64,
    game: Played,
    calls: Calls,
    #[cfg(feature = "fault-injection")]
    fault: crate::region::Fault,
}

impl RegionMaker {
    /// Of a process of the node whose directory this is.
    ///
    /// # Errors
    /// With `fault-injection`: no such mistake is known.
    pub(super) fn new(
        settings: &GameServerSettings,
        game: &Played,
        dir: &DataDir,
        incarnation: Incarnation,
        in_force: &Arc<TopologyInForce>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            in_force: Arc::clone(in_force),
            world: game_world(in_force.listing().now()),
            numbers: ProcessNumbers::new(dir.number, incarnation),
            seed: world_seed(dir),
            linkdead_grace_ms: settings.limits.linkdead_grace_ms,
            soft_save_ms: settings.limits.soft_save_ms,
            game: game.clone(),
            calls: Calls::default(),
            #[cfg(feature = "fault-injection")]
            fault: fault()?,
        })
    }

    /// What the rules of each region that was made are at.
    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// What they play.
    pub(super) fn game(&self) -> &Played {
        &self.game
    }

    /// A region at the epoch that the store has issued for its service.
    ///
    /// # Errors
    /// `NotListed`.
    pub(super) fn make(&self, number: RegionNumber, epoch: RegionEpoch) -> Result<Region, NotListed> {
        let listing = self.in_force.listing();
        // What was taken when this node was listed is served until it is given away.
        let topology = listing
            .listing(self.numbers.node(), number)
            .unwrap_or(listing.now());
        let config = RegionConfig {
            number,
            epoch,
            node: self.numbers.node(),
            numbers: self.numbers.clone(),
            topology: Arc::clone(topology),
            edition: self.game.edition(),
            world: Arc::clone(&self.world),
            seed: self.seed,
            calling: self.calls.of(number),
            linkdead_grace_ms: self.linkdead_grace_ms,
            soft_save_ms: self.soft_save_ms,
            #[cfg(feature = "fault-injection")]
            fault: self.fault,
            #[cfg(feature = "broken-rules")]
            without: None,
        };
        Region::new(config, self.game.make_rules())
    }
}

/// Which mistake to make on purpose.
#[cfg(feature = "fault-injection")]
fn fault() -> Result<crate::region::Fault, Failure> {
    let name = std::env::var("FAULT_INJECTION").unwrap_or_default();
    name.parse().map_err(Failure::bad_input)
}

/// The same on every server of a cluster, and another in every cluster.
fn world_seed(dir: &DataDir) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = dir.cluster.cluster_id.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
