//! What an entity does to one of another region.

use bytes::Bytes;

use super::error::CheckError;
use super::field;
use crate::ids::{EntityId, RegionEpoch, RegionNumber};
use crate::limits::EFFECT_BYTES_MAX;
use crate::message::effect::Effect;

/// An effect, for the service of one region at one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedEffect {
    /// The region that says it.
    pub from: RegionNumber,
    /// The epoch of the region that it is meant for.
    pub to_epoch: RegionEpoch,
    /// Whose effect it is.
    pub source: EntityId,
    /// On whom.
    pub target: EntityId,
    /// The game's own bytes.
    pub body: Bytes,
}

impl TryFrom<Effect> for CheckedEffect {
    type Error = CheckError;

    fn try_from(message: Effect) -> Result<Self, CheckError> {
        field::at_most("body", &message.body, EFFECT_BYTES_MAX)?;
        Ok(Self {
            from: field::region_number("from_region", message.from_region)?,
            to_epoch: RegionEpoch(message.to_region_epoch),
            source: EntityId(message.source_entity),
            target: EntityId(message.target_entity),
            body: message.body,
        })
    }
}
