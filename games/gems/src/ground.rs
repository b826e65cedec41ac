//! Gems: made once with the world, one in each cell, and never more or fewer.

use bytes::Bytes;
use game::limits::FIRST_HOLDINGS_MAX;
use game::{Ctx, EntityId, Holding, Place, Position, RegionNumber, World};

use crate::wire::{KIND_GEM, REACH, Refusal, encode_gem, parse_gem};

/// How far from the edge of its cell a gem lies at least, units.
const MARGIN: f32 = 2.0;

/// A number scattered over all 64 bits (the finish of splitmix64).
pub(super) fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The gems of a new region. Numbered from the seed and the cell; numbers from 2⁶² on are those of things made later, so the two top bits stay
/// clear. A region of more cells than a store seeds has none in the last ones.
pub(super) fn of_region(world: &World, region: RegionNumber, seed: u64) -> Vec<Holding> {
    let grid = world.grid();
    let span = (grid.cell_size as f32 - 2.0 * MARGIN).max(0.0);
    let rect = world.region(region);
    let cells = rect.into_iter().flat_map(|rect| grid.within(rect));
    cells
        .take(FIRST_HOLDINGS_MAX)
        .map(|cell| {
            let hash = mixed(seed ^ u64::from(cell.0) << 1);
            let origin = grid.origin(cell);
            let part = |bits: u64| (bits & 0xffff) as f32 / 65536.0 * span + MARGIN;
            let at = Position {
                x: origin.x + part(hash),
                y: origin.y + part(hash >> 16),
            };
            Holding {
                id: (mixed(seed) & 0x3fff_ffff) << 32 | u64::from(cell.0),
                kind: u32::from(KIND_GEM),
                at,
                payload: Bytes::new(),
            }
        })
        .collect()
}

/// Puts the entity of a gem where the gem lies.
pub(super) fn show(ctx: &mut dyn Ctx, gem: &Holding) -> Option<EntityId> {
    ctx.spawn(u16::from(KIND_GEM), gem.at, &encode_gem(gem.id))
}

/// The gem, if it lies within reach in this region.
pub(super) fn near(ctx: &dyn Ctx, at: Position, gem: u64) -> Result<u64, Refusal> {
    let mut found = Err(Refusal::NoSuchGem);
    ctx.nearby(at, 4.0 * REACH, &mut |entity| {
        if entity.kind == u16::from(KIND_GEM) && parse_gem(entity.state) == Ok(gem) {
            let reachable = entity.place == Place::Here && entity.at.distance_squared(at) <= REACH * REACH;
            found = if reachable { Ok(gem) } else { Err(Refusal::TooFar) };
        }
    });
    found
}
