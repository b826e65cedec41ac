//! A creature of the game on its way over a border.

use bytes::Bytes;

use super::error::CheckError;
use super::{creature, field};
use crate::cell::StateBytes;
use crate::geometry::Position;
use crate::ids::{EntityId, OwnerEpoch, RegionEpoch, RegionNumber};
use crate::message::effect::Roam;
use crate::visibility::Visibility;

/// Who made a creature: it ends when that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Birth {
    /// The region.
    pub region: RegionNumber,
    /// The epoch of its service.
    pub region_epoch: RegionEpoch,
    /// How often the rules had begun anew within that.
    pub round: u64,
}

/// A creature, for the service of one region at one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedRoam {
    /// The region that it comes from, and its epoch.
    pub from: (RegionNumber, RegionEpoch),
    /// The epoch of the region that it goes to.
    pub to_epoch: RegionEpoch,
    /// Which creature.
    pub entity: EntityId,
    /// Under which epoch the new region shows it.
    pub epoch: OwnerEpoch,
    /// Who made it.
    pub birth: Birth,
    /// What it is.
    pub kind: u16,
    /// Where it goes.
    pub at: Position,
    /// 1/256 of a turn.
    pub heading: u8,
    /// Units per second.
    pub speed: f32,
    /// What all see of it.
    pub state: StateBytes,
    /// What the rules keep with it.
    pub memory: Bytes,
    /// Its timers: ticks until each is due, and its token.
    pub timers: Vec<(u64, u64)>,
    /// Who sees it.
    pub visibility: Visibility,
}

impl TryFrom<Roam> for CheckedRoam {
    type Error = CheckError;

    fn try_from(message: Roam) -> Result<Self, CheckError> {
        let out_of_range = CheckError::OutOfRange;
        // The first one is that of its birth, and there has to be one after it.
        if message.epoch < 2 || OwnerEpoch(message.epoch).next().is_err() {
            return Err(out_of_range("epoch"));
        }
        Ok(Self {
            from: (
                field::region_number("from_region", message.from_region)?,
                RegionEpoch(message.from_region_epoch),
            ),
            to_epoch: RegionEpoch(message.to_region_epoch),
            entity: EntityId(message.entity),
            epoch: OwnerEpoch(message.epoch),
            birth: Birth {
                region: field::region_number("birth_region", message.birth_region)?,
                region_epoch: RegionEpoch(message.birth_region_epoch),
                round: message.birth_round,
            },
            kind: u16::try_from(message.kind).map_err(|_| out_of_range("kind"))?,
            at: creature::place(message.x, message.y)?,
            heading: u8::try_from(message.heading).map_err(|_| out_of_range("heading"))?,
            speed: creature::speed(message.speed)?,
            state: creature::seen(&message.state)?,
            memory: creature::memory(&message.memory)?,
            timers: creature::timers(&message.timers)?,
            visibility: field::visibility(message.visibility, message.only_user)?,
        })
    }
}
