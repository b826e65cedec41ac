//! Every way to walk in every world that a topology may describe, however small its cells: no bot is stuck, none wants to
//! leave the world, and who should cross borders does.

use client::WorldShape;
use proptest::prelude::*;
use protocol::geometry::{CellGrid, Position};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::args::Pattern;
use crate::places::{Places, Servers, point};
use crate::tests::toy::stepped;
use crate::walk::Walker;

const PATTERNS: [Pattern; 6] = [
    Pattern::Wander,
    Pattern::Border,
    Pattern::Corner,
    Pattern::Crowd,
    Pattern::Star,
    Pattern::Trader,
];
const HZ: u64 = 20;
/// As the game holds players inside the world.
const RIM: f32 = 1.0 / 128.0;

#[derive(Clone, Debug)]
struct Scene {
    shape: WorldShape,
    spawn: Position,
    seed: u64,
}

impl Scene {
    fn size(&self) -> Position {
        let grid = self.shape.grid;
        point(
            (grid.columns * grid.cell_size) as f32,
            (grid.rows * grid.cell_size) as f32,
        )
    }

    fn region(&self, at: Position) -> u32 {
        self.shape.regions[self.shape.grid.cell_at(at).0 as usize]
    }
}

/// Worlds of regions in rows and columns, down to a single cell of one unit.
fn scenes() -> impl Strategy<Value = Scene> {
    let cells = prop_oneof![
        Just(1_u32),
        Just(2),
        Just(3),
        Just(4),
        Just(5),
        Just(32),
        Just(64)
    ];
    let grid = (cells, 1_u32..=9, 1_u32..=9);
    let place = (0.0_f32..1.0, 0.0_f32..1.0);
    (grid, 1_u32..=4, 1_u32..=4, place, any::<u64>()).prop_map(|(grid, across, down, place, seed)| {
        let (cell, columns, rows) = grid;
        let grid = CellGrid::new([columns * cell, rows * cell], cell).unwrap();
        let region = |index: u32| {
            let (column, row) = (index % columns, index / columns);
            1 + column * across / columns + row * down / rows * across
        };
        let shape = WorldShape {
            grid,
            view_rings: 1,
            far_rings: 0,
            tick_hz: HZ as u32,
            regions: (0..grid.len()).map(region).collect(),
        };
        let spawn = point(place.0 * (columns * cell) as f32, place.1 * (rows * cell) as f32);
        Scene { shape, spawn, seed }
    })
}

/// Walks home and then for half a minute. How often the bot came to another region after that.
fn walk(scene: &Scene, pattern: Pattern) -> Result<u32, TestCaseError> {
    let places = Places::find(&scene.shape, &Servers::new());
    let mut rng = StdRng::seed_from_u64(scene.seed);
    let mut walker = Walker::new(pattern, scene.spawn, &places, &mut rng);
    let size = scene.size();
    let inside = |at: f32, size: f32| at.clamp(RIM, size - RIM);
    let mut at = point(inside(scene.spawn.x, size.x), inside(scene.spawn.y, size.y));
    // From one corner to the other, at six units a second and along one's nose.
    let way_home = 100 + ((size.x + size.y) / 6.0) as u64 * HZ * 2;
    let (mut crossings, mut home_at) = (0, None);
    for tick in 0..way_home + 30 * HZ {
        let before = scene.region(at);
        let walk = walker.steer(at, None, &places, tick * 1_000_000 / HZ, &mut rng);
        at = stepped(at, walk, HZ);
        prop_assert!(at.x.is_finite() && at.y.is_finite());
        at = point(inside(at.x, size.x), inside(at.y, size.y));
        let wanted = walker.target();
        prop_assert!((0.0..=size.x).contains(&wanted.x) && (0.0..=size.y).contains(&wanted.y));
        if walker.is_home() {
            home_at.get_or_insert(tick);
            crossings += u32::from(scene.region(at) != before);
        }
    }
    prop_assert!(
        home_at.is_some_and(|tick| tick <= way_home),
        "home at {:?}",
        home_at
    );
    Ok(crossings)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_pattern_works_in_every_world(scene in scenes()) {
        let has_borders = scene.shape.regions.iter().any(|region| *region != scene.shape.regions[0]);
        for pattern in PATTERNS {
            let crossings = walk(&scene, pattern)?;
            if pattern == Pattern::Border && has_borders {
                prop_assert!(crossings >= 5, "{} crossings in half a minute", crossings);
            }
        }
    }
}
