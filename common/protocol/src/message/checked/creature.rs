//! A creature of the game as the store keeps it.

use bytes::Bytes;

use super::error::CheckError;
use super::field;
use crate::cell::StateBytes;
use crate::geometry::Position;
use crate::ids::{RegionEpoch, RegionNumber};
use crate::limits::{CREATURE_MEMORY_BYTES_MAX, CREATURE_TIMERS_MAX, ENTITY_STATE_BYTES_MAX};
use crate::message::effect::{Arrivals, CreatureState, RoamTimer};
use crate::visibility::Visibility;

/// All that is a creature's own.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedCreature {
    /// What it is.
    pub kind: u16,
    /// Where it is.
    pub at: Position,
    /// 1/256 of a turn.
    pub heading: u8,
    /// Units per second.
    pub speed: f32,
    /// What all see of it.
    pub state: StateBytes,
    /// What the rules keep with it.
    pub memory: Bytes,
    /// Its timers when it was saved: ticks until each is due, and its token.
    pub timers: Vec<(u64, u64)>,
    /// When that was, Unix milliseconds.
    pub saved_ms: u64,
    /// Who sees it.
    pub visibility: Visibility,
}

impl TryFrom<CreatureState> for CheckedCreature {
    type Error = CheckError;

    fn try_from(message: CreatureState) -> Result<Self, CheckError> {
        Ok(Self {
            kind: u16::try_from(message.kind).map_err(|_| CheckError::OutOfRange("kind"))?,
            at: place(message.x, message.y)?,
            heading: u8::try_from(message.heading).map_err(|_| CheckError::OutOfRange("heading"))?,
            speed: speed(message.speed)?,
            state: seen(&message.state)?,
            memory: memory(&message.memory)?,
            timers: timers(&message.timers)?,
            saved_ms: message.saved_ms,
            visibility: field::visibility(message.visibility, message.only_user)?,
        })
    }
}

pub(super) fn place(x: f32, y: f32) -> Result<Position, CheckError> {
    let finite = |field, value: f32| {
        let finite = value.is_finite().then_some(value);
        finite.ok_or(CheckError::OutOfRange(field))
    };
    Ok(Position {
        x: finite("x", x)?,
        y: finite("y", y)?,
    })
}

pub(super) fn speed(speed: f32) -> Result<f32, CheckError> {
    let is_one = (0.0..=f32::MAX).contains(&speed);
    is_one.then_some(speed).ok_or(CheckError::OutOfRange("speed"))
}

pub(super) fn seen(state: &Bytes) -> Result<StateBytes, CheckError> {
    field::at_most("state", state, ENTITY_STATE_BYTES_MAX)?;
    StateBytes::try_from(&state[..]).map_err(|_| CheckError::OutOfRange("state"))
}

/// It stays for hours, and the frame that it came in must not.
pub(super) fn memory(memory: &Bytes) -> Result<Bytes, CheckError> {
    field::at_most("memory", memory, CREATURE_MEMORY_BYTES_MAX)?;
    Ok(Bytes::copy_from_slice(memory))
}

pub(super) fn timers(timers: &[RoamTimer]) -> Result<Vec<(u64, u64)>, CheckError> {
    field::count("timers", timers.len(), CREATURE_TIMERS_MAX)?;
    Ok(timers.iter().map(|timer| (timer.ticks, timer.token)).collect())
}

/// Somebody says that creatures have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedArrivals {
    /// The region that they come from.
    pub from: RegionNumber,
    /// The epoch of the region that they have come to.
    pub to_epoch: RegionEpoch,
}

impl TryFrom<&Arrivals> for CheckedArrivals {
    type Error = CheckError;

    fn try_from(message: &Arrivals) -> Result<Self, CheckError> {
        Ok(Self {
            from: field::region_number("from_region", message.from_region)?,
            to_epoch: RegionEpoch(message.to_region_epoch),
        })
    }
}
