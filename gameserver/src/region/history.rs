//! Where entities were in the last second, for rules that judge by what somebody has seen.

use std::collections::VecDeque;

use protocol::geometry::Position;
use protocol::ids::{EntityId, Tick};

use super::entity::Entity;

/// One tick: its entities by id.
type Picture = Vec<(EntityId, Position)>;

/// The last ticks, the newest one last.
#[derive(Debug, Default)]
pub(super) struct History {
    newest: Tick,
    pictures: VecDeque<Picture>,
}

impl History {
    /// Keeps where everybody is in this tick, and so many ticks before it.
    pub(super) fn keep<'a>(
        &mut self,
        tick: Tick,
        ticks_max: usize,
        entities: impl Iterator<Item = &'a Entity>,
    ) {
        if tick.0 != self.newest.0 + 1 {
            // Rules that want it anew, or that have begun anew.
            self.pictures.clear();
        }
        let oldest = (self.pictures.len() > ticks_max).then(|| self.pictures.pop_front());
        let mut picture = oldest.flatten().unwrap_or_default();
        picture.clear();
        picture.extend(entities.map(|entity| (entity.id, entity.at)));
        picture.sort_unstable_by_key(|(id, _)| *id);
        self.pictures.push_back(picture);
        self.newest = tick;
    }

    pub(super) fn position(&self, id: EntityId, tick: Tick) -> Option<Position> {
        let back = self.newest.0.checked_sub(tick.0)?;
        let index = self.pictures.len().checked_sub(1 + usize::try_from(back).ok()?)?;
        let picture = self.pictures.get(index)?;
        let found = picture.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        picture.get(found).map(|(_, at)| *at)
    }
}
