//! One entity in view, and where to draw it between two sightings.

use protocol::cell::{CellEntity, StateBytes, heading, speed};
use protocol::geometry::{CellIndex, Position};
use protocol::ids::{EntityId, OwnerEpoch};

/// One entity as last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// Who it is.
    pub id: EntityId,
    /// What it is; the numbers are the game's.
    pub kind: u16,
    /// The epoch of its owner.
    pub owner_epoch: OwnerEpoch,
    /// The cell it was seen in.
    pub cell: CellIndex,
    /// Where it was last seen.
    pub at: Position,
    /// Where it was seen before that.
    pub before: Position,
    /// When `at` was seen, milliseconds on this client's monotonic clock.
    pub seen_at_ms: u64,
    /// When `before` was seen.
    pub before_at_ms: u64,
    /// Radians.
    pub heading: f32,
    /// Units per second.
    pub speed: f32,
    /// The game's own bytes.
    pub state: StateBytes,
    pub(super) tick: u64,
    pub(super) leaves_at_ms: Option<u64>,
}

impl Entity {
    pub(super) fn new(seen: &CellEntity, cell: CellIndex, at: Position, tick: u64, now_ms: u64) -> Self {
        Self {
            id: seen.id,
            kind: seen.kind,
            owner_epoch: seen.owner_epoch,
            cell,
            at,
            before: at,
            seen_at_ms: now_ms,
            before_at_ms: now_ms,
            heading: heading::radians(seen.motion.heading),
            speed: speed::units(seen.motion.speed),
            state: seen.state,
            tick,
            leaves_at_ms: None,
        }
    }

    pub(super) fn update(
        &mut self,
        seen: &CellEntity,
        cell: CellIndex,
        at: Position,
        tick: u64,
        now_ms: u64,
    ) {
        self.keep_before(now_ms);
        *self = Self {
            before: self.before,
            before_at_ms: self.before_at_ms,
            ..Self::new(seen, cell, at, tick, now_ms)
        };
    }

    /// As [`update`](Self::update), when nothing but the motion is new since the last sighting in the same cell.
    pub(super) fn moved(&mut self, seen: &CellEntity, at: Position, tick: u64, now_ms: u64) {
        self.keep_before(now_ms);
        self.at = at;
        self.seen_at_ms = now_ms;
        self.heading = heading::radians(seen.motion.heading);
        self.speed = speed::units(seen.motion.speed);
        self.tick = tick;
        self.leaves_at_ms = None;
    }

    /// Two sightings in one snapshot are one: the later of them.
    fn keep_before(&mut self, now_ms: u64) {
        if now_ms > self.seen_at_ms {
            (self.before, self.before_at_ms) = (self.at, self.seen_at_ms);
        }
    }

    /// Where to draw it, `delay_ms` behind the newest sighting. A delay of two ticks rides out one lost snapshot.
    #[must_use]
    pub fn position_at(&self, now_ms: u64, delay_ms: u64) -> Position {
        let span_ms = self.seen_at_ms.saturating_sub(self.before_at_ms);
        if span_ms == 0 {
            return self.at;
        }
        let into_ms = now_ms
            .saturating_sub(delay_ms)
            .saturating_sub(self.before_at_ms)
            .min(span_ms);
        let part = into_ms as f32 / span_ms as f32;
        Position {
            x: self.before.x + (self.at.x - self.before.x) * part,
            y: self.before.y + (self.at.y - self.before.y) * part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_drawn_between_the_last_two_sightings() {
        let seen = CellEntity::default();
        let at = |x| Position { x, y: 0.0 };
        let mut entity = Entity::new(&seen, CellIndex(0), at(0.0), 1, 1_000);
        assert_eq!(entity.position_at(1_050, 100), at(0.0));
        entity.update(&seen, CellIndex(0), at(10.0), 2, 1_050);
        assert_eq!(entity.position_at(1_125, 100), at(5.0));
        assert_eq!(entity.position_at(1_100, 100), at(0.0));
        assert_eq!(entity.position_at(9_000, 100), at(10.0));
        entity.update(&seen, CellIndex(0), at(12.0), 2, 1_050);
        assert_eq!((entity.before, entity.at), (at(0.0), at(12.0)));
        entity.moved(&seen, at(14.0), 3, 1_100);
        let mut whole = entity.clone();
        whole.update(&seen, CellIndex(0), at(16.0), 4, 1_150);
        entity.moved(&seen, at(16.0), 4, 1_150);
        assert_eq!(entity, whole);
    }
}
