//! What a client reads and says, and the bots that do so.

use game::bot::{Behaviour, HoldingNews, MakeBehaviour, Own as Seen, Walk};
use game::wire::{Reader, Truncated};
use game::{EntityId, Position, RegionNumber};

/// Events: you are it, and you are it no more; behind that the point that was won, u64.
pub const CAUGHT: u8 = 1;
pub const FREE: u8 = 2;

/// Makes bots that run where they are told to.
pub const BOTS: MakeBehaviour = |_| Box::new(Bot);

/// The own state of a player: `entity u64 | x f32 | y f32 | region u32 | speed f32 | it u8 | score u32`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Own {
    pub entity: EntityId,
    pub at: Position,
    pub region: RegionNumber,
    pub speed: f32,
    pub is_it: bool,
    pub score: u32,
}

impl Own {
    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.entity.0.to_le_bytes());
        out.extend([self.at.x, self.at.y].map(f32::to_le_bytes).concat());
        out.extend(self.region.0.to_le_bytes());
        out.extend(self.speed.to_le_bytes());
        out.push(u8::from(self.is_it));
        out.extend(self.score.to_le_bytes());
    }

    /// Reads it.
    ///
    /// # Errors
    /// `Truncated` when there are too few bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(bytes);
        let entity = EntityId(reader.u64()?);
        let mut float = || reader.array().map(f32::from_le_bytes);
        let at = Position { x: float()?, y: float()? };
        let region = RegionNumber(reader.u32()?);
        Ok(Self {
            entity,
            at,
            region,
            speed: reader.array().map(f32::from_le_bytes)?,
            is_it: reader.u8()? == 1,
            score: reader.u32()?,
        })
    }
}

/// The input that runs from one place to another: heading in 1/256 of a turn, speed of 255.
pub fn towards(from: Position, to: Position) -> [u8; 2] {
    let turn = (to.y - from.y).atan2(to.x - from.x) / std::f32::consts::TAU;
    [((turn * 256.0).round() as i32).rem_euclid(256) as u8, 255]
}

/// The place so many units away.
pub fn ahead(at: Position, heading: u8, units: f32) -> Position {
    let (sin, cos) = (f32::from(heading) / 256.0 * std::f32::consts::TAU).sin_cos();
    Position { x: at.x + cos * units, y: at.y + sin * units }
}

struct Bot;

impl Behaviour for Bot {
    fn own(&mut self, state: &[u8]) -> Option<Seen> {
        let Own { entity, at, region, speed, .. } = Own::parse(state).ok()?;
        Some(Seen { entity, at, region, is_moving: speed > 0.0 })
    }

    /// A point is a thing: the swarm compares what each bot was told with what the store has for it.
    fn event(&mut self, body: &[u8]) -> Option<HoldingNews> {
        let (kind, point) = body.split_first()?;
        let point = Reader::new(point).u64().ok()?;
        (*kind == FREE).then_some(HoldingNews::Collected(point))
    }

    fn input(&mut self, walk: Walk, out: &mut Vec<u8>) {
        match walk {
            Walk::Stand => out.extend([0, 0]),
            Walk::Towards { from, to } => out.extend(towards(from, to)),
        }
    }
}
