//! The topology as rules see it: who serves what is none of a game's business.

use std::sync::Arc;

use topology::Topology;

/// The plan of the world that rules get. All regions of a process share one.
#[must_use]
pub fn game_world(topology: &Topology) -> Arc<game::World> {
    let world = topology.world();
    let regions = topology
        .regions()
        .iter()
        .map(|region| (region.number, region.rect));
    Arc::new(game::World::new(
        &*world.name,
        world.grid(),
        world.tick_hz,
        regions,
    ))
}

/// The store accepts as much as a game is told that it may have.
const _: () = {
    assert!(game::limits::FIRST_HOLDINGS_MAX <= store::limits::SEED_HOLDINGS_MAX);
    assert!(game::limits::HOLDING_CHANGES_MAX <= store::limits::HOLDING_CHANGES_MAX);
};
