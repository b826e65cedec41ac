//! The world view of a client, as a game's bot looks at it.

use client::World;
use game::bot::{Seen, View};
use protocol::ids::RegionNumber;

/// What one bot sees.
pub(crate) struct Sight<'a>(pub(crate) &'a World);

impl View for Sight<'_> {
    fn each(&self, show: &mut dyn FnMut(&Seen<'_>)) {
        let shape = self.0.shape();
        for entity in self.0.entities() {
            let cell = shape.grid.ground(entity.cell);
            let region = shape.regions.get(cell.0 as usize).copied();
            show(&Seen {
                id: entity.id,
                kind: entity.kind,
                at: entity.at,
                region: RegionNumber(region.unwrap_or_default()),
                state: &entity.state,
            });
        }
    }
}
