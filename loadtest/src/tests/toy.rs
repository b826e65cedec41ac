//! A game in which one walks six units a second and nothing else.

use game::bot::{Behaviour, MakeBehaviour, Own, Walk};
use protocol::geometry::Position;
use protocol::ids::{EntityId, RegionNumber};

use crate::places::{distance, point};

pub(crate) const BOTS: MakeBehaviour = |_| Box::new(Toy);

struct Toy;

impl Behaviour for Toy {
    fn own(&mut self, state: &[u8]) -> Option<Own> {
        let [region, moving] = *state else { return None };
        Some(Own {
            entity: EntityId(9),
            at: point(10.0, 10.0),
            region: RegionNumber(region.into()),
            is_moving: moving > 0,
        })
    }

    fn input(&mut self, walk: Walk, out: &mut Vec<u8>) {
        out.push(u8::from(walk != Walk::Stand));
    }
}

/// The bytes that say where a bot is.
pub(crate) fn own_state(region: u8, is_moving: bool) -> Vec<u8> {
    vec![region, u8::from(is_moving)]
}

/// Where one is after a tick, `hz` of which make a second.
pub(crate) fn stepped(at: Position, walk: Walk, hz: u64) -> Position {
    match walk {
        Walk::Stand => at,
        Walk::Towards { to, .. } => {
            let part = 6.0 / hz as f32 / distance(at, to).max(f32::EPSILON);
            point(at.x + (to.x - at.x) * part, at.y + (to.y - at.y) * part)
        }
    }
}
