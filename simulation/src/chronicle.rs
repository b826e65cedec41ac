//! What the rules of a run keep: each region counts, and the first one for the world as well. A count that goes back would show
//! a service that writes over what another one has kept.

use game::Ctx;

/// That of one region.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    /// The newest that was known of the world.
    world: u64,
}

/// How far a state counts.
pub(crate) fn count(state: &[u8]) -> u64 {
    state.try_into().map_or(0, u64::from_le_bytes)
}

impl Chronicle {
    pub(crate) fn recalled(&mut self, ctx: &dyn Ctx) {
        let world = ctx.world_state().map_or(0, count);
        assert!(
            world >= self.world,
            "H7: the state of the world went back to {world}"
        );
        self.world = world;
    }

    pub(crate) fn tick(ctx: &mut dyn Ctx) {
        if let Some(region) = ctx.region_state().map(count) {
            let is_kept = ctx.set_region_state(&(region + 1).to_le_bytes());
            assert!(is_kept, "H7: what is known can be changed");
        }
        if let Some(world) = ctx.world_state().map(count) {
            ctx.set_world_state(&(world + 1).to_le_bytes());
        }
    }
}
