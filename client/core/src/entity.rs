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
    /// When it was last seen there, milliseconds on this client's monotonic clock.
    pub seen_at_ms: u64,
    /// Radians.
    pub heading: f32,
    /// Units per second.
    pub speed: f32,
    /// The game's own bytes.
    pub state: StateBytes,
    pub(super) tick: u64,
    pub(super) leaves: Option<Leaving>,
    /// Its next sighting has nothing to do with those before.
    jumps: bool,
    /// The mark of its last jump, as far as it was seen.
    jumped: bool,
    /// Where it was before, newest first.
    past: [Past; PAST],
}

/// The cell in which it was seen last says that it went elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    /// Where it is to appear.
    pub(super) to: CellIndex,
    /// When that was heard, milliseconds.
    pub(super) since_ms: u64,
}

/// Sightings kept beside the newest: a picture two ticks old lies between the second and third even when one is lost.
const PAST: usize = 3;
/// Ticks without news after which an entity counts as having stood still, not as having been lost on the way.
const STILL_TICKS: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Past {
    at: Position,
    seen_at_ms: u64,
}

impl Entity {
    pub(super) fn new(seen: &CellEntity, cell: CellIndex, at: Position, when: When) -> Self {
        let When { tick, now_ms, .. } = when;
        let first = Past {
            at,
            seen_at_ms: now_ms,
        };
        Self {
            id: seen.id,
            kind: seen.kind,
            owner_epoch: seen.owner_epoch,
            cell,
            at,
            seen_at_ms: now_ms,
            heading: heading::radians(seen.motion.heading),
            speed: speed::units(seen.motion.speed),
            state: seen.state,
            tick,
            leaves: None,
            jumps: false,
            jumped: seen.jumped,
            past: [first; PAST],
        }
    }

    /// It was put somewhere else: there it is drawn as soon as it is seen there, and never in between.
    pub(super) fn jump(&mut self, now_ms: u64) {
        if self.seen_at_ms == now_ms {
            self.forget_past();
        } else {
            self.jumps = true;
        }
    }

    fn forget_past(&mut self) {
        let (at, seen_at_ms) = (self.at, self.seen_at_ms);
        self.past = [Past { at, seen_at_ms }; PAST];
    }

    pub(super) fn update(&mut self, seen: &CellEntity, cell: CellIndex, at: Position, when: When) {
        self.keep_past(when);
        let (past, jumps) = (self.past, self.jumps || self.jumped != seen.jumped);
        *self = Self::new(seen, cell, at, when);
        if !jumps {
            self.past = past;
        }
    }

    /// As [`update`](Self::update), when nothing but the motion is new since the last sighting in the same cell.
    pub(super) fn moved(&mut self, seen: &CellEntity, at: Position, when: When) {
        self.keep_past(when);
        self.at = at;
        self.seen_at_ms = when.now_ms;
        self.heading = heading::radians(seen.motion.heading);
        self.speed = speed::units(seen.motion.speed);
        self.tick = when.tick;
        self.leaves = None;
        let has_jumped = std::mem::replace(&mut self.jumped, seen.jumped) != seen.jumped;
        if std::mem::take(&mut self.jumps) || has_jumped {
            self.forget_past();
        }
    }

    /// Two sightings in one snapshot are one: the later of them.
    fn keep_past(&mut self, when: When) {
        if when.now_ms <= self.seen_at_ms {
            return;
        }
        // Who stands is not repeated: it stood there until a tick ago.
        let still = when.now_ms - self.seen_at_ms > STILL_TICKS * when.tick_ms;
        let until_ms = when.now_ms.saturating_sub(when.tick_ms);
        self.past.rotate_right(1);
        self.past[0] = Past {
            at: self.at,
            seen_at_ms: if still { until_ms } else { self.seen_at_ms },
        };
    }

    /// Where to draw it, `delay_ms` behind the newest sighting: between those around that moment, never beyond them. A
    /// delay of two ticks rides out one lost snapshot, and shows an even walk as one.
    #[must_use]
    pub fn position_at(&self, now_ms: u64, delay_ms: u64) -> Position {
        let drawn_ms = now_ms.saturating_sub(delay_ms);
        let mut newer = Past {
            at: self.at,
            seen_at_ms: self.seen_at_ms,
        };
        for older in self.past {
            if drawn_ms >= newer.seen_at_ms {
                return newer.at;
            }
            if drawn_ms >= older.seen_at_ms {
                return between(older, newer, drawn_ms);
            }
            newer = older;
        }
        newer.at
    }
}

/// When an entity was seen, by which count.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    /// Of its region.
    pub(super) tick: u64,
    /// Length of a tick, milliseconds.
    pub(super) tick_ms: u64,
    /// This client's monotonic clock, milliseconds.
    pub(super) now_ms: u64,
}

