//! Players who are always on their way: each walks to a place nearby and then to the next.

use demo::Input;
use protocol::geometry::Position;

/// How far the next place is at most, per axis, units.
const STEP: f32 = 64.0;
/// Nobody walks closer to the edge of the world than this, units: who runs into it stands.
const RIM: f32 = 2.0;

/// Where somebody is, and where they are going; unknown until they have been seen.
#[derive(Clone, Copy, Debug)]
struct Walker {
    at: Position,
    to: Position,
}

/// All of them, by number.
pub(crate) struct Walkers {
    size: f32,
    walkers: Vec<Option<Walker>>,
    random: u64,
}

impl Walkers {
    /// So many walkers in a square world of this size, units.
    pub(crate) fn new(count: usize, size: u32) -> Self {
        Self {
            size: size as f32,
            walkers: vec![None; count],
            random: 7,
        }
    }

    /// Where a walker is, as its own state says; who has arrived sets out for another place.
    pub(crate) fn seen(&mut self, number: usize, at: Position) {
        let before = self.walkers.get(number).copied().flatten();
        let on_its_way = before.filter(|walker| at.distance_squared(walker.to) >= 1.0);
        let to = on_its_way.map_or_else(
            || Position {
                x: self.place_near(at.x),
                y: self.place_near(at.y),
            },
            |walker| walker.to,
        );
        if let Some(walker) = self.walkers.get_mut(number) {
            *walker = Some(Walker { at, to });
        }
    }

    /// What a walker does next: stands until it has been seen, then goes on.
    pub(crate) fn input(&self, number: usize) -> Input {
        let walker = self.walkers.get(number).copied().flatten();
        walker.map_or_else(Input::default, |walker| Input::towards(walker.at, walker.to))
    }

    fn place_near(&mut self, along: f32) -> f32 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let part = (self.random >> 40) as f32 / (1_u64 << 24) as f32;
        let low = (along - STEP).max(RIM);
        let high = (along + STEP).min(self.size - RIM);
        low + part * (high - low).max(0.0)
    }
}