fn between(older: Past, newer: Past, at_ms: u64) -> Position {
    let span_ms = newer.seen_at_ms - older.seen_at_ms;
    let part = (at_ms - older.seen_at_ms) as f32 / span_ms as f32;
    Position {
        x: older.at.x + (newer.at.x - older.at.x) * part,
        y: older.at.y + (newer.at.y - older.at.y) * part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY_MS: u64 = 100;

    fn at(x: f32) -> Position {
        Position { x, y: 0.0 }
    }

    fn when(now_ms: u64) -> When {
        When {
            tick: now_ms / 50,
            tick_ms: 50,
            now_ms,
        }
    }

    /// Sees somebody at these moments, as far as those have come, and says where it is drawn each 10 ms.
    fn drawn(seen: &[(u64, f32)], until_ms: u64) -> Vec<f32> {
        let mut entity = Entity::new(
            &CellEntity::default(),
            CellIndex(0),
            at(seen[0].1),
            when(seen[0].0),
        );
        let mut rest = &seen[1..];
        let mut shown = Vec::new();
        for now_ms in (seen[0].0..until_ms).step_by(10) {
            if let Some(((_, x), later)) = rest.split_first().filter(|((at_ms, _), _)| *at_ms <= now_ms) {
                entity.moved(&CellEntity::default(), at(*x), when(now_ms));
                rest = later;
            }
            shown.push(entity.position_at(now_ms, DELAY_MS).x);
        }
        shown
    }

    /// The longest step between two pictures.
    fn longest_step(shown: &[f32]) -> f32 {
        let steps = shown.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        steps.fold(0.0, f32::max)
    }

    #[test]
    fn an_even_walk_is_drawn_evenly_also_over_a_lost_snapshot() {
        let walk: Vec<(u64, f32)> = (0..20).map(|tick| (1_000 + tick * 50, tick as f32)).collect();
        let shown = drawn(&walk, 2_000);
        assert!(longest_step(&shown[10..]) < 0.21, "{shown:?}");
        assert!(
            shown.windows(2).skip(10).all(|pair| pair[1] > pair[0]),
            "{shown:?}"
        );
        let lossy: Vec<(u64, f32)> = walk
            .iter()
            .copied()
            .filter(|(at_ms, _)| *at_ms != 1_500)
            .collect();
        let shown = drawn(&lossy, 2_000);
        assert!(longest_step(&shown[10..]) < 0.21, "{shown:?}");
    }

    #[test]
    fn who_stood_for_long_does_not_jump_when_it_sets_out() {
        let shown = drawn(&[(1_000, 0.0), (9_000, 1.0), (9_050, 2.0), (9_100, 3.0)], 9_300);
        assert!(longest_step(&shown) < 0.21, "{:?}", &shown[790..]);
        assert_eq!(shown.last(), Some(&3.0), "and never beyond what was seen");
    }

    #[test]
    fn ce_25_who_was_put_somewhere_else_is_never_drawn_on_the_way() {
        let seen = CellEntity::default();
        for (in_cell, jumps_at_ms) in [(0, 1_100), (0, 1_060), (3, 1_100), (3, 1_060)] {
            let mut entity = Entity::new(&seen, CellIndex(0), at(0.0), when(1_000));
            entity.update(&seen, CellIndex(0), at(1.0), when(1_050));
            // The news may come with the sighting or before it.
            if jumps_at_ms < 1_100 {
                entity.jump(jumps_at_ms);
            }
            if in_cell == 0 {
                entity.moved(&seen, at(500.0), when(1_100));
            } else {
                entity.update(&seen, CellIndex(in_cell), at(500.0), when(1_100));
            }
            if jumps_at_ms == 1_100 {
                entity.jump(jumps_at_ms);
            }
            for now_ms in 1_100..1_300 {
                assert_eq!(entity.position_at(now_ms, DELAY_MS), at(500.0));
            }
            entity.moved(&seen, at(501.0), when(1_150));
            assert_eq!(entity.position_at(1_225, DELAY_MS), at(500.5), "then it walks on");
        }
    }

    #[test]
    fn two_sightings_at_one_moment_are_one() {
        let seen = CellEntity::default();
        let mut entity = Entity::new(&seen, CellIndex(0), at(0.0), when(1_000));
        entity.update(&seen, CellIndex(0), at(10.0), when(1_050));
        entity.update(&seen, CellIndex(0), at(12.0), when(1_050));
        assert_eq!(entity.position_at(1_125, DELAY_MS), at(6.0));
        let mut whole = entity.clone();
        whole.update(&seen, CellIndex(0), at(16.0), when(1_150));
        entity.moved(&seen, at(16.0), when(1_150));
        assert_eq!(entity, whole);
    }
}
